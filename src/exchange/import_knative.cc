// Service of Knative (serving.knative.dev/v1) -> a Model under policy kpa.

#include <fmt/format.h>

#include <algorithm>

#include "core/spec/options.h"
#include "exchange/import_parts.h"

namespace tidegate::exchange {
namespace {

using format::Node;

constexpr std::int64_t kDefaultTarget = 100;  // config-autoscaler
constexpr std::int64_t kUnlimited = 100;      // max-scale 0
constexpr Duration kDefaultDeadline = seconds(600);
constexpr std::int64_t kMostOfProbe = 10'000;  // seconds, or times
constexpr std::string_view kPrefix = "autoscaling.knative.dev/";

/// Annotations of the autoscaler, under both spellings.
class Annotations {
 public:
  Annotations(Fields fields, Notes& notes) : fields_(std::move(fields)), notes_(notes) {}
  std::optional<std::string> text(std::string_view key, std::string_view old = {}) {
    auto found = fields_.text(std::string(kPrefix) + std::string(key));
    if (!found && !old.empty()) found = fields_.text(std::string(kPrefix) + std::string(old));
    return found;
  }
  std::optional<std::int64_t> integer(std::string_view key, std::string_view old = {}) {
    auto found = text(key, old);
    auto value = found ? quantity(*found) : std::nullopt;
    if (!value) return std::nullopt;
    return static_cast<std::int64_t>(std::clamp(*value, -1e15, 1e15));
  }
  std::optional<Duration> duration(std::string_view key) {
    auto found = text(key);
    if (!found) return std::nullopt;
    auto value = format::parse_duration(*found);
    if (value) return *value;
    notes_.add(fields_.at(),
               std::string(kPrefix) + std::string(key) + ": " + value.error().message);
    return std::nullopt;
  }
  Fields& fields() { return fields_; }
  /// Others of the autoscaler that nobody asked for.
  void rest() {
    fields_.ignore({});
    if (!fields_.present()) return;
    for (const auto& [key, at] : fields_.node()->keys) {
      if (key.starts_with(kPrefix) && !known(key)) {
        notes_.add(at, key + " has no counterpart and is left out");
      }
    }
  }

 private:
  static bool known(std::string_view key) {
    constexpr std::string_view kKnown[] = {"class",
                                           "metric",
                                           "target",
                                           "target-utilization-percentage",
                                           "targetUtilizationPercentage",
                                           "min-scale",
                                           "minScale",
                                           "max-scale",
                                           "maxScale",
                                           "window",
                                           "scale-down-delay"};
    return std::find(std::begin(kKnown), std::end(kKnown), key.substr(kPrefix.size())) !=
           std::end(kKnown);
  }
  Fields fields_;
  Notes& notes_;
};

void read_scale(Annotations& from, std::int64_t hard_limit, spec::Model& model, Notes& notes) {
  spec::Scaling& scaling = model.scaling;
  spec::Variant& variant = model.variants.front();
  format::Position at = from.fields().at();
  variant.min_replicas =
      Replicas(std::max<std::int64_t>(0, from.integer("min-scale", "minScale").value_or(0)));
  std::int64_t most = from.integer("max-scale", "maxScale").value_or(0);
  if (most <= 0) notes.add(at, "max-scale is not given: Knative has no upper bound; 100 is taken");
  variant.max_replicas = Replicas(most > 0 ? most : kUnlimited);
  auto target = from.integer("target");
  if (!target && hard_limit == 0) {
    notes.add(at,
              "neither target nor containerConcurrency is given: Knative aims at 100 requests a "
              "replica, whatever maxNumSeqs the engine has");
  }
  scaling.concurrency_target =
      std::max<std::int64_t>(1, target.value_or(hard_limit > 0 ? hard_limit : kDefaultTarget));
  auto share = from.integer("target-utilization-percentage", "targetUtilizationPercentage");
  if (share) scaling.target_utilization = std::clamp(static_cast<double>(*share) / 100, 0.01, 1.0);
  if (auto window = from.duration("window")) scaling.window = *window;
  scaling.scale_down_delay = from.duration("scale-down-delay").value_or(seconds(0));
  if (scaling.scale_down_delay == seconds(0)) {
    notes.add(at,
              "scale-down-delay is 0: replicas go as soon as the window says so, and a cold "
              "start is paid again for the next burst");
  }
  if (variant.min_replicas == Replicas(0)) {
    notes.add(at,
              "min-scale is 0: whoever wakes the model waits for the whole cold start; "
              "queue.maxWait must be longer than it");
  }
  std::string metric = from.text("metric").value_or("concurrency");
  if (metric != "concurrency") {
    notes.add(at, "metric " + metric +
                      " is not kept: a request's cost in an LLM differs by orders of "
                      "magnitude, so policy kpa looks at concurrency");
  }
}

/// How long the startup probe lets a start take, if there is one.
std::optional<Duration> startup_allowed(Fields container) {
  Fields probe = container.map("startupProbe");
  if (!probe.present()) return std::nullopt;
  auto within = [&](std::string_view key, std::int64_t otherwise) {
    return std::clamp<std::int64_t>(probe.integer(key).value_or(otherwise), 0, kMostOfProbe);
  };
  return seconds(within("initialDelaySeconds", 0) +
                 within("periodSeconds", 10) * within("failureThreshold", 3));
}

void judge_deadline(Fields& service, Fields& revision, std::optional<Duration> allowed,
                    Notes& notes) {
  std::string_view key = "serving.knative.dev/progress-deadline";
  auto text = revision.text(key);
  if (!text) text = service.text(key);
  Duration deadline = kDefaultDeadline;
  if (text) {
    if (auto parsed = format::parse_duration(*text)) deadline = *parsed;
  } else {
    notes.add(revision.at(),
              "serving.knative.dev/progress-deadline is not given: a revision that is "
              "not ready in 600 s is given up, and large weights take longer");
  }
  if (allowed && *allowed > deadline) {
    notes.add(
        revision.at(),
        fmt::format("the startup probe allows {} but the progress deadline is {}: a cold start "
                    "beyond it is killed and tried again, for ever",
                    spec::duration_text(*allowed), spec::duration_text(deadline)));
  }
}

/// The name a vLLM container serves: --served-model-name, else --model.
void read_served_name(const Node* args, spec::Model& model) {
  std::string name;
  for (std::string_view flag : {"--model", "--served-model-name"}) {
    for (std::size_t i = 0; args != nullptr && i < args->items.size(); ++i) {
      std::string_view word = args->items[i].text;
      if (word.starts_with(std::string(flag) + "=")) name = word.substr(flag.size() + 1);
      if (word == flag && i + 1 < args->items.size()) name = args->items[i + 1].text;
    }
  }
  if (!name.empty()) model.served_names = {name};
}

}  // namespace

std::vector<spec::Model> import_knative(const Node& root, Notes& notes) {
  Fields metadata(root.find("metadata"), "metadata", notes);
  Fields spec(root.find("spec"), "spec", notes);
  Fields revision = spec.map("template");
  Fields revision_metadata = revision.map("metadata");
  Fields pod = revision.map("spec");
  spec::Model model = imported(metadata, spec::PolicyKind::kKpa, notes);
  Annotations annotations(revision_metadata.map("annotations"), notes);
  read_scale(annotations,
             std::max<std::int64_t>(0, pod.integer("containerConcurrency").value_or(0)), model,
             notes);
  annotations.text("class");
  annotations.rest();
  const Node* containers = pod.take("containers");
  std::optional<Duration> allowed;
  if (containers != nullptr && !containers->items.empty()) {
    Fields container(&containers->items.front(), "spec.template.spec.containers[0]", notes);
    allowed = startup_allowed(container);
    read_served_name(container.take("args"), model);
  }
  Fields service_annotations = metadata.map("annotations");
  judge_deadline(service_annotations, annotations.fields(), allowed, notes);
  if (auto timeout = pod.integer("timeoutSeconds").value_or(300); timeout < 600) {
    notes.add(pod.at(),
              fmt::format("timeoutSeconds is {}: Knative cuts a request off then, waiting "
                          "for a cold start included",
                          timeout));
  }
  notes.add(spec.at(),
            "a Knative Service scales its own revisions and nobody may beside it: run the "
            "container as a Deployment and name it in target.kubernetes. What else the "
            "template says (image, resources, traffic) is not Tidegate's");
  return {std::move(model)};
}

}  // namespace tidegate::exchange
