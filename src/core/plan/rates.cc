// rates: behavior.scaleUp and scaleDown of HPA v2 (kubernetes podautoscaler/horizontal.go,
// calculateScaleUpLimitWithScalingRules and its sister). Each policy allows a change of so many
// replicas, or so many per cent, of the number at the start of its period; selectPolicy picks the
// largest change, the smallest, or none at all. Without policies: no limit under Tidegate's own
// laws; for hpa and keda the published ones (up by the larger of 100 % and 4 a 15 s, down by 100
// %). One departure: from zero at least one is allowed, since a share of nothing is nothing.

#include <algorithm>
#include <cmath>

#include "core/plan/draft.h"
#include "core/policy/mix.h"

namespace tidegate::plan {

namespace {
bool is_hpa(const spec::Model& model) {
  return model.scaling.policy == spec::PolicyKind::kHpa ||
         model.scaling.policy == spec::PolicyKind::kKeda;
}

std::vector<spec::ScalePolicy> policies_up(const spec::Model& model) {
  if (!model.scaling.scale_up.policies.empty() || !is_hpa(model)) {
    return model.scaling.scale_up.policies;
  }
  return {{spec::ScalePolicyType::kPercent, 100, seconds(15)},
          {spec::ScalePolicyType::kPods, 4, seconds(15)}};
}

/// The number `period` ago: what was added since is taken off, what was removed put back.
std::int64_t at_period_start(const VariantMemory& known, Instant now, Duration period) {
  double changed = 0;
  for (const Sample& event : known.scale_events) {
    if (event.at > now - period) changed += event.value;
  }
  return std::max<std::int64_t>(0, known.target - static_cast<std::int64_t>(changed));
}

std::int64_t changed(std::int64_t start, const spec::ScalePolicy& policy, std::int64_t direction) {
  std::int64_t value = direction * policy.value;
  if (policy.type == spec::ScalePolicyType::kPods) return start + value;
  double share = static_cast<double>(start) * (1 + static_cast<double>(value) / 100);
  double whole = direction > 0 ? std::ceil(share - 1e-9) : std::floor(share + 1e-9);
  return static_cast<std::int64_t>(std::min(whole, static_cast<double>(policy::kMostReplicas)));
}

std::int64_t limit_up(const VariantMemory& known, const spec::ScalingRules& rules,
                      const std::vector<spec::ScalePolicy>& policies, Instant now) {
  if (rules.select_policy == spec::SelectPolicy::kDisabled) return known.target;
  std::int64_t limit = rules.select_policy == spec::SelectPolicy::kMax ? 0 : policy::kMostReplicas;
  for (const spec::ScalePolicy& one : policies) {
    std::int64_t to = changed(at_period_start(known, now, one.period), one, 1);
    limit =
        rules.select_policy == spec::SelectPolicy::kMax ? std::max(limit, to) : std::min(limit, to);
  }
  return std::max({limit, known.target, std::int64_t{1}});
}

std::int64_t limit_down(const VariantMemory& known, const spec::ScalingRules& rules, Instant now) {
  if (rules.select_policy == spec::SelectPolicy::kDisabled) return known.target;
  std::int64_t limit = rules.select_policy == spec::SelectPolicy::kMax ? policy::kMostReplicas : 0;
  for (const spec::ScalePolicy& one : rules.policies) {
    std::int64_t to = changed(at_period_start(known, now, one.period), one, -1);
    limit =
        rules.select_policy == spec::SelectPolicy::kMax ? std::min(limit, to) : std::max(limit, to);
  }
  return std::clamp<std::int64_t>(limit, 0, known.target);
}
}  // namespace

Draft rates(const Context& context, Draft draft) {
  const spec::Scaling& scaling = context.model.scaling;
  std::vector<spec::ScalePolicy> up = policies_up(context.model);
  bool limits_up = !up.empty() || scaling.scale_up.select_policy == spec::SelectPolicy::kDisabled;
  bool limits_down = !scaling.scale_down.policies.empty() ||
                     scaling.scale_down.select_policy == spec::SelectPolicy::kDisabled;
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    const VariantMemory& known = draft.memory.variants[i];
    std::int64_t wanted = draft.replicas[i];
    if (limits_up && wanted > known.target) {
      std::int64_t limit = limit_up(known, scaling.scale_up, up, context.now);
      if (wanted > limit) {
        set(context, draft, i, ReasonCode::kScaleUpRate, limit,
            {{"limit_replicas", static_cast<double>(limit)}});
      }
    } else if (limits_down && wanted < known.target) {
      std::int64_t limit = limit_down(known, scaling.scale_down, context.now);
      if (wanted < limit) {
        set(context, draft, i, ReasonCode::kScaleDownRate, limit,
            {{"limit_replicas", static_cast<double>(limit)}});
      }
    }
  }
  return draft;
}

}  // namespace tidegate::plan
