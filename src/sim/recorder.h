#pragma once
// Recorder: told what happens in a World as it happens, for files and charts. A null recorder costs
// one comparison an event.
//
//   struct Csv : Recorder { void request(const RequestRecord& r) override { write(r); } };
//   World world({.model = model, .initial = {1}, .recorder = &csv});
//
// Everything is told in order of time (requests at their end). Thread-safety: that of the world.

#include <cstdint>

#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/control/events.h"
#include "core/workload/workload.h"
#include "sim/fleet.h"

namespace tidegate::sim {

/// A request, told when it ended. Instants are never() where it did not come to that.
struct RequestRecord {
  std::int64_t number = 0;  ///< in order of arrival, from 1
  Instant arrived;
  Instant dispatched = Instant::never();  ///< bound to a replica, the last time
  Instant first = Instant::never();       ///< its first token
  Instant ended;
  workload::Ending ending = workload::Ending::kLost;
  bool met = false;
  std::int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
  std::int64_t priority = 0;
  ReplicaId replica;  ///< 0: none
};

/// What there is, once a tick.
struct Sample {
  Instant at;
  std::int64_t arrived_total = 0;  ///< requests so far
  std::int64_t met_total = 0;      ///< of those that ended
  std::int64_t ended_total = 0;
  std::int64_t queued = 0;          ///< requests at the gateway
  std::int64_t engine_waiting = 0;  ///< requests in engines' queues, as scraped last
  std::int64_t running = 0;         ///< requests in engines' batches, as scraped last
  double kv_usage = 0;              ///< mean over ready replicas, as scraped last, 0..1
  double ttft_p99_seconds = -1;     ///< over scaling.window; negative: none ended
  std::int64_t ordered = 0, starting = 0, ready = 0, sleeping = 0, draining = 0;  ///< replicas
  std::int64_t desired = 0;  ///< replicas, as applied last
  double cost_dollars = 0;   ///< so far
};

class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void request(const RequestRecord&) {}
  virtual void replica(Instant, const Change&) {}
  /// As the journal would keep it: `repeats` unchanged ones before it were left out.
  virtual void decision(const control::Decision&, std::int64_t repeats) { (void)repeats; }
  virtual void sample(const Sample&) {}
};

}  // namespace tidegate::sim
