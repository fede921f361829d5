#include "live/aws/cloudwatch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "live/kube/time_text.h"

namespace tidegate::live::aws {
namespace {

Params batch(WallTime at, const Metric* first, std::size_t count) {
  Params out = {{"Namespace", kMetricNamespace}};
  const std::string time = kube::format_time(at);
  for (std::size_t i = 0; i < count; ++i) {
    const Metric& metric = first[i];
    const std::string member = fmt::format("MetricData.member.{}.", i + 1);
    out.emplace_back(member + "MetricName", metric.name);
    out.emplace_back(member + "Value", fmt::format("{}", metric.value));
    out.emplace_back(member + "Unit", "Count");
    out.emplace_back(member + "Timestamp", time);
    for (std::size_t d = 0; d < metric.dimensions.size(); ++d) {
      const std::string dimension = fmt::format("{}Dimensions.member.{}.", member, d + 1);
      out.emplace_back(dimension + "Name", metric.dimensions[d].first);
      out.emplace_back(dimension + "Value", metric.dimensions[d].second);
    }
  }
  return out;
}

void put_from(Client& client, WallTime at, const std::shared_ptr<std::vector<Metric>>& metrics,
              std::size_t from, Told<None> told) {
  const std::size_t count = std::min(metrics->size() - from, kMaxMetricsOfCall);
  client.call(kCloudWatch, "PutMetricData", batch(at, metrics->data() + from, count),
              [&client, at, metrics, next = from + count, told = std::move(told)](Answer answer) {
                if (!answer) return told(tl::unexpected(std::move(answer.error())));
                if (next == metrics->size()) return told(None{});
                put_from(client, at, metrics, next, told);
              });
}

}  // namespace

void put_metrics(Client& client, WallTime at, const std::vector<Metric>& metrics, Told<None> told) {
  auto known = std::make_shared<std::vector<Metric>>(metrics);
  std::erase_if(*known, [](const Metric& metric) { return !std::isfinite(metric.value); });
  if (known->empty()) return;
  put_from(client, at, known, 0, std::move(told));
}

Params tracking_policy(const std::string& group, const std::string& model, double per_replica) {
  const std::string tracking = "TargetTrackingConfiguration.";
  Params out = {{"AutoScalingGroupName", group},
                {"PolicyName", "tidegate-queue-depth"},
                {"PolicyType", "TargetTrackingScaling"},
                {tracking + "TargetValue", fmt::format("{}", per_replica)}};
  const std::string list = tracking + "CustomizedMetricSpecification.Metrics.member.";
  int number = 0;
  auto metric = [&](const char* id, const char* name) {
    const std::string at = fmt::format("{}{}.", list, ++number);
    out.emplace_back(at + "Id", id);
    out.emplace_back(at + "MetricStat.Metric.Namespace", kMetricNamespace);
    out.emplace_back(at + "MetricStat.Metric.MetricName", name);
    out.emplace_back(at + "MetricStat.Metric.Dimensions.member.1.Name", "Model");
    out.emplace_back(at + "MetricStat.Metric.Dimensions.member.1.Value", model);
    out.emplace_back(at + "MetricStat.Stat", "Average");
    out.emplace_back(at + "ReturnData", "false");
  };
  metric("queue", "LLMQueueDepth");
  metric("ready", "ReadyReplicas");
  const std::string at = fmt::format("{}{}.", list, ++number);
  out.emplace_back(at + "Id", "each");
  out.emplace_back(at + "Expression", "queue / IF(ready > 0, ready, 1)");
  out.emplace_back(at + "Label", "requests waiting a replica");
  out.emplace_back(at + "ReturnData", "true");
  return out;
}

void put_tracking_policy(Client& client, const Params& policy, Told<None> told) {
  client.call(kAutoScaling, "PutScalingPolicy", policy,
              [told = std::move(told)](const Answer& answer) {
                if (!answer) return told(tl::unexpected(answer.error()));
                told(None{});
              });
}

}  // namespace tidegate::live::aws
