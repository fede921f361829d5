// pending: says where part of the number is on its way already. A plan is an absolute number, not a
// step, so what was ordered is never ordered again for the same backlog; this names it to whoever
// asks why a long queue orders nothing more.

#include "core/plan/draft.h"

namespace tidegate::plan {

Draft pending(const Context& context, Draft draft) {
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    const signal::Fleet& fleet = draft.fleets[i];
    bool covered =
        draft.replicas[i] > fleet.ready.value() && draft.replicas[i] <= fleet.active().value();
    if (!covered) continue;
    set(context, draft, i, ReasonCode::kPendingCapacity, draft.replicas[i],
        {{"on_the_way_replicas", static_cast<double>(fleet.on_the_way().value())},
         {"ready_replicas", static_cast<double>(fleet.ready.value())}});
  }
  return draft;
}

}  // namespace tidegate::plan
