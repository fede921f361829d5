#pragma once
// Policies: how many replicas. decide(spec, observation, state, now) -> recommendation and new
// state.
//
// One file a policy; each keeps its own small state value (<= 2 KB; tide 6.5 KB), so a decision can
// be re-run from a journal record. A policy answers for demand only: bounds, rates, delays and
// missing data are plan stages (core/plan), the same for all.

#include <cstdint>
#include <optional>
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
#include "core/policy/tide_state.h"
#include "core/signal/observation.h"
#include "core/spec/model.h"

namespace tidegate::policy {

struct VariantReplicas {
  std::string variant;
  Replicas replicas;
  Replicas asleep{0};  ///< beside those, in the warm pool
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"variant", &VariantReplicas::variant},
                      Field{"replicas", &VariantReplicas::replicas},
                      Field{"asleep", &VariantReplicas::asleep});
  }
  bool operator==(const VariantReplicas&) const = default;
};

struct Recommendation {
  std::vector<VariantReplicas> replicas;  ///< one per variant, in the order of the spec
  std::vector<Reason> reasons;
  /// The data behind it was partial, stale or absent: the plan may hold or raise on it, never
  /// lower.
  bool complete = true;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"replicas", &Recommendation::replicas},
                      Field{"reasons", &Recommendation::reasons},
                      Field{"complete", &Recommendation::complete});
  }
  bool operator==(const Recommendation&) const = default;
};

/// saturation: its cycle, and what upstream keeps in Prometheus.
struct SaturationState {
  Instant last_cycle;
  std::vector<std::int64_t> answer;  ///< per variant, of the last cycle
  std::uint8_t answer_complete = 1;
  std::vector<Sample> queued;  ///< requests at the gateway: their largest of a minute
  std::int64_t arrived_total = -1;
  Instant last_arrival;  ///< when the total was last seen to grow
  static constexpr auto fields(auto...) {
    using S = SaturationState;
    return std::tuple(Field{"lastCycle", &S::last_cycle}, Field{"answer", &S::answer},
                      Field{"answerComplete", &S::answer_complete}, Field{"queued", &S::queued},
                      Field{"arrivedTotal", &S::arrived_total},
                      Field{"lastArrival", &S::last_arrival});
  }
  bool operator==(const SaturationState&) const = default;
};

/// One series forecast by a Kalman filter of level and trend, one interval ahead.
struct Forecast {
  double level = 0, trend = 0;
  double var_level = 0, covariance = 0, var_trend = 0;
  std::uint8_t began = 0;  ///< something other than zero was seen
  static constexpr auto fields(auto...) {
    using F = Forecast;
    return std::tuple(Field{"level", &F::level}, Field{"trend", &F::trend},
                      Field{"varLevel", &F::var_level}, Field{"covariance", &F::covariance},
                      Field{"varTrend", &F::var_trend}, Field{"began", &F::began});
  }
  bool operator==(const Forecast&) const = default;
};

/// planner: its two loops.
struct PlannerState {
  Instant last_load, last_throughput;
  std::int64_t lower_bound = 1;                                     ///< of the throughput loop
  double bound_requests_per_second = 0, bound_each_per_second = 0;  ///< what it rests on
  /// Totals at the start of the throughput interval.
  std::int64_t arrived_total = -1, finished_total = 0, prompt_total = 0, output_total = 0;
  /// Without a gateway: what the engines' rates add up to since the start.
  double engine_finished = 0, engine_prompt = 0, engine_output = 0;
  Instant engine_read;
  Forecast requests, prompt, output;
  double prompt_tokens = 0, output_tokens = 0;  ///< mean lengths seen last; 0: none yet
  std::vector<std::int64_t> answer;             ///< per variant, of the last load loop
  std::uint8_t answer_complete = 1;
  static constexpr auto fields(auto...) {
    using S = PlannerState;
    return std::tuple(
        Field{"lastLoad", &S::last_load}, Field{"lastThroughput", &S::last_throughput},
        Field{"lowerBound", &S::lower_bound},
        Field{"boundRequestsPerSecond", &S::bound_requests_per_second},
        Field{"boundEachPerSecond", &S::bound_each_per_second},
        Field{"arrivedTotal", &S::arrived_total}, Field{"finishedTotal", &S::finished_total},
        Field{"promptTotal", &S::prompt_total}, Field{"outputTotal", &S::output_total},
        Field{"engineFinished", &S::engine_finished}, Field{"enginePrompt", &S::engine_prompt},
        Field{"engineOutput", &S::engine_output}, Field{"engineRead", &S::engine_read},
        Field{"requests", &S::requests}, Field{"prompt", &S::prompt}, Field{"output", &S::output},
        Field{"promptTokens", &S::prompt_tokens}, Field{"outputTokens", &S::output_tokens},
        Field{"answer", &S::answer}, Field{"answerComplete", &S::answer_complete});
  }
  bool operator==(const PlannerState&) const = default;
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
  std::optional<SaturationState> saturation;
  std::optional<PlannerState> planner;
  std::optional<TideState> tide;
  static constexpr auto fields(auto...) {
    using S = ReactiveState;
    return std::tuple(
        Field{"inFlight", &S::in_flight}, Field{"metrics", &S::metrics},
        Field{"panicUntil", &S::panic_until}, Field{"panicReplicas", &S::panic_replicas},
        Field{"lastSync", &S::last_sync}, Field{"lastArrivedTotal", &S::last_arrived_total},
        Field{"lastTokensTotal", &S::last_tokens_total}, Field{"lastTotalsAt", &S::last_totals_at},
        Field{"answer", &S::answer}, Field{"answerComplete", &S::answer_complete},
        Field{"lastPoll", &S::last_poll}, Field{"lastActive", &S::last_active},
        Field{"zeroSince", &S::zero_since}, Field{"aboveSince", &S::above_since},
        Field{"belowSince", &S::below_since}, Field{"lastChange", &S::last_change},
        Field{"saturation", &S::saturation}, Field{"planner", &S::planner},
        Field{"tide", &S::tide});
  }
  bool operator==(const ReactiveState&) const = default;
};

using State = ReactiveState;  ///< becomes a variant when a policy needs another kind

/// Total and never throws. `state` is what the same policy returned the time before ({} at first).
std::pair<Recommendation, State> decide(const spec::Model& model, const signal::Observation& seen,
                                        State state, Instant now);

/// What of a state outlives a restart: what was learned of engines, lengths, days and surprises.
/// Nothing with an Instant, which counts from the start of a process, and no rate: that is over.
State carried_over(const State& state);

/// The policies decide() knows; `check`, `run` and `simulate` refuse the others with "not built
/// yet".
bool is_built(spec::PolicyKind kind);
/// Their names, as a message lists them: "static, concurrency, hpa".
std::string built_policies();

}  // namespace tidegate::policy
