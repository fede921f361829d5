#pragma once
// Cluster: the worlds of several models on one clock, and the devices they share.
//
//   Cluster cluster(faults);
//   cluster.add({.model = chat, .initial = {1}, .faults = faults});   // -> 0
//   cluster.add({.model = code, .initial = {1}, .faults = faults});   // -> 1
//   for (...) cluster.offer(which, request);                          // in order of time
//   cluster.drain();
//   cluster.finish(end);
//
// Where `faults` bound the devices, all worlds are stepped together in order of time (the first
// added first at one instant), so that a device one model frees is there for another at that very
// moment. Otherwise nothing of one can reach another and each runs when it is spoken to.
// Thread-safety: one owner.

#include <cstddef>
#include <vector>

#include "sim/world.h"

namespace tidegate::sim {

class Cluster {
 public:
  explicit Cluster(const workload::Faults& faults);

  /// `options.supply` is set here.
  std::size_t add(WorldOptions options);
  void offer(std::size_t world, const workload::TraceRequest& request);
  /// Until nothing is in flight anywhere.
  void drain();
  void finish(Instant end);
  Instant now() const;
  std::size_t size() const { return worlds_.size(); }
  const World& world(std::size_t index) const { return worlds_[index]; }

 private:
  /// The world in which something happens next; size() where nothing will.
  std::size_t first() const;
  void run_until(Instant to);

  std::shared_ptr<Supply> supply_;
  std::vector<World> worlds_;
};

}  // namespace tidegate::sim
