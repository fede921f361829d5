#pragma once
// Policies: how many replicas. decide(spec, observation, state, now) -> recommendation and new
// state.
//
// One file a policy; each keeps its own small state value (<= 2 KB), so a decision can be re-run
// from a journal record. A policy answers for demand only: bounds, rates, delays and missing data
// are plan stages (core/plan), the same for all.

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/fields.h"
#include "core/base/reason.h"
#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/base/window.h"
#include "core/signal/observation.h"
#include "core/spec/model.h"

namespace tidegate::policy {

struct VariantReplicas {
  std::string variant;
  Replicas replicas;
  static constexpr auto fields() {
    return std::tuple(Field{"variant", &VariantReplicas::variant},
                      Field{"replicas", &VariantReplicas::replicas});
  }
  bool operator==(const VariantReplicas&) const = default;
};

struct Recommendation {
  std::vector<VariantReplicas> replicas;  ///< one per variant, in the order of the spec
  std::vector<Reason> reasons;
  /// The data behind it was partial, stale or absent: the plan may hold or raise on it, never
  /// lower.
  bool complete = true;
  static constexpr auto fields() {
    return std::tuple(Field{"replicas", &Recommendation::replicas},
                      Field{"reasons", &Recommendation::reasons},
                      Field{"complete", &Recommendation::complete});
  }
  bool operator==(const Recommendation&) const = default;
};

/// State shared by the reactive policies: windows of what they average, and what each remembers.
struct ReactiveState {
  TimeAverage in_flight;             ///< requests
  std::vector<TimeAverage> metrics;  ///< one per metric: rates; targettracking: replicas asked
  Instant panic_until;               ///< kpa
  std::int64_t panic_replicas = 0;   ///< kpa: never below this in panic
  Instant last_sync;                 ///< hpa, keda: their 15 s grid
  std::int64_t last_arrived_total = -1;
  std::int64_t last_tokens_total = -1;
  Instant last_totals_at;  ///< when both totals were read
  std::vector<std::int64_t>
      answer;  ///< per variant: hpa, keda: asked at the last sync; targettracking: seen
  std::uint8_t answer_complete = 1;
  Instant last_poll;                       ///< keda: its 30 s grid
  Instant last_active;                     ///< keda: when a metric was last above zero
  Instant zero_since = Instant::never();   ///< kpa: since when the law says none
  Instant above_since = Instant::never();  ///< targettracking: since when the high alarm breaches
  Instant below_since = Instant::never();  ///< targettracking: since when the low alarm breaches
  Instant last_change;  ///< targettracking: cool-down and warm-up count from here
  static constexpr auto fields() {
    using S = ReactiveState;
    return std::tuple(
        Field{"inFlight", &S::in_flight}, Field{"metrics", &S::metrics},
        Field{"panicUntil", &S::panic_until}, Field{"panicReplicas", &S::panic_replicas},
        Field{"lastSync", &S::last_sync}, Field{"lastArrivedTotal", &S::last_arrived_total},
        Field{"lastTokensTotal", &S::last_tokens_total}, Field{"lastTotalsAt", &S::last_totals_at},
        Field{"answer", &S::answer}, Field{"answerComplete", &S::answer_complete},
        Field{"lastPoll", &S::last_poll}, Field{"lastActive", &S::last_active},
        Field{"zeroSince", &S::zero_since}, Field{"aboveSince", &S::above_since},
        Field{"belowSince", &S::below_since}, Field{"lastChange", &S::last_change});
  }
  bool operator==(const ReactiveState&) const = default;
};

using State = ReactiveState;  ///< becomes a variant when a policy needs another kind

/// Total and never throws. `state` is what the same policy returned the time before ({} at first).
std::pair<Recommendation, State> decide(const spec::Model& model, const signal::Observation& seen,
                                        State state, Instant now);

/// The policies decide() knows; `check`, `run` and `simulate` refuse the others with "not built
/// yet".
bool is_built(spec::PolicyKind kind);

}  // namespace tidegate::policy
