// capacity: where ordered capacity failed to come, ask no more than there is until the retry, and
// offer the shortfall to the next variants, the cheapest first, by the requests a replica holds.
//
// Never below what is ready, nor below the minimum. What another variant takes over counts as
// recommended for it: it goes back through scaleDownDelay, so a retry that fails again does not
// make both flap.

#include <algorithm>

#include "core/plan/draft.h"
#include "core/policy/mix.h"
#include "core/policy/recent.h"

namespace tidegate::plan {

namespace {
bool failed(const Draft& draft, std::size_t i, Instant now) {
  return draft.memory.variants[i].capacity_failed_until > now;
}

/// Requests that the cut replicas would have held.
double cut(const Context& context, Draft& draft, std::size_t i) {
  const VariantMemory& known = draft.memory.variants[i];
  std::int64_t ready = draft.fleets[i].ready.value();
  std::int64_t most = known.capacity_limit >= 0 ? known.capacity_limit : known.target;
  most = std::max({most, ready, draft.bounds[i].min});
  std::int64_t wanted = draft.replicas[i];
  std::int64_t comes = known.capacity_limit >= 0 ? most : std::max(ready, std::int64_t{0});
  if (wanted > most) {
    set(context, draft, i, ReasonCode::kCapacityFailed, most,
        {{"limit_replicas", static_cast<double>(known.capacity_limit)},
         {"ready_replicas", static_cast<double>(ready)},
         {"retry_in_seconds", to_seconds(known.capacity_failed_until - context.now)}});
  }
  std::int64_t short_by = std::max<std::int64_t>(0, wanted - comes);
  return static_cast<double>(short_by) *
         static_cast<double>(policy::concurrency_target(context.model, context.model.variants[i]));
}
}  // namespace

Draft capacity(const Context& context, Draft draft) {
  double requests = 0;
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    if (failed(draft, i, context.now)) requests += cut(context, draft, i);
  }
  if (requests <= 0) return draft;
  Duration keep = context.model.scaling.scale_down.stabilization_window.value_or(
      spec::scale_down_delay(context.model.scaling));
  for (std::size_t i : policy::fill_order(context.model)) {
    if (failed(draft, i, context.now) || requests <= 0) continue;
    double each =
        static_cast<double>(policy::concurrency_target(context.model, context.model.variants[i]));
    std::int64_t room = draft.bounds[i].max - draft.replicas[i];
    std::int64_t more = std::clamp<std::int64_t>(policy::whole_replicas(requests / each), 0, room);
    if (more == 0) continue;
    set(context, draft, i, ReasonCode::kCapacityFailed, draft.replicas[i] + more,
        {{"taken_over_requests", requests}});
    policy::note(draft.memory.variants[i].highs, context.now,
                 static_cast<double>(draft.replicas[i]), keep);
    requests -= static_cast<double>(more) * each;
  }
  return draft;
}

}  // namespace tidegate::plan
