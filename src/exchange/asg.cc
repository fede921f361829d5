// CloudFormation of target tracking on an AWS auto scaling group, from what Tidegate publishes.

#include <fmt/format.h>

#include "core/base/ascii.h"
#include "core/spec/options.h"
#include "core/spec/validate.h"
#include "exchange/export.h"
#include "exchange/names.h"
#include "exchange/yaml.h"

namespace tidegate::exchange {
namespace {

constexpr std::string_view kNamespace = "Tidegate";

Yaml dimension(std::string_view name, std::string_view value) {
  return Yaml::map({{"Name", name}, {"Value", value}});
}

Yaml series(std::string_view id, std::string_view ns, std::string_view name, Yaml dimensions) {
  Yaml metric = Yaml::map({{"Namespace", ns}, {"MetricName", name}});
  metric.put("Dimensions", std::move(dimensions));
  return Yaml::map({{"Id", id},
                    {"MetricStat", Yaml::map({{"Metric", std::move(metric)}, {"Stat", "Average"}})},
                    {"ReturnData", false}});
}

/// `metric` of ours per instance in service, held at `target`.
Yaml policy(const Export& what, const spec::Variant& variant, const std::string& group,
            std::string_view metric, double target, Duration warmup) {
  Yaml ours = Yaml::list({dimension("Model", what.model.name)});
  if (metric == "DesiredReplicas") ours.add(dimension("Variant", variant.name));
  Yaml metrics = Yaml::list();
  metrics.add(series("ours", kNamespace, metric, std::move(ours)));
  metrics.add(series("instances", "AWS/AutoScaling", "GroupInServiceInstances",
                     Yaml::list({dimension("AutoScalingGroupName", group)})));
  metrics.add(
      Yaml::map({{"Id", "each"}, {"Expression", "ours / instances"}, {"ReturnData", true}}));
  Yaml tracking = Yaml::map();
  tracking.put("CustomizedMetricSpecification", Yaml::map({{"Metrics", std::move(metrics)}}));
  tracking.put("TargetValue", target);
  Yaml& in = tracking.put("DisableScaleIn", !what.options.active);
  if (!what.options.active) {
    in.say("Safe start: no instance goes until you write false (or export with --active).");
  }
  Yaml properties =
      Yaml::map({{"AutoScalingGroupName", group}, {"PolicyType", "TargetTrackingScaling"}});
  properties.put("EstimatedInstanceWarmup", warmup.count() / 1'000'000'000);
  properties.put("TargetTrackingConfiguration", std::move(tracking));
  return Yaml::map(
      {{"Type", "AWS::AutoScaling::ScalingPolicy"}, {"Properties", std::move(properties)}});
}

std::string resource_name(std::string_view variant, std::string_view what) {
  std::string out;
  bool upper = true;
  for (char c : variant) {
    bool letter = ascii::is_lower_or_digit(c);
    if (letter) out += upper && c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = !letter;
  }
  return out + std::string(what);
}

void put_variant(const Export& what, const spec::Variant& variant, Yaml& resources) {
  const auto& target = std::get<spec::AwsAutoScalingGroupTarget>(variant.target);
  Duration warmup = std::max(spec::cold_start_p90(variant.cold_start), seconds(60));
  resources.put(resource_name(variant.name, "Follow"),
                policy(what, variant, target.name, "DesiredReplicas", 1, warmup));
  resources.put(resource_name(variant.name, "Queue"),
                policy(what, variant, target.name, "LLMQueueDepth",
                       what.law.model.scaling.metrics.front().target, warmup));
  if (variant.warm_pool.max_replicas > Replicas(0)) {
    Yaml properties = Yaml::map({{"AutoScalingGroupName", target.name}});
    properties.put("MinSize", variant.warm_pool.min_replicas.value());
    properties.put("InstanceReusePolicy", Yaml::map({{"ReuseOnScaleIn", true}}));
    properties.put("PoolState", token(target.warm_pool_state));
    resources.put(
        resource_name(variant.name, "WarmPool"),
        Yaml::map({{"Type", "AWS::AutoScaling::WarmPool"}, {"Properties", std::move(properties)}}));
  }
  if (target.termination_hook.empty()) return;
  Yaml hook = Yaml::map({{"AutoScalingGroupName", target.name},
                         {"LifecycleHookName", target.termination_hook},
                         {"LifecycleTransition", "autoscaling:EC2_INSTANCE_TERMINATING"},
                         {"DefaultResult", "CONTINUE"}});
  hook.put("HeartbeatTimeout",
           std::clamp<std::int64_t>(target.drain_timeout.count() / 1'000'000'000, 30, 7200));
  resources.put(
      resource_name(variant.name, "Drain"),
      Yaml::map({{"Type", "AWS::AutoScaling::LifecycleHook"}, {"Properties", std::move(hook)}}));
}

}  // namespace

Result<std::vector<File>> export_asg(const Export& what) {
  Yaml resources = Yaml::map();
  for (const spec::Variant& variant : what.law.model.variants) {
    if (!std::holds_alternative<spec::AwsAutoScalingGroupTarget>(variant.target)) {
      return fail(
          fmt::format("variant {}: target.awsAutoScalingGroup {{name, region}} is missing; "
                      "it names the group the policies belong to",
                      variant.name));
    }
    put_variant(what, variant, resources);
  }
  std::string text =
      head_comment(what, "Target tracking of an auto scaling group (CloudFormation)") + "#\n" +
      comment_lines(
          "Needs publishMetrics: true on the target, so that Tidegate puts LLMQueueDepth and "
          "DesiredReplicas "
          "into\nCloudWatch each minute, metrics collection on the group "
          "(GroupInServiceInstances), and a "
          "MinSize of at\nleast 1: nothing can be divided by no instance. The alarms that AWS "
          "makes need 3 "
          "minutes to go out and\n15 to go in. The Model says scaling: {mode: observe}, or two "
          "would write "
          "one number.");
  Yaml out = Yaml::map({{"AWSTemplateFormatVersion", "2010-09-09"}});
  out.put("Resources", std::move(resources));
  return std::vector<File>{{what.model.name + "-asg.yaml", text + to_yaml(out)}};
}

}  // namespace tidegate::exchange
