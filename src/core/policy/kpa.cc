// kpa: Knative's pod autoscaler on concurrency, as published (knative/serving
// pkg/autoscaler/scaling/autoscaler.go; config-autoscaler).
//
//   target  = concurrencyTarget * targetUtilization (70 %)
//   stable  = ceil(average over `window` (60 s) / target), panic likewise over a tenth of it (6 s)
//   both within [floor(ready / 2), ceil(1000 * max(1, ready))]
//   panic starts when the unclamped panic answer is >= 2 * ready; it ends a full stable window
//   after the last such moment; in panic the larger of both, and never fewer than before to zero
//   only after the law said zero for 30 s (scale-to-zero-grace-period)
//
// In-flight includes the gateway's queue, as upstream's includes the activator's. No data: no
// answer, no change. The knob (kpa:10) is the concurrency target. Upstream starts in panic; so does
// this one.

#include <algorithm>
#include <cmath>

#include "core/policy/laws.h"
#include "core/policy/mix.h"

namespace tidegate::policy {

namespace {
constexpr std::int64_t kPanicWindowShare = 10;
constexpr double kPanicThreshold = 2.0;
constexpr double kMaxScaleUpRate = 1000;
constexpr double kMaxScaleDownRate = 2;
constexpr Duration kScaleToZeroGrace = seconds(30);

struct Asked {
  std::int64_t stable = 0, panic = 0;  ///< clamped by the rates
  bool over = false;                   ///< over the panic threshold
};

Asked ask_windows(double stable_load, double panic_load, const Input& in, std::int64_t ready) {
  double utilization = in.model.scaling.target_utilization;
  double pods = static_cast<double>(std::max<std::int64_t>(1, ready));
  auto most = static_cast<std::int64_t>(std::ceil(kMaxScaleUpRate * pods));
  auto least = static_cast<std::int64_t>(std::floor(pods / kMaxScaleDownRate));
  std::int64_t stable = replicas_for(in.model, stable_load / utilization);
  std::int64_t panic = replicas_for(in.model, panic_load / utilization);
  return {std::clamp(stable, least, most), std::clamp(panic, least, most),
          static_cast<double>(panic) / pods >= kPanicThreshold};
}

void update_panic(const Asked& asked, std::int64_t active, bool first, const Input& in,
                  State& state) {
  if (asked.over || (first && active > 1)) {
    state.panic_until = in.now + in.model.scaling.window;
    if (first) state.panic_replicas = std::max(state.panic_replicas, active);
  }
  if (in.now >= state.panic_until) state.panic_replicas = 0;
}

/// Zero only after the grace: until then the last replica stays.
void hold_grace(const Input& in, State& state, Draft& draft) {
  if (draft.asked() > 0) {
    state.zero_since = Instant::never();
    return;
  }
  if (state.zero_since.is_never()) state.zero_since = in.now;
  Duration zero = in.now - state.zero_since;
  if (zero < kScaleToZeroGrace && draft.active() > 0) {
    draft.at_least(ReasonCode::kStabilization, 1, {{"zero_for_seconds", to_seconds(zero)}});
  }
}
}  // namespace

Decided decide_kpa(const Input& in, State state) {
  Draft draft(in.model, in.seen);
  Duration window = in.model.scaling.window;
  signal::Signal flight = signal::in_flight_requests(in.seen);
  if (!flight.complete()) draft.incomplete();
  if (flight.absent()) {
    draft.hold(ReasonCode::kMissingData, {{"in_flight_coverage", flight.coverage}});
    return {std::move(draft).finish(), std::move(state)};
  }
  bool first = state.in_flight.empty();
  state.in_flight.set(flight.value, in.now, window);
  double stable = state.in_flight.mean(in.now, window, 0);
  double panic = state.in_flight.mean(in.now, window / kPanicWindowShare, 0);
  Asked asked = ask_windows(stable, panic, in, draft.ready());
  update_panic(asked, draft.active(), first, in, state);
  std::vector<Evidence> evidence = {{"stable_in_flight_requests", stable},
                                    {"panic_in_flight_requests", panic},
                                    {"ready_replicas", static_cast<double>(draft.ready())}};
  bool idle = stable <= 0 && gateway_known(in.seen);
  draft.ask(idle ? ReasonCode::kNoTraffic : ReasonCode::kConcurrency, asked.stable,
            std::move(evidence));
  if (in.now < state.panic_until) {
    state.panic_replicas = std::max({state.panic_replicas, asked.stable, asked.panic});
    draft.at_least(ReasonCode::kPanic, state.panic_replicas,
                   {{"panic_in_flight_requests", panic},
                    {"panic_left_seconds", to_seconds(state.panic_until - in.now)}});
  }
  hold_grace(in, state, draft);
  activate(in, draft);
  keep_last_without_gateway(in, draft);
  return {std::move(draft).finish(), std::move(state)};
}

}  // namespace tidegate::policy
