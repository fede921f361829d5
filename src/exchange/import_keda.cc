// ScaledObject (keda.sh/v1alpha1) -> a Model under policy keda.

#include <fmt/format.h>

#include "exchange/cron_trigger.h"
#include "exchange/import_parts.h"

namespace tidegate::exchange {
namespace {

using format::Node;

/// What policy keda has, as KEDA's own defaults.
constexpr std::int64_t kPollingIntervalSeconds = 30;
constexpr std::int64_t kCooldownPeriodSeconds = 300;
constexpr std::int64_t kMaxReplicaCount = 100;

void read_annotations(Fields annotations, spec::Model& model) {
  if (!annotations.present()) return;
  for (std::size_t i = 0; i < annotations.node()->keys.size(); ++i) {
    const auto& [key, at] = annotations.node()->keys[i];
    if (key == "autoscaling.keda.sh/paused") {
      model.scaling.paused = annotations.node()->items[i].text != "false";
    } else if (key.starts_with("autoscaling.keda.sh/") ||
               key.starts_with("scaledobject.keda.sh/")) {
      annotations.notes().add(at, "metadata.annotations." + key + " is left out");
    }
  }
}

void read_prometheus(Fields metadata, spec::MetricTarget type, spec::Model& model,
                     bool& wakes_without_engines) {
  Notes& notes = metadata.notes();
  Asked asked;
  const Node* at = metadata.take("query");
  asked.at = at == nullptr ? metadata.at() : at->at;
  asked.query = at == nullptr ? "" : at->text;
  asked.type = type;
  asked.target = metadata.number("threshold").value_or(0);
  metadata.ignore({"serverAddress", "metricName", "namespace", "activationThreshold", "unsafeSsl",
                   "timeout", "authModes"});
  if (metadata.text("ignoreNullValues").value_or("true") != "false") {
    notes.add(metadata.at(),
              "ignoreNullValues is not false: an empty answer counts as 0, and an "
              "outage of Prometheus takes the fleet to its minimum at the peak. "
              "Tidegate holds on what it does not know");
  }
  if (asked.query.find("tidegate_") != std::string::npos) wakes_without_engines = true;
  metadata.rest();
  add_metric(asked, model, notes);
}

void read_cron(Fields metadata, spec::Model& model) {
  spec::ScheduleWindow window;
  window.time_zone = metadata.text("timezone").value_or("UTC");
  window.cron = metadata.text("start").value_or("");
  auto lasts = cron_duration(window.cron, metadata.text("end").value_or(""));
  auto least = metadata.integer("desiredReplicas");
  metadata.rest();
  if (!lasts || !least || *least < 0) {
    metadata.notes().add(metadata.at(),
                         "a cron trigger whose end does not follow from its start; write it as "
                         "scaling.schedule {cron, timeZone, duration, minReplicas}");
    return;
  }
  window.duration = *lasts;
  window.min_replicas = Replicas(*least);
  model.scaling.schedule.push_back(std::move(window));
}

void read_trigger(const Node& item, std::size_t index, spec::Model& model, Notes& notes,
                  bool& wakes) {
  Fields trigger(&item, fmt::format("spec.triggers[{}]", index), notes);
  std::string kind = trigger.text("type").value_or("");
  auto type = trigger.text("metricType").value_or("AverageValue") == "Value"
                  ? spec::MetricTarget::kValue
                  : spec::MetricTarget::kAverageValue;
  Fields metadata = trigger.map("metadata");
  trigger.ignore({"name", "useCachedMetrics"});
  if (kind == "prometheus") {
    read_prometheus(std::move(metadata), type, model, wakes);
  } else if (kind == "external-push" || kind == "external") {
    wakes = true;
    bool ours = metadata.text("model").has_value();
    notes.add(trigger.at(), ours ? "this object follows a Tidegate already; its model's spec says "
                                   "more than can be read here"
                                 : "what an external scaler answers is not in this file; left out");
  } else if (kind == "cpu" || kind == "memory") {
    notes.add(trigger.at(),
              fmt::format("a {} trigger says nothing of an engine on a GPU; left out", kind));
  } else if (kind == "cron") {
    wakes = true;
    read_cron(std::move(metadata), model);
  } else {
    notes.add(trigger.at(),
              fmt::format("a trigger of type \"{}\" has no counterpart; left out", kind));
  }
  if (kind == "prometheus") trigger.rest();
}

void read_bounds(Fields& spec, spec::Model& model) {
  Notes& notes = spec.notes();
  spec::Variant& variant = model.variants.front();
  variant.min_replicas =
      Replicas(std::max<std::int64_t>(0, spec.integer("minReplicaCount").value_or(0)));
  auto most = spec.integer("maxReplicaCount");
  if (!most) notes.add(spec.at(), "maxReplicaCount is not given: KEDA's default is 100 replicas");
  variant.max_replicas = Replicas(std::max<std::int64_t>(1, most.value_or(kMaxReplicaCount)));
  if (spec.integer("pollingInterval").value_or(kPollingIntervalSeconds) !=
          kPollingIntervalSeconds ||
      spec.integer("cooldownPeriod").value_or(kCooldownPeriodSeconds) != kCooldownPeriodSeconds) {
    notes.add(spec.at(),
              "pollingInterval and cooldownPeriod are not kept: policy keda polls each "
              "30 s and cools down for 300 s. The cooldown only delays the last step to "
              "zero");
  }
  if (spec.take("fallback") == nullptr) {
    notes.add(spec.at(),
              "no fallback: when a trigger fails, nothing keeps the number up. Tidegate "
              "never lowers it on missing data");
  }
}

}  // namespace

std::vector<spec::Model> import_keda(const Node& root, Notes& notes) {
  Fields metadata(root.find("metadata"), "metadata", notes);
  Fields spec(root.find("spec"), "spec", notes);
  spec::Model model = imported(metadata, spec::PolicyKind::kKeda, notes);
  read_annotations(metadata.map("annotations"), model);
  model.variants.front().target =
      read_target(spec.map("scaleTargetRef"), metadata.text("namespace").value_or("default"));
  read_bounds(spec, model);
  Fields advanced = spec.map("advanced");
  Fields config = advanced.map("horizontalPodAutoscalerConfig");
  config.ignore({"name"});
  read_behavior(config.map("behavior"), model.scaling);
  config.rest();
  advanced.rest();
  bool wakes = false;
  const Node* triggers = spec.take("triggers");
  for (std::size_t i = 0; triggers != nullptr && i < triggers->items.size(); ++i) {
    read_trigger(triggers->items[i], i, model, notes, wakes);
  }
  if (model.variants.front().min_replicas == Replicas(0) && !wakes) {
    notes.add(spec.at(),
              "minReplicaCount is 0 and every trigger reads the engines' own metrics: at "
              "zero there is no engine to emit them, so nothing ever wakes it. Something "
              "in front must count what arrives, as Tidegate's gateway does");
  }
  spec.rest();
  judge_metrics(model, spec.at(), notes);
  return {std::move(model)};
}

}  // namespace tidegate::exchange
