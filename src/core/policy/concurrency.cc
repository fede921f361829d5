// concurrency: Baseten's law over the five knobs (docs.baseten.co, "Autoscaling").
//
//   desired = ceil(average in-flight over `window` / (concurrencyTarget * targetUtilization))
//
// In-flight counts what is queued, at the gateway too. Entries of scaling.metrics, where given, can
// only raise it. Going down is the plan's scaleDownDelay; upstream halves the excess each delay
// instead.

#include "core/policy/laws.h"
#include "core/policy/metric.h"
#include "core/policy/mix.h"

namespace tidegate::policy {

Decided decide_concurrency(const Input& in, State state) {
  const spec::Scaling& scaling = in.model.scaling;
  Draft draft(in.model, in.seen);
  signal::Signal flight = signal::in_flight_requests(in.seen);
  if (!flight.absent()) state.in_flight.set(flight.value, in.now, scaling.window);
  if (!flight.complete()) draft.incomplete();
  if (flight.absent()) {
    draft.hold(ReasonCode::kMissingData, {{"in_flight_coverage", flight.coverage}});
  } else {
    double average = state.in_flight.mean(in.now, scaling.window, 0);
    bool idle = average <= 0 && gateway_known(in.seen);
    draft.ask(idle ? ReasonCode::kNoTraffic : ReasonCode::kConcurrency,
              replicas_for(in.model, average / scaling.target_utilization),
              {{"average_in_flight_requests", average},
               {"in_flight_requests", flight.value},
               {"target_utilization", scaling.target_utilization},
               {"concurrency_target_requests",
                static_cast<double>(concurrency_target(in.model, in.model.variants.front()))}});
  }
  if (!scaling.metrics.empty()) {
    ask_metrics(in, scaling.metrics, draft.asked(), state, draft);
  }
  activate(in, draft);
  keep_last_without_gateway(in, draft);
  return {std::move(draft).finish(), std::move(state)};
}

}  // namespace tidegate::policy
