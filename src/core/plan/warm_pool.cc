// warm pool: how many replicas sleep beside those awake. What the policy asks for, within the
// pool's bounds and what maxReplicas leaves; on partial, stale or absent data never fewer than
// before. Where capacity failed to come and sleepers hold their devices, no more than fit beside
// those awake: to wake one is worth more than to keep its refill waiting.

#include <algorithm>

#include "core/plan/draft.h"

namespace tidegate::plan {

Draft warm_pool(const Context& context, Draft draft) {
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    const spec::Variant& variant = context.model.variants[i];
    const spec::WarmPool& pool = variant.warm_pool;
    const VariantMemory& known = draft.memory.variants[i];
    const std::int64_t asked = draft.asleep[i];
    std::int64_t asleep = context.recommended.complete ? asked : std::max(asked, known.asleep);
    asleep = std::min(
        {asleep, pool.max_replicas.value(), variant.max_replicas.value() - draft.replicas[i]});
    bool short_of_devices = spec::holds_device(pool) && known.capacity_failed_until > context.now &&
                            known.capacity_limit >= 0;
    if (short_of_devices) asleep = std::min(asleep, known.capacity_limit - draft.replicas[i]);
    draft.asleep[i] = std::max<std::int64_t>(0, asleep);
    if (draft.asleep[i] == asked && asked == known.asleep) continue;
    set(context, draft, i, ReasonCode::kWarmPool, draft.replicas[i],
        {{"asleep_replicas", static_cast<double>(draft.asleep[i])},
         {"asked_asleep_replicas", static_cast<double>(asked)}});
  }
  return draft;
}

}  // namespace tidegate::plan
