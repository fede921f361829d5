#pragma once
// Fleet: the replicas of one model, from order to gone; the simulated counterpart of an actuator.
//
//   fleet.apply({"h100", Replicas(3), victims}, now, changes);
//   if (fleet.next_event() <= now) fleet.advance(now, changes);   // starts that get on
//   fleet.drained(id, now, changes);                              // the router holds nothing there
//
// Every change of every replica is appended to `changes` once, in the order it happens: ordered,
// starting (granted: billing begins), ready, draining, gone. Who stops: those that boot, the
// youngest order first, then the victims named, then the youngest. What boots is gone at once; what
// serves drains first, however long that takes. apply() replaces what was asked before; what is
// lost against the will of whoever asked is ordered again at once. Ids count from 1 and are never
// used again.
//
//   fleet.sleep(id, now, changes);                                // drains, then sleeps
//   fleet.wake(id, now, changes);                                 // starting, then ready
//
// Who sleeps counts as a replica; among those not named it stops before one that serves.
// Thread-safety: one owner.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/control/events.h"
#include "core/control/replicas.h"
#include "core/spec/model.h"
#include "sim/bill.h"
#include "sim/starts.h"

namespace tidegate::sim {

struct Change {
  ReplicaId id;
  std::size_t variant = 0;
  control::ReplicaState state = control::ReplicaState::kOrdered;
  control::StageTimes stages;
  bool adopted = false;    ///< there from the beginning
  bool reclaimed = false;  ///< kDraining: the cluster's doing, nobody ordered it
};

struct Replica {
  std::size_t variant = 0;
  control::ReplicaState state = control::ReplicaState::kOrdered;
  Instant ordered_at, ready_at;
  enum class Billed : std::uint8_t { kNo, kAwake, kAsleep } billed = Billed::kNo;
  bool to_sleep = false;  ///< kDraining: to sleep, not to stop
  bool wakes = false;     ///< kStarting: from sleep

  /// Counts towards what was asked for.
  bool alive() const {
    return control::is_active(state) || state == control::ReplicaState::kSleeping || to_sleep;
  }
};

class Fleet {
 public:
  Fleet(const spec::Model& model, std::uint64_t seed, std::shared_ptr<Supply> supply = nullptr,
        double start_failures = 0);

  /// `n` replicas that are ready from the beginning, and `asleep` that sleep.
  void adopt(std::size_t variant, std::int64_t n, std::int64_t asleep,
             std::vector<Change>& changes);
  void apply(std::size_t variant, const control::Apply& wanted, Instant now,
             std::vector<Change>& changes);
  void drained(ReplicaId id, Instant now, std::vector<Change>& changes);
  /// Nothing where it is not ready, or does not sleep.
  void sleep(ReplicaId id, Instant now, std::vector<Change>& changes);
  void wake(ReplicaId id, Instant now, std::vector<Change>& changes);
  /// The cluster wants it back: it drains, and another is ordered. Nothing where it does not serve.
  void reclaim(ReplicaId id, Instant now, std::vector<Change>& changes);
  /// It is there no more, with all it held.
  void lose(ReplicaId id, Instant now, std::vector<Change>& changes);
  /// Variants with a start that waits for a device since the last call.
  std::vector<std::size_t> take_blocked() { return std::exchange(blocked_, {}); }
  std::int64_t granted(std::size_t variant) const { return starts_.granted(variant); }
  Instant next_event() const { return starts_.next_event(); }
  void advance(Instant now, std::vector<Change>& changes);

  const std::map<ReplicaId, Replica>& replicas() const { return replicas_; }
  Bill& bill() { return bill_; }
  const Bill& bill() const { return bill_; }
  /// Starts that became ready, and sleepers that did.
  std::int64_t cold_starts() const { return cold_starts_; }
  std::int64_t wakes() const { return wakes_; }

 private:
  void change(ReplicaId id, Replica& replica, control::ReplicaState state,
              std::vector<Change>& changes, const control::StageTimes& stages = {});
  void order(std::size_t variant, Instant now, std::vector<Change>& changes);
  /// Replicas of the variant, asleep or not, beyond what is wanted; negative: missing.
  std::int64_t surplus(std::size_t variant) const;
  void top_up(std::size_t variant, Instant now, std::vector<Change>& changes);
  void stop(ReplicaId id, Instant now, std::vector<Change>& changes);
  void fall_asleep(ReplicaId id, Replica& replica, Instant now, std::vector<Change>& changes);
  void remove(ReplicaId id, Instant now, std::vector<Change>& changes);
  void bill_as(Replica& replica, Replica::Billed as, Instant now);
  std::vector<ReplicaId> stop_order(std::size_t variant,
                                    const std::vector<ReplicaId>& victims) const;

  Starts starts_;
  Bill bill_;
  std::map<ReplicaId, Replica> replicas_;
  std::vector<std::int64_t> wanted_;  ///< one a variant
  std::vector<Started> steps_;
  std::vector<std::size_t> blocked_;
  std::uint64_t last_id_ = 0;
  std::int64_t cold_starts_ = 0, wakes_ = 0;
};

}  // namespace tidegate::sim
