#pragma once
// World: one model under one policy, in virtual time. Around the very controller and router that
// production runs stand an event queue, core/engine for every replica, and Fleet for the cluster.
//
//   World world(options);
//   for (workload::TraceRequest r; trace.next(r);) world.offer(r);
//   world.drain();                    // every request has ended
//   world.finish(end);                // decides and bills on to `end`
//   print(world.totals().score.attainment());
//
// The controller is shown an observation each `tick`, engines are read each `scrape_period`, and
// what was read is known `scrape_delay` later; an order reaches the cluster `actuation_delay` after
// it was given. The router hears of progress once a scrape, never per token, and each engine has
// one next wake. Things happen in order of time; at one instant engines come first (by replica),
// then the cluster, then what was scheduled (in the order it was), the router's deadlines, the
// controller, and arrivals last (in the order offered). All chance is from `seed`. Memory grows
// with what is in flight and with the replicas ever started, not with the trace. Instant 0 is the
// start of the trace, a Monday 00:00 UTC for schedules. Thread-safety: one owner.

#include <cstdint>
#include <memory>
#include <vector>

#include "core/control/controller.h"
#include "core/engine/profile.h"
#include "core/spec/model.h"
#include "core/workload/workload.h"

namespace tidegate::sim {

struct WorldOptions {
  spec::Model model;                      ///< with the policy to run
  std::vector<engine::Profile> profiles;  ///< one a variant
  std::vector<std::int64_t> initial;      ///< replicas ready at the start, one a variant
  std::uint64_t seed = 1;
  std::int64_t prefix_block_tokens = 16;  ///< what a hash of a request's prefix covers
  Duration tick = seconds(1);
  Duration scrape_period = seconds(1);
  Duration scrape_delay = millis(500);
  Duration actuation_delay{0};
};

struct Totals {
  workload::Score score;
  std::int64_t too_long = 0;  ///< of the rejected: can never fit the engine
  std::int64_t output_tokens = 0;
  std::int64_t scale_ups = 0, scale_downs = 0;
  std::int64_t cold_starts = 0;
  std::int64_t queue_peak = 0;  ///< requests
  std::int64_t replicas_peak = 0;
  double replicas_mean = 0;
  double gpu_hours = 0, replica_hours = 0, cost_dollars = 0;
  Duration busy{0};  ///< sum over requests of the time at an engine
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  World(World&&) noexcept;
  World& operator=(World&&) noexcept;

  /// Requests in order of time; earlier than the last one counts as that one's.
  void offer(const workload::TraceRequest& request);
  /// Runs until nothing is in flight.
  void drain();
  /// Runs to `end`, not before now(), and bills.
  void finish(Instant end);
  Instant now() const;
  std::int64_t in_flight() const;
  Totals totals() const;
  control::View view() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::sim
