// static: a fixed number. The knob (static:4) is the sum over the variants; without one each
// variant has its minReplicas. Looks at no signal, so it never lacks data.

#include "core/policy/laws.h"
#include "core/policy/mix.h"

namespace tidegate::policy {

Decided decide_static(const Input& in) {
  std::int64_t replicas = 0;
  if (in.model.scaling.policy_knob) {
    replicas = whole_replicas(*in.model.scaling.policy_knob);
  } else {
    for (const spec::Variant& variant : in.model.variants) {
      replicas += spec::min_replicas(in.model, variant).value();
    }
  }
  Draft draft(in.model, in.seen);
  draft.ask(ReasonCode::kStatic, replicas, {{"replicas", static_cast<double>(replicas)}});
  return {std::move(draft).finish(), State{}};
}

}  // namespace tidegate::policy
