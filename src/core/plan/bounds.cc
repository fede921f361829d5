// bounds: minReplicas (or the environment's floor) and maxReplicas, or the schedule's, whoever
// binds.

#include "core/plan/draft.h"

namespace tidegate::plan {

Draft bounds(const Context& context, Draft draft) {
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    const Bounds& bounds = draft.bounds[i];
    if (draft.replicas[i] < bounds.min) {
      set(context, draft, i, bounds.min_code, bounds.min,
          {{"min_replicas", static_cast<double>(bounds.min)}});
    } else if (draft.replicas[i] > bounds.max) {
      set(context, draft, i, bounds.max_code, bounds.max,
          {{"max_replicas", static_cast<double>(bounds.max)}});
    }
  }
  return draft;
}

}  // namespace tidegate::plan
