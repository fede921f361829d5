// missing data: on a recommendation from partial, stale or absent data no variant goes below its
// target.

#include "core/plan/draft.h"

namespace tidegate::plan {

Draft missing_data(const Context& context, Draft draft) {
  draft.wanted = draft.replicas;  // from here on stages hold
  if (context.recommended.complete) return draft;
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    std::int64_t target = draft.memory.variants[i].target;
    if (draft.replicas[i] >= target) continue;
    set(context, draft, i, ReasonCode::kMissingData, target,
        {{"gateway_coverage", context.seen.gateway.coverage}});
  }
  return draft;
}

}  // namespace tidegate::plan
