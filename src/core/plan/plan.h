#pragma once
// Plan: what gets applied. An ordered list of Plan -> Plan stages (one file each) from a
// recommendation.
//
// run() is the whole pipeline: schedule, prewarm, missing data, stabilization and scale-down delay,
// rates, bounds, capacity failures, warm pool, pending capacity, victims. Each stage that changes
// or holds a count appends a Reason; the first `before` of a variant is what the recommendation
// said, the last `after` the plan.

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/fields.h"
#include "core/base/reason.h"
#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/base/window.h"
#include "core/policy/policy.h"
#include "core/signal/observation.h"
#include "core/spec/model.h"

namespace tidegate::plan {

/// Where a replica is between serving and sleep.
enum class Rest : std::uint8_t { kAwake, kFallingAsleep, kAsleep, kWaking };

/// One replica as a victim chooser sees it (<= 64 bytes; only where victims are chosen).
struct ReplicaRow {
  ReplicaId id;
  std::int32_t variant = 0;    ///< index in the spec
  std::uint8_t booting = 0;    ///< ordered or starting, waking not
  std::int64_t in_flight = 0;  ///< requests
  std::int64_t in_flight_tokens = 0;
  Instant ready_since;
  Rest rest = Rest::kAwake;
  static constexpr auto fields(auto...) {
    using R = ReplicaRow;
    return std::tuple(Field{"id", &R::id}, Field{"variant", &R::variant},
                      Field{"booting", &R::booting}, Field{"inFlight", &R::in_flight},
                      Field{"inFlightTokens", &R::in_flight_tokens},
                      Field{"readySince", &R::ready_since}, Field{"rest", &R::rest});
  }
  bool operator==(const ReplicaRow&) const = default;
};

struct VariantPlan {
  std::string variant;
  Replicas replicas;                   ///< awake
  Replicas asleep{0};                  ///< beside those
  std::vector<ReplicaId> victims;      ///< whom to stop, worst first; only on the way down
  std::vector<ReplicaId> wake, sleep;  ///< disjoint from the victims and from each other
  static constexpr auto fields(auto...) {
    using V = VariantPlan;
    return std::tuple(Field{"variant", &V::variant}, Field{"replicas", &V::replicas},
                      Field{"asleep", &V::asleep}, Field{"victims", &V::victims},
                      Field{"wake", &V::wake}, Field{"sleep", &V::sleep});
  }
  bool operator==(const VariantPlan&) const = default;
};

struct Plan {
  std::vector<VariantPlan> variants;  ///< in the order of the spec
  std::vector<Reason> reasons;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"variants", &Plan::variants}, Field{"reasons", &Plan::reasons});
  }
  bool operator==(const Plan&) const = default;
};

/// What the stages remember between decisions. Of another size than the spec's variants (at first):
/// the targets are then what the observation says is active.
struct VariantMemory {
  std::int64_t target = 0;                 ///< the number applied last
  std::int64_t asleep = 0;                 ///< and how many were to sleep beside it
  std::vector<Sample> highs;               ///< largest recent recommendations (policy/recent.h)
  std::vector<Sample> lows;                ///< smallest, negated: for scaleUp.stabilizationWindow
  std::vector<Sample> scale_events;        ///< (when, change), for behavior.policies
  Instant lower_since = Instant::never();  ///< since when every recommendation was below `target`
  Duration cancel_after{0};  ///< what is on its way goes (stabilization.cc); 0: not learned yet
  Instant surplus_at = Instant::never();  ///< seen last, while it may still be wanted again
  std::int64_t surplus_from = 0, surplus_to = 0;
  Instant capacity_failed_until;     ///< no raise before
  std::int64_t capacity_limit = -1;  ///< replicas known to be the most that can be had; -1 unknown
  std::int64_t prewarm_floor = 0;    ///< held until prewarm_until
  Instant prewarm_until;
  static constexpr auto fields(auto...) {
    using M = VariantMemory;
    return std::tuple(
        Field{"target", &M::target}, Field{"asleep", &M::asleep}, Field{"highs", &M::highs},
        Field{"lows", &M::lows}, Field{"scaleEvents", &M::scale_events},
        Field{"lowerSince", &M::lower_since}, Field{"cancelAfter", &M::cancel_after},
        Field{"surplusAt", &M::surplus_at}, Field{"surplusFrom", &M::surplus_from},
        Field{"surplusTo", &M::surplus_to}, Field{"capacityFailedUntil", &M::capacity_failed_until},
        Field{"capacityLimit", &M::capacity_limit}, Field{"prewarmFloor", &M::prewarm_floor},
        Field{"prewarmUntil", &M::prewarm_until});
  }
  bool operator==(const VariantMemory&) const = default;
};
struct Memory {
  std::vector<VariantMemory> variants;
  static constexpr auto fields(auto...) { return std::tuple(Field{"variants", &Memory::variants}); }
  bool operator==(const Memory&) const = default;
};

std::pair<Plan, Memory> run(const spec::Model& model, const signal::Observation& seen,
                            const policy::Recommendation& recommended,
                            const std::vector<ReplicaRow>& replicas, Memory memory, Instant now);

/// What binds a variant's replicas at a time: its own bounds, or those of an open window.
struct BoundsInForce {
  std::int64_t min = 0, max = 0;
  bool operator==(const BoundsInForce&) const = default;
};
/// One a variant, in the order of the spec.
std::vector<BoundsInForce> bounds_at(const spec::Model& model, WallTime wall);

/// What has to happen to a variant's replicas so that `wanted` are awake and asleep.
struct Wanted {
  std::int64_t awake = 0, asleep = 0;
};
struct Moves {
  std::vector<ReplicaId> wake, sleep, stop;  ///< disjoint; the worst first
  bool operator==(const Moves&) const = default;
};
/// Sleepers wake first, even where cold ones boot (those come later and become the refill). Serving
/// ones beyond what shall be awake go to sleep where the pool lacks some. What is then beyond both
/// stops: booting ones, the youngest order first; sleepers the pool has too many of; then those
/// awake with the fewest tokens in flight, the fewest requests, the youngest ready. `known` are
/// active replicas that may have no row yet.
Moves choose_moves(const std::vector<ReplicaRow>& replicas, std::int32_t variant,
                   std::int64_t known, Wanted wanted);

}  // namespace tidegate::plan

namespace tidegate {
template <>
struct EnumTokens<plan::Rest> {
  static constexpr std::string_view kTokens[] = {"awake", "falling-asleep", "asleep", "waking"};
};
}  // namespace tidegate
