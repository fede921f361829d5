// keda: KEDA's ScaledObject over scaling.metrics; without any, sum(waiting) per replica with the
// knob (keda:5) as target, and KV usage at 0.8.
//
// Two loops, as published (keda.sh "ScaledObject specification"; pkg/scaling/executor):
//   each 30 s (pollingInterval)  active = any metric above 0. None runs and active: to 1.
//                                Not active for 300 s (cooldownPeriod): to 0
//   each 15 s (the HPA's own)    HPA's law, never below 1
// One departure: a metric without data is unknown, never 0 (upstream's ignoreNullValues reads it as
// 0).

#include <algorithm>

#include "core/policy/laws.h"
#include "core/policy/metric.h"
#include "core/policy/mix.h"

namespace tidegate::policy {

namespace {
constexpr Duration kPollingInterval = seconds(30);
constexpr Duration kCooldownPeriod = seconds(300);
constexpr double kDefaultWaiting = 5;
constexpr double kDefaultKvUsage = 0.8;

std::vector<spec::MetricSpec> default_metrics(const spec::Model& model) {
  spec::MetricSpec waiting, kv;
  waiting.signal = spec::SignalName::kWaiting;
  waiting.target = model.scaling.policy_knob.value_or(kDefaultWaiting);
  kv.signal = spec::SignalName::kKvUsage;
  kv.type = spec::MetricTarget::kUtilization;
  kv.target = kDefaultKvUsage;
  return {waiting, kv};
}

struct Activity {
  bool active = false;
  bool known = false;  ///< something is above zero, or everything was heard
};

Activity activity(const Input& in, const std::vector<spec::MetricSpec>& metrics, State& state) {
  Activity out{false, true};
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    // A mean over no replica is no missing datum: there is nothing it could be above zero of.
    bool over_nothing =
        metrics[i].signal == spec::SignalName::kKvUsage && Draft(in.model, in.seen).ready() == 0;
    if (over_nothing) continue;
    Reading reading = read(in, metrics[i], i, Rates{}, state);
    if (!reading.signal.absent() && reading.signal.value > 0) out.active = true;
    if (!reading.signal.complete()) out.known = false;
  }
  out.known = out.known || out.active;
  return out;
}

/// The HPA that KEDA makes: minReplicas 1, hears nothing of a KV mean while no replica is ready.
void sync(const Input& in, const std::vector<spec::MetricSpec>& metrics, State& state,
          Draft& draft) {
  bool any = ask_metrics(in, metrics, 1, state, draft);
  bool blocked = !draft.complete() && draft.asked() < draft.active();
  if (!any || blocked) draft.hold(ReasonCode::kMissingData, {});
  state.answer = draft.counts();
  state.answer_complete = draft.complete() ? 1 : 0;
  state.last_sync = in.now;
}
}  // namespace

Decided decide_keda(const Input& in, State state) {
  Draft draft(in.model, in.seen);
  std::vector<spec::MetricSpec> defaults = default_metrics(in.model);
  const std::vector<spec::MetricSpec>& metrics = metrics_or(in.model, defaults);
  bool first = state.answer.size() != in.model.variants.size();
  bool asleep = draft.active() == 0;
  if (first) {
    state.last_active = in.now;
    state.answer.assign(in.model.variants.size(), 0);
  }
  Activity active;
  if (first || in.now - state.last_poll >= kPollingInterval) {
    active = activity(in, metrics, state);
    state.last_poll = in.now;
    if (active.active || !active.known) state.last_active = in.now;
  }
  Duration calm = in.now - state.last_active;
  std::vector<Evidence> evidence = {{"inactive_seconds", to_seconds(calm)}};
  if (asleep) {
    std::int64_t before = 0;
    for (std::int64_t replicas : state.answer) before += replicas;
    bool wake = active.active || (before > 0 && calm < kCooldownPeriod);
    draft.ask(wake ? ReasonCode::kActivation : ReasonCode::kNoTraffic, wake ? 1 : 0,
              std::move(evidence));
    state.answer = draft.counts();
    state.answer_complete = 1;
    state.last_sync = in.now;
  } else if (calm >= kCooldownPeriod) {
    draft.ask(ReasonCode::kNoTraffic, 0, std::move(evidence));
    state.answer = draft.counts();
  } else if (first || in.now - state.last_sync >= kHpaSyncPeriod) {
    sync(in, metrics, state, draft);
  } else {
    draft.repeat(ReasonCode::kNoChange, state.answer,
                 {{"since_sync_seconds", to_seconds(in.now - state.last_sync)}});
    draft.at_least(ReasonCode::kMetric, 1, {});
    if (state.answer_complete == 0) draft.incomplete();
  }
  keep_last_without_gateway(in, draft);
  return {std::move(draft).finish(), std::move(state)};
}

}  // namespace tidegate::policy
