#pragma once
// Events and actions of the controller, what it starts from and what it shows. Plain values with
// fields(), so that tape, journal and API carry them as they are.

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "core/base/fields.h"
#include "core/base/reason.h"
#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/plan/plan.h"
#include "core/policy/policy.h"
#include "core/signal/observation.h"
#include "core/spec/model.h"

namespace tidegate::control {

enum class ReplicaState : std::uint8_t {
  kOrdered,
  kStarting,
  kReady,
  kSleeping,
  kDraining,
  kGone,
  kFailed
};

/// What a start found: no node yet, a node without the weights, one that has them, or a replica
/// that slept.
enum class StartFrom : std::uint8_t { kNoNode, kCold, kCachedWeights, kSleeping };
inline constexpr std::size_t kStartFroms = 4;

/// How long each stage of one start took; negative: not seen.
struct StageTimes {
  Duration procurement{-1}, image{-1}, weights{-1}, engine{-1};
  Duration total{-1};  ///< order -> ready; of a wake: told to wake -> ready
  StartFrom from = StartFrom::kCold;
  Duration compile{-1}, graphs{-1};  ///< parts of engine: compilation, capture of graphs
  static constexpr auto fields(auto...) {
    using S = StageTimes;
    return std::tuple(Field{"procurement", &S::procurement}, Field{"image", &S::image},
                      Field{"weights", &S::weights}, Field{"engine", &S::engine},
                      Field{"total", &S::total}, Field{"from", &S::from},
                      Field{"compile", &S::compile}, Field{"graphs", &S::graphs});
  }
  bool operator==(const StageTimes&) const = default;
};

// ---- events ----
struct Observed {
  static constexpr std::string_view kType = "Observed";
  signal::Observation observation;
  std::vector<plan::ReplicaRow> replicas;  ///< in-flight per replica, where victims may be chosen
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"observation", &Observed::observation},
                      Field{"replicas", &Observed::replicas});
  }
  bool operator==(const Observed&) const = default;
};
struct ReplicaChanged {
  static constexpr std::string_view kType = "ReplicaChanged";
  ReplicaId id;
  std::string variant;
  ReplicaState state = ReplicaState::kOrdered;
  StageTimes stages;
  std::uint8_t adopted = 0;  ///< 1: found running from a run before
  static constexpr auto fields(auto...) {
    using R = ReplicaChanged;
    return std::tuple(Field{"id", &R::id}, Field{"variant", &R::variant}, Field{"state", &R::state},
                      Field{"stages", &R::stages}, Field{"adopted", &R::adopted});
  }
  bool operator==(const ReplicaChanged&) const = default;
};
/// Capacity was asked for and cannot come: no free device, crash loop, pending past its deadline.
struct CapacityFailed {
  static constexpr std::string_view kType = "CapacityFailed";
  std::string variant;
  std::int64_t limit = -1;  ///< the most replicas that can be had now; -1 unknown
  Duration retry_after = seconds(30);
  std::string detail;  ///< for people
  static constexpr auto fields(auto...) {
    using C = CapacityFailed;
    return std::tuple(Field{"variant", &C::variant}, Field{"limit", &C::limit},
                      Field{"retryAfter", &C::retry_after}, Field{"detail", &C::detail});
  }
  bool operator==(const CapacityFailed&) const = default;
};
/// The spec is held by the owner; the tape carries it as an opaque document beside this marker.
struct SpecChanged {
  static constexpr std::string_view kType = "SpecChanged";
  std::string spec_yaml;  ///< the document as loaded; for the tape
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"specYaml", &SpecChanged::spec_yaml});
  }
  bool operator==(const SpecChanged&) const = default;
};
enum class Said : std::uint8_t { kScale, kPause, kResume };
struct OperatorSaid {
  static constexpr std::string_view kType = "OperatorSaid";
  Said said = Said::kScale;
  std::string variant;        ///< empty: the first
  std::int64_t replicas = 0;  ///< kScale
  Duration lasting{0};        ///< kResume: > 0 is the timed mode
  static constexpr auto fields(auto...) {
    using O = OperatorSaid;
    return std::tuple(Field{"said", &O::said}, Field{"variant", &O::variant},
                      Field{"replicas", &O::replicas}, Field{"lasting", &O::lasting});
  }
  bool operator==(const OperatorSaid&) const = default;
};
struct LeadershipChanged {
  static constexpr std::string_view kType = "LeadershipChanged";
  std::uint8_t leader = 1;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"leader", &LeadershipChanged::leader});
  }
  bool operator==(const LeadershipChanged&) const = default;
};
/// The actuator took an Apply (ok) or refused it (detail says why).
struct Applied {
  static constexpr std::string_view kType = "Applied";
  std::string variant;
  std::int64_t replicas = 0;
  std::uint8_t ok = 1;
  std::string detail;
  static constexpr auto fields(auto...) {
    using A = Applied;
    return std::tuple(Field{"variant", &A::variant}, Field{"replicas", &A::replicas},
                      Field{"ok", &A::ok}, Field{"detail", &A::detail});
  }
  bool operator==(const Applied&) const = default;
};
struct Tick {
  static constexpr std::string_view kType = "Tick";
  static constexpr auto fields(auto...) { return std::tuple<>(); }
  bool operator==(const Tick&) const = default;
};
/// The latest starts of one variant, oldest first.
struct VariantStarts {
  std::string variant;
  std::vector<StageTimes> starts;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"variant", &VariantStarts::variant},
                      Field{"starts", &VariantStarts::starts});
  }
  bool operator==(const VariantStarts&) const = default;
};
/// What a run before, or the leader before, had learned: policy::carried_over() of it, of which a
/// tide goes on (a state without one teaches nothing); and the starts it measured. Of a variant of
/// which we have measured as many, ours stand: who follows sees the same pods.
struct Taught {
  static constexpr std::string_view kType = "Taught";
  policy::State learned;
  std::vector<VariantStarts> cold_starts;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"learned", &Taught::learned},
                      Field{"coldStarts", &Taught::cold_starts});
  }
  bool operator==(const Taught&) const = default;
};
using Event = std::variant<Observed, ReplicaChanged, CapacityFailed, SpecChanged, OperatorSaid,
                           LeadershipChanged, Applied, Tick, Taught>;

// ---- actions ----
/// Make the variant have this many replicas, those asleep included. Idempotent: a second Apply
/// replaces the first.
struct Apply {
  static constexpr std::string_view kType = "Apply";
  std::string variant;
  Replicas replicas;
  std::vector<ReplicaId> victims;
  Replicas asleep{0};  ///< of the replicas; Wake and Sleep say which
  Replicas awake() const { return replicas - asleep; }
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"variant", &Apply::variant}, Field{"replicas", &Apply::replicas},
                      Field{"victims", &Apply::victims}, Field{"asleep", &Apply::asleep});
  }
  bool operator==(const Apply&) const = default;
};
/// A replica that sleeps shall serve: starting, then ready (StartFrom::kSleeping).
struct Wake {
  static constexpr std::string_view kType = "Wake";
  ReplicaId id;
  static constexpr auto fields(auto...) { return std::tuple(Field{"id", &Wake::id}); }
  bool operator==(const Wake&) const = default;
};
/// A ready replica shall sleep: draining until it holds nothing, then sleeping.
struct Sleep {
  static constexpr std::string_view kType = "Sleep";
  ReplicaId id;
  std::int64_t level = 1;  ///< spec::sleep_level(); 0: its engine stops, its machine stays
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"id", &Sleep::id}, Field{"level", &Sleep::level});
  }
  bool operator==(const Sleep&) const = default;
};
/// All that is needed to run the decision again: decide(model, seen, policy_before) and the plan.
struct Decision {
  std::uint64_t sequence = 0;  ///< per model, from 1
  Instant at;
  WallTime wall;
  std::int64_t version = 1;     ///< of the decision code: kDecisionVersion
  std::uint64_t spec_hash = 0;  ///< which spec document (journal table `specs`)
  signal::Observation observation;
  std::vector<plan::ReplicaRow> replicas;
  policy::State policy_before;
  plan::Memory plan_before;
  policy::Recommendation recommendation;
  plan::Plan plan;
  std::uint8_t applied = 0;     ///< 0: recommended only (observe, paused, not leader)
  std::vector<Reason> reasons;  ///< recommendation's, plan's and control's, in order
  static constexpr auto fields(auto...) {
    using D = Decision;
    return std::tuple(Field{"sequence", &D::sequence}, Field{"at", &D::at}, Field{"wall", &D::wall},
                      Field{"version", &D::version}, Field{"specHash", &D::spec_hash},
                      Field{"observation", &D::observation}, Field{"replicas", &D::replicas},
                      Field{"policyBefore", &D::policy_before},
                      Field{"planBefore", &D::plan_before},
                      Field{"recommendation", &D::recommendation}, Field{"plan", &D::plan},
                      Field{"applied", &D::applied}, Field{"reasons", &D::reasons});
  }
  bool operator==(const Decision&) const = default;
};
/// Journal this decision. Sent for every decision that changed something, and for unchanged ones at
/// most once a minute (run-length: `repeats` counts those left out since the last record).
struct Record {
  static constexpr std::string_view kType = "Record";
  Decision decision;
  std::int64_t repeats = 0;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"decision", &Record::decision}, Field{"repeats", &Record::repeats});
  }
  bool operator==(const Record&) const = default;
};
/// Something people should hear: a change of count, mode, capacity failure.
struct Announce {
  static constexpr std::string_view kType = "Announce";
  Reason reason;
  std::string detail;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"reason", &Announce::reason}, Field{"detail", &Announce::detail});
  }
  bool operator==(const Announce&) const = default;
};
using Action = std::variant<Apply, Wake, Sleep, Record, Announce>;

inline constexpr std::int64_t kDecisionVersion = 1;
/// Decide at most this often; an observation in between is kept, not lost.
inline constexpr Duration kDecisionPeriod = seconds(1);

/// What the controller starts from: what the journal remembers, or nothing. `mode` kAuto means the
/// spec's own; the others are what an operator said last (timed, or observe once that ran out).
struct Start {
  spec::Mode mode = spec::Mode::kAuto;
  Instant timed_until = Instant::never();
  std::uint8_t paused = 0;
  std::vector<policy::VariantReplicas> targets;  ///< last applied, so that a restart holds it
  std::uint64_t next_sequence = 1;
  std::vector<VariantStarts> cold_starts;  ///< measured before: lead times outlive a restart
  policy::State policy;                    ///< policy::carried_over() of the run before
  static constexpr auto fields(auto...) {
    using S = Start;
    return std::tuple(Field{"mode", &S::mode}, Field{"timedUntil", &S::timed_until},
                      Field{"paused", &S::paused}, Field{"targets", &S::targets},
                      Field{"nextSequence", &S::next_sequence},
                      Field{"coldStarts", &S::cold_starts}, Field{"policy", &S::policy});
  }
  bool operator==(const Start&) const = default;
};

/// For `status`, /metrics and the dashboard.
struct View {
  spec::Mode mode = spec::Mode::kAuto;
  bool paused = false;
  bool leader = true;
  Instant timed_until = Instant::never();
  std::vector<policy::VariantReplicas> desired;
  std::vector<Reason> reasons;  ///< of the last decision
};

}  // namespace tidegate::control

namespace tidegate {
template <>
struct EnumTokens<control::StartFrom> {
  static constexpr std::string_view kTokens[] = {"noNode", "cold", "cachedWeights", "sleeping"};
};
template <>
struct EnumTokens<control::ReplicaState> {
  static constexpr std::string_view kTokens[] = {"ordered",  "starting", "ready", "sleeping",
                                                 "draining", "gone",     "failed"};
};
template <>
struct EnumTokens<control::Said> {
  static constexpr std::string_view kTokens[] = {"scale", "pause", "resume"};
};
}  // namespace tidegate
