#pragma once
// Controller of one model: events in, actions out. Sans-I/O, deterministic, composed of small
// machines (replicas, cadence, mode and leadership, ledger of what was applied, records).
//
//   Controller c(model, spec_hash, Start{...});
//   c.handle(Observed{...}, now, actions);     // appends to actions; never blocks, never throws
//   loop sleeps until c.next_wake(), then hands it a Tick
//
// The same object runs live and in the simulator; a tape of (event, now) replayed gives the same
// actions.
//
// What an operator may rely on:
//   scale    is applied at once, also in observe and while paused, within [0, maxReplicas].
//            Paused, it stays. In auto it becomes the current target and the policy goes on from
//            there: up as demand asks, down only after scaleDownDelay
//   pause    no Apply but the operator's own; recommendations go on
//   resume   back to the spec's mode, or acting for as long as said, then observe
//   restart  the targets of Start are held until complete data has asked for less for
//            scaleDownDelay; the first decision that may act tells the actuator every target once.
//            Starts that were measured before are remembered
//   foreign  a number that is not ours is announced, becomes the current target, and the policy
//            goes on
// Thread-safety: one owner; a value otherwise.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/control/cadence.h"
#include "core/control/events.h"
#include "core/control/ledger.h"
#include "core/control/mode.h"
#include "core/control/recorder.h"
#include "core/control/replicas.h"

namespace tidegate::control {

class Controller {
 public:
  Controller(spec::Model model, std::uint64_t spec_hash, Start start);
  /// Appends to `actions`. `now` never goes back.
  void handle(const Event& event, Instant now, std::vector<Action>& actions);
  /// Replaces the spec; the caller follows with SpecChanged.
  void set_model(spec::Model model, std::uint64_t spec_hash);
  Instant next_wake() const;
  View view() const;
  /// Numbers are written: not paused, observing or led by another.
  bool acts() const { return mode_.acts(); }
  const spec::Model& model() const { return model_; }
  /// What the policy learned that outlives a restart.
  policy::State learned() const { return policy::carried_over(policy_); }
  /// What was measured of each variant of the model, in its order.
  const ColdStarts& cold_starts(std::size_t variant) const {
    return replicas_.cold_starts(variant);
  }
  /// The same as a journal and the next leader are given it; variants without any are left out.
  std::vector<VariantStarts> measured_starts() const;

 private:
  using Actions = std::vector<Action>;
  void on(const Observed& event, Instant now, Actions& actions);
  void on(const ReplicaChanged& event, Instant now, Actions& actions);
  void on(const CapacityFailed& event, Instant now, Actions& actions);
  void on(const SpecChanged& event, Instant now, Actions& actions);
  void on(const OperatorSaid& event, Instant now, Actions& actions);
  void on(const LeadershipChanged& event, Instant now, Actions& actions);
  void on(const Applied& event, Instant now, Actions& actions);
  void on(const Tick& event, Instant now, Actions& actions);
  void on(const Taught& event, Instant now, Actions& actions);

  void scale(const OperatorSaid& said, Instant now, Actions& actions);
  /// `replicas` are all the actuator has been told to keep, by somebody else.
  void foreign(std::size_t variant, std::int64_t replicas, Instant now, Actions& actions);
  void decide(Instant now, Actions& actions);
  void announce_overdue(const signal::Observation& seen, Actions& actions);
  bool apply(const Decision& decision, Instant now, Actions& actions);
  // Orders (warm_pool.cc).
  void order(const plan::Moves& moves, std::int64_t level, Instant now, Actions& actions);
  void apply(std::size_t variant, Ledger::Number number, std::vector<ReplicaId> victims,
             Instant now, Actions& actions);
  void set_by_hand(std::size_t variant, std::int64_t awake, Instant now, Actions& actions);
  void keep_unapplied(plan::Memory next);
  void leave_shadow(const signal::Observation& seen, Instant now);
  void remember_targets(const signal::Observation& seen, Instant now);
  signal::Observation observation(Instant now) const;
  std::optional<std::size_t> find(const std::string& variant) const;

  spec::Model model_;
  std::uint64_t spec_hash_ = 0;
  std::vector<policy::VariantReplicas> start_targets_;
  ModeMachine mode_;
  Cadence cadence_;
  ReplicaBook replicas_;
  Ledger ledger_;
  Recorder recorder_;
  policy::State policy_;
  plan::Memory memory_;
  bool shadow_ = false;     ///< the last decision was recommended only: targets are not the fleet's
  std::int64_t surge_ = 0;  ///< replicas beyond the target a rolling replacement may show
  Instant capacity_retry_ = Instant::never();
  std::optional<Observed> seen_;  ///< the latest
  plan::Plan plan_;               ///< the last
  std::vector<Reason> reasons_;   ///< of the last decision
  std::vector<Reason> notes_;     ///< for the next decision's record: operator, foreign write
  std::map<std::string, std::int64_t> overdue_;  ///< starts, by variant, at the last decision
  std::vector<std::pair<std::string, std::int64_t>> removed_;  ///< variants the new spec lacks
};

/// Runs a record again with the code of today. Equal to what was recorded unless the version
/// differs.
std::pair<policy::Recommendation, plan::Plan> rerun(const spec::Model& model,
                                                    const Decision& decision);

}  // namespace tidegate::control
