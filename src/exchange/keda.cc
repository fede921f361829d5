// ScaledObject (keda.sh/v1alpha1), one a variant: with Prometheus triggers, or following Tidegate.

#include "core/spec/options.h"
#include "exchange/behavior.h"
#include "exchange/cron_trigger.h"
#include "exchange/names.h"
#include "exchange/queries.h"

namespace tidegate::exchange {
namespace {

constexpr int kPollingIntervalSeconds = 30;  // as policy keda has it
constexpr int kCooldownPeriodSeconds = 300;
constexpr int kFollowSeconds = 5;  // Tidegate has waited for scaleDownDelay already

Result<Yaml> own_triggers(const Export& what, const spec::Variant& variant) {
  const spec::Model& law = what.law.model;
  Yaml out = Yaml::list();
  for (std::size_t i = 0; i < law.scaling.metrics.size(); ++i) {
    const spec::MetricSpec& metric = law.scaling.metrics[i];
    auto promql = query(law, variant, metric);
    if (!promql) return fail(promql.error());
    Yaml metadata = Yaml::map({{"serverAddress", what.options.prometheus}, {"query", *promql}});
    metadata.put("threshold", Yaml(spec::number_text(metric.target)));
    metadata.put("activationThreshold", Yaml(std::string("0")));
    metadata.put("ignoreNullValues", Yaml(std::string("false")));
    out.add(Yaml::map({{"type", "prometheus"},
                       {"name", short_name(metric, i + 1)},
                       {"metricType", is_ratio(metric) ? "Value" : "AverageValue"},
                       {"metadata", std::move(metadata)}}));
  }
  for (const spec::ScheduleWindow& window : law.scaling.schedule) {
    auto span = cron_span(window);
    if (!span || !window.min_replicas) continue;
    Yaml metadata = Yaml::map({{"timezone", window.time_zone}});
    metadata.put("start", span->start);
    metadata.put("end", span->end);
    metadata.put("desiredReplicas", Yaml(std::to_string(window.min_replicas->value())));
    out.add(Yaml::map({{"type", "cron"}, {"metadata", std::move(metadata)}}));
  }
  return out;
}

Yaml follow_trigger(const Export& what, const spec::Variant& variant) {
  Yaml metadata = Yaml::map({{"scalerAddress", what.options.scaler},
                             {"model", what.model.name},
                             {"variant", variant.name}});
  return Yaml::list({Yaml::map({{"type", "external-push"},
                                {"name", "tidegate"},
                                {"metricType", "AverageValue"},
                                {"metadata", std::move(metadata)}})});
}

Yaml advanced(Yaml behavior) {
  return Yaml::map(
      {{"horizontalPodAutoscalerConfig", Yaml::map({{"behavior", std::move(behavior)}})}});
}

Result<Yaml> spec_of(const Export& what, const spec::Variant& variant, const Place& place) {
  Yaml out = Yaml::map();
  out.put(
      "scaleTargetRef",
      Yaml::map({{"apiVersion", place.api_version}, {"kind", place.kind}, {"name", place.name}}));
  const bool follow = what.options.follow;
  std::int64_t least = variant.min_replicas.value_or(Replicas(0)).value();
  out.put("pollingInterval", follow ? kFollowSeconds : kPollingIntervalSeconds);
  out.put("cooldownPeriod", follow ? kFollowSeconds : kCooldownPeriodSeconds);
  out.put("minReplicaCount", least);
  out.put("maxReplicaCount", variant.max_replicas.value());
  if (follow) {
    // No fallback: it would write a number of its own while Tidegate restarts.
    out.put("advanced",
            advanced(obedient_behavior(variant.max_replicas.value(), Reader::kKeda, what.options)));
    out.put("triggers", follow_trigger(what, variant));
    return out;
  }
  auto triggers = own_triggers(what, variant);
  if (!triggers) return fail(triggers.error());
  out.put("fallback", Yaml::map({{"failureThreshold", 3},
                                 {"replicas", std::max<std::int64_t>(least, 1)},
                                 {"behavior", "currentReplicasIfHigher"}}))
      .say("No answer is no reason to go down.");
  out.put("advanced", advanced(behavior(what.law.model.scaling, Reader::kKeda, what.options)));
  out.put("triggers", std::move(*triggers));
  return out;
}

Result<Yaml> object(const Export& what, const spec::Variant& variant) {
  auto place = place_of(what.model, variant);
  if (!place) return fail(place.error());
  Yaml metadata = Yaml::map({{"name", place->name}, {"namespace", place->ns}});
  if (!what.options.active) {
    Yaml& notes = metadata.put("annotations", Yaml::map());
    notes.put("autoscaling.keda.sh/paused", Yaml(std::string("true")))
        .say(
            "Safe start: replicas stay as they are until you take this away (or export with "
            "--active).");
  }
  auto spec = spec_of(what, variant, *place);
  if (!spec) return fail(spec.error());
  if (place->assumed) metadata.say("The target is assumed: the spec's is no Kubernetes object.");
  Yaml out = Yaml::map({{"apiVersion", "keda.sh/v1alpha1"}, {"kind", "ScaledObject"}});
  out.put("metadata", std::move(metadata));
  out.put("spec", std::move(*spec));
  return out;
}

}  // namespace

Result<std::vector<File>> export_keda(const Export& what) {
  std::string text = head_comment(what, "ScaledObject");
  if (what.options.follow) {
    text += "#\n" + comment_lines(
                        "It follows Tidegate's number through the external scaler; the Model says "
                        "scaling: {mode: "
                        "observe}, so that\nKEDA alone writes. HPA's dead band of 10 % swallows "
                        "small steps (20 "
                        "to 22): KEDA's schema has no\ntolerance for its HPA.");
  } else {
    text +=
        "#\n" +
        comment_lines(
            "Empty answers are errors here, not zero (ignoreNullValues: false): then nothing goes "
            "down.");
  }
  return file_of_variants(what, "-keda.yaml", std::move(text), object);
}

}  // namespace tidegate::exchange
