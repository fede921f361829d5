// prewarm: when what waits reaches `threshold` of queue.maxRequests, one replica more than is
// active, of the cheapest variant with room; once per leadTime, and held for it.

#include <algorithm>

#include "core/plan/draft.h"
#include "core/policy/mix.h"

namespace tidegate::plan {

namespace {
bool holding(const Draft& draft, Instant now) {
  return std::any_of(draft.memory.variants.begin(), draft.memory.variants.end(),
                     [&](const VariantMemory& known) { return known.prewarm_until > now; });
}

void remember(const Context& context, Draft& draft) {
  for (std::size_t i : policy::fill_order(context.model)) {
    std::int64_t active = draft.fleets[i].active().value();
    if (active >= draft.bounds[i].max) continue;
    draft.memory.variants[i].prewarm_floor = active + 1;
    draft.memory.variants[i].prewarm_until = context.now + context.model.scaling.prewarm->lead_time;
    return;
  }
}
}  // namespace

Draft prewarm(const Context& context, Draft draft) {
  if (!context.model.scaling.prewarm) return draft;
  signal::Signal waiting = signal::waiting_requests(context.seen);
  double limit = context.model.scaling.prewarm->threshold *
                 static_cast<double>(context.model.queue.max_requests);
  bool reached = !waiting.absent() && waiting.value >= limit;
  if (reached && !holding(draft, context.now)) remember(context, draft);
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    const VariantMemory& known = draft.memory.variants[i];
    if (known.prewarm_until <= context.now || known.prewarm_floor <= draft.replicas[i]) continue;
    set(context, draft, i, ReasonCode::kPrewarm, known.prewarm_floor,
        {{"waiting_requests", waiting.value},
         {"threshold_requests", limit},
         {"held_for_seconds", to_seconds(known.prewarm_until - context.now)}});
  }
  return draft;
}

}  // namespace tidegate::plan
