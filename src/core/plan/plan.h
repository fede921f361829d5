#pragma once
// Plan: what gets applied. An ordered list of Plan -> Plan stages (one file each) from a
// recommendation.
//
// run() is the whole pipeline: schedule, prewarm, missing data, stabilization and scale-down delay,
// rates, bounds, capacity failures, pending capacity, victims. Each stage that changes or holds a
// count appends a Reason; the first `before` of a variant is what the recommendation said, the last
// `after` the plan.

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

/// One replica as a victim chooser sees it (<= 64 bytes; only where victims are chosen).
struct ReplicaRow {
  ReplicaId id;
  std::int32_t variant = 0;    ///< index in the spec
  std::uint8_t booting = 0;    ///< ordered or starting
  std::int64_t in_flight = 0;  ///< requests
  std::int64_t in_flight_tokens = 0;
  Instant ready_since;
  static constexpr auto fields() {
    using R = ReplicaRow;
    return std::tuple(Field{"id", &R::id}, Field{"variant", &R::variant},
                      Field{"booting", &R::booting}, Field{"inFlight", &R::in_flight},
                      Field{"inFlightTokens", &R::in_flight_tokens},
                      Field{"readySince", &R::ready_since});
  }
  bool operator==(const ReplicaRow&) const = default;
};

struct VariantPlan {
  std::string variant;
  Replicas replicas;
  std::vector<ReplicaId> victims;  ///< whom to stop, worst first; only on the way down
  static constexpr auto fields() {
    return std::tuple(Field{"variant", &VariantPlan::variant},
                      Field{"replicas", &VariantPlan::replicas},
                      Field{"victims", &VariantPlan::victims});
  }
  bool operator==(const VariantPlan&) const = default;
};

struct Plan {
  std::vector<VariantPlan> variants;  ///< in the order of the spec
  std::vector<Reason> reasons;
  static constexpr auto fields() {
    return std::tuple(Field{"variants", &Plan::variants}, Field{"reasons", &Plan::reasons});
  }
  bool operator==(const Plan&) const = default;
};

/// What the stages remember between decisions. Of another size than the spec's variants (at first):
/// the targets are then what the observation says is active.
struct VariantMemory {
  std::int64_t target = 0;                 ///< the number applied last
  std::vector<Sample> highs;               ///< largest recent recommendations (policy/recent.h)
  std::vector<Sample> lows;                ///< smallest, negated: for scaleUp.stabilizationWindow
  std::vector<Sample> scale_events;        ///< (when, change), for behavior.policies
  Instant lower_since = Instant::never();  ///< since when every recommendation was below `target`
  Instant capacity_failed_until;           ///< no raise before
  std::int64_t capacity_limit = -1;  ///< replicas known to be the most that can be had; -1 unknown
  std::int64_t prewarm_floor = 0;    ///< held until prewarm_until
  Instant prewarm_until;
  static constexpr auto fields() {
    using M = VariantMemory;
    return std::tuple(
        Field{"target", &M::target}, Field{"highs", &M::highs}, Field{"lows", &M::lows},
        Field{"scaleEvents", &M::scale_events}, Field{"lowerSince", &M::lower_since},
        Field{"capacityFailedUntil", &M::capacity_failed_until},
        Field{"capacityLimit", &M::capacity_limit}, Field{"prewarmFloor", &M::prewarm_floor},
        Field{"prewarmUntil", &M::prewarm_until});
  }
  bool operator==(const VariantMemory&) const = default;
};
struct Memory {
  std::vector<VariantMemory> variants;
  static constexpr auto fields() { return std::tuple(Field{"variants", &Memory::variants}); }
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

/// Whom to stop so that `variant` goes from `active` replicas to `target`, worst first: booting
/// ones, the youngest order first; then the fewest tokens in flight, the fewest requests, the
/// youngest ready.
std::vector<ReplicaId> choose_victims(const std::vector<ReplicaRow>& replicas, std::int32_t variant,
                                      std::int64_t active, std::int64_t target);

}  // namespace tidegate::plan
