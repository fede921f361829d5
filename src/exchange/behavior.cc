#include "exchange/behavior.h"

#include <algorithm>

#include "core/spec/options.h"
#include "exchange/names.h"
#include "exchange/queries.h"

namespace tidegate::exchange {
namespace {

std::int64_t whole_seconds(Duration d) { return d.count() / 1'000'000'000; }

Yaml policy_item(const spec::ScalePolicy& policy) {
  return Yaml::map({{"type", token(policy.type)},
                    {"value", policy.value},
                    {"periodSeconds", whole_seconds(policy.period)}});
}

Yaml rules(const spec::ScalingRules& from, Reader reader, const ExportOptions& options) {
  Yaml out = Yaml::map();
  out.put("stabilizationWindowSeconds",
          whole_seconds(from.stabilization_window.value_or(seconds(0))));
  if (from.tolerance && reader == Reader::kHpa) {
    if (options.tolerance) {
      out.put("tolerance", Yaml(spec::number_text(*from.tolerance)))
          .say(
              "Field of Kubernetes 1.35 (1.33 with the gate HPAConfigurableTolerance); older "
              "servers: --kubernetes 1.34.");
    }
  }
  out.put("selectPolicy", token(from.select_policy));
  Yaml& policies = out.put("policies", Yaml::list());
  for (const auto& policy : from.policies) policies.add(policy_item(policy));
  return out;
}

}  // namespace

Yaml behavior(const spec::Scaling& scaling, Reader reader, const ExportOptions& options) {
  Yaml out = Yaml::map();
  out.put("scaleUp", rules(scaling.scale_up, reader, options));
  const bool safe = reader == Reader::kHpa && !options.active;
  spec::ScalingRules down = scaling.scale_down;
  if (safe) down.select_policy = spec::SelectPolicy::kDisabled;
  Yaml& written = out.put("scaleDown", rules(down, reader, options));
  if (safe) {
    written.say("Safe start: nothing goes down until you write selectPolicy: " +
                std::string(token(scaling.scale_down.select_policy)) +
                " here (or export with --active).");
  }
  return out;
}

Yaml obedient_behavior(std::int64_t max_replicas, Reader reader, const ExportOptions& options) {
  spec::ScalingRules rule;
  rule.stabilization_window = seconds(0);
  rule.tolerance = 0;
  rule.policies = {
      {spec::ScalePolicyType::kPods, std::max<std::int64_t>(max_replicas, 1), seconds(15)}};
  Yaml out = Yaml::map();
  out.put("scaleUp", rules(rule, reader, options)).say("Tidegate has decided; no second opinion.");
  out.put("scaleDown", rules(rule, reader, options));
  return out;
}

std::string external_name(const spec::Model& model, const spec::Variant& variant,
                          const spec::MetricSpec& metric, std::size_t index) {
  return metric_name({"tidegate_export", model.name, variant.name, short_name(metric, index)});
}

}  // namespace tidegate::exchange
