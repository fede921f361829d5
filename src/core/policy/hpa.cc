// hpa: kubernetes HPA v2's law (metric.h) on a 15 s grid, over scaling.metrics by maximum. Without
// any: requests waiting and running per replica; the knob (hpa:20) is that target.
//
// A metric without data never lowers the number. Between two syncs the answer stands, but for
// activation. Source: kubernetes pkg/controller/podautoscaler (horizontal.go,
// replica_calculator.go).

#include "core/policy/laws.h"
#include "core/policy/metric.h"
#include "core/policy/mix.h"

namespace tidegate::policy {

Decided decide_hpa(const Input& in, State state) {
  Draft draft(in.model, in.seen);
  bool due =
      state.answer.size() != in.model.variants.size() || in.now - state.last_sync >= kHpaSyncPeriod;
  if (due) {
    std::vector<spec::MetricSpec> defaults = in_flight_metric(in.model);
    bool any = ask_metrics(in, metrics_or(in.model, defaults), 0, state, draft);
    bool blocked = !draft.complete() && draft.asked() < draft.active();
    if (!any || blocked) draft.hold(ReasonCode::kMissingData, {});
    keep_last_without_gateway(in, draft);
    state.answer = draft.counts();
    state.answer_complete = draft.complete() ? 1 : 0;
    state.last_sync = in.now;
  } else {
    draft.repeat(ReasonCode::kNoChange, state.answer,
                 {{"since_sync_seconds", to_seconds(in.now - state.last_sync)}});
    if (state.answer_complete == 0) draft.incomplete();
  }
  activate(in, draft);
  return {std::move(draft).finish(), std::move(state)};
}

}  // namespace tidegate::policy
