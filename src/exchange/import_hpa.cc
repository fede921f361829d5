// HorizontalPodAutoscaler (autoscaling/v2) -> a Model under policy hpa.

#include <fmt/format.h>

#include "exchange/import_parts.h"

namespace tidegate::exchange {
namespace {

using format::Node;

/// metric{name, selector} as it would be asked for in PromQL.
Asked named(Fields metric, Fields target) {
  Asked out;
  out.promql = false;
  out.at = metric.at();
  out.query = metric.text("name").value_or("");
  std::string labels;
  Fields selector = metric.map("selector");
  if (const Node* match = selector.take("matchLabels")) {
    for (std::size_t i = 0; i < match->keys.size(); ++i) {
      labels += fmt::format("{}{}=\"{}\"", labels.empty() ? "" : ",", match->keys[i].first,
                            match->items[i].text);
    }
  }
  selector.rest();
  metric.rest();
  if (!labels.empty()) out.query += "{" + labels + "}";
  std::string type = target.text("type").value_or("AverageValue");
  out.type = type == "Value" ? spec::MetricTarget::kValue : spec::MetricTarget::kAverageValue;
  out.target = target.number(type == "Value" ? "value" : "averageValue").value_or(0);
  target.rest();
  return out;
}

void read_metric(const Node& item, std::size_t index, spec::Model& model, Notes& notes) {
  Fields metric(&item, fmt::format("spec.metrics[{}]", index), notes);
  std::string type = metric.text("type").value_or("");
  if (type == "Resource" || type == "ContainerResource") {
    notes.add(metric.at(),
              "CPU and memory say nothing of an engine on a GPU: it polls at full CPU "
              "and holds its memory at any load. Left out");
    return;
  }
  const bool external = type == "External", pods = type == "Pods";
  if (!external && !pods && type != "Object") {
    notes.add(metric.at(),
              fmt::format("a metric of type \"{}\" has no counterpart; left out", type));
    return;
  }
  Fields source = metric.map(external ? "external" : pods ? "pods" : "object");
  source.ignore({"describedObject"});
  Asked asked = named(source.map("metric"), source.map("target"));
  source.rest();
  metric.rest();
  if (asked.query.starts_with("tidegate_desired_replicas") ||
      asked.query.starts_with("wva_desired_replicas")) {
    notes.add(asked.at,
              "this HPA follows a number that is decided elsewhere; the metric is left "
              "out, and the policy's own are used");
    return;
  }
  add_metric(asked, model, notes);
}

}  // namespace

std::vector<spec::Model> import_hpa(const Node& root, Notes& notes) {
  Fields metadata(root.find("metadata"), "metadata", notes);
  Fields spec(root.find("spec"), "spec", notes);
  const Node* version = root.find("apiVersion");
  if (version != nullptr && version->text == "autoscaling/v1") {
    notes.add(version->at,
              "autoscaling/v1 knows CPU alone; `kubectl get hpa.v2.autoscaling NAME -o "
              "yaml` shows the whole object");
  }
  spec::Model model = imported(metadata, spec::PolicyKind::kHpa, notes);
  spec::Variant& variant = model.variants.front();
  variant.target =
      read_target(spec.map("scaleTargetRef"), metadata.text("namespace").value_or("default"));
  variant.min_replicas =
      Replicas(std::max<std::int64_t>(0, spec.integer("minReplicas").value_or(1)));
  variant.max_replicas =
      Replicas(std::max<std::int64_t>(1, spec.integer("maxReplicas").value_or(1)));
  if (variant.min_replicas == Replicas(0)) {
    notes.add(spec.at(),
              "minReplicas 0: an HPA holds no request while nothing runs, and engines "
              "that are gone emit no metric to wake it; a queue in front must");
  }
  const Node* metrics = spec.take("metrics");
  for (std::size_t i = 0; metrics != nullptr && i < metrics->items.size(); ++i) {
    read_metric(metrics->items[i], i, model, notes);
  }
  if (spec.take("targetCPUUtilizationPercentage") != nullptr) {
    notes.add(spec.at(),
              "targetCPUUtilizationPercentage says nothing of an engine on a GPU; left "
              "out");
  }
  read_behavior(spec.map("behavior"), model.scaling);
  spec.rest();
  judge_metrics(model, spec.at(), notes);
  return {std::move(model)};
}

}  // namespace tidegate::exchange
