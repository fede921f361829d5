#pragma once
// Router::State: what the router keeps, and its moves. router.cc has the lives of requests and
// replicas, router_queue.cc what waits, who goes next, and the public face.

#include <memory>
#include <vector>

#include "core/route/drain_rate.h"
#include "core/route/fair_queue.h"
#include "core/route/output_estimate.h"
#include "core/route/replica_set.h"
#include "core/route/router.h"

namespace tidegate::route {

inline constexpr Duration kRetryAfterLeast = seconds(1);
inline constexpr Duration kRetryAfterMost = seconds(60);

struct Router::State {
  explicit State(Options given) : options(std::move(given)) { heed_options(); }

  void heed_options() {
    queue.set_weights(options.class_weights);
    replicas.pace(options.itl);
  }
  void on(const Arrived& e);
  void on(const FirstByte& e);
  void on(const Finished& e);
  void on(const Failed& e);
  void on(const Gone& e);
  void on(const ReplicaUp& e) { replicas.up(e); }
  void on(const ReplicaDraining& e);
  void on(const ReplicaDown& e);
  void on(const ReplicaShare& e);
  void on(const ReplicaProgress& e);
  void on(const Scraped& e);
  void on(const Tick&) {}
  void on(const Shutdown& e);

  Slot find(RequestId id) const { return index.find(id.value()); }
  Slot admit(const Arrived& e);
  void enqueue(Slot slot);
  bool over_limits(std::int64_t requests_before, std::int64_t bytes_before) const;
  void displace(Slot newcomer, std::int64_t requests_before, std::int64_t bytes_before);
  bool unreachable(Slot slot, Duration& wait) const;
  void dispatch(Slot slot, Slot replica);
  void place_again(Slot slot);
  void unbind(Slot slot);
  void drop_waiting(Slot slot, Outcome outcome);
  void answer(Slot slot, Outcome outcome, Duration retry_after);
  void forget(Slot slot);
  Duration retry_after() const;
  void pump();
  void expire(Instant before);
  void sort_out_late();
  void turn_away();

  Options options;
  Slab<Request> requests;
  IdIndex index;
  FairQueue queue{requests};
  ReplicaSet replicas{requests};
  OutputEstimate outputs;
  DrainRate drain;
  signal::Demand totals;
  std::uint64_t sequence = 0;
  bool accepting = true;
  bool keep_queue = true;
  Instant now;
  std::vector<Action>* actions = nullptr;
};

}  // namespace tidegate::route
