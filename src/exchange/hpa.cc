// HorizontalPodAutoscaler (autoscaling/v2), one a variant, over External metrics.

#include <cmath>

#include "core/spec/options.h"
#include "exchange/behavior.h"
#include "exchange/names.h"
#include "exchange/queries.h"

namespace tidegate::exchange {
namespace {

/// A number as a Kubernetes quantity: whole, else in thousandths.
std::string quantity(double value) {
  std::int64_t whole = std::llround(value * 1000);
  return whole % 1000 == 0 ? std::to_string(whole / 1000) : std::to_string(whole) + "m";
}

Yaml external(std::string_view name, Yaml labels, std::string_view type, const std::string& value) {
  Yaml metric = Yaml::map({{"name", name}});
  if (!labels.items().empty()) {
    metric.put("selector", Yaml::map({{"matchLabels", std::move(labels)}}));
  }
  Yaml target = Yaml::map({{"type", type}});
  target.put(type == "Value" ? "value" : "averageValue", Yaml(value));
  Yaml inner = Yaml::map();
  inner.put("metric", std::move(metric));
  inner.put("target", std::move(target));
  return Yaml::map({{"type", "External"}, {"external", std::move(inner)}});
}

Result<Yaml> metrics_of(const Export& what, const spec::Variant& variant) {
  const spec::Model& law = what.law.model;
  Yaml out = Yaml::list();
  for (std::size_t i = 0; i < law.scaling.metrics.size(); ++i) {
    const spec::MetricSpec& metric = law.scaling.metrics[i];
    auto promql = query(law, variant, metric);
    if (!promql) return fail(promql.error());
    out.add(external(external_name(law, variant, metric, i + 1), Yaml::map(),
                     is_ratio(metric) ? "Value" : "AverageValue", quantity(metric.target)))
        .say(*promql);
  }
  return out;
}

Result<Yaml> object(const Export& what, const spec::Variant& variant) {
  auto place = place_of(what.model, variant);
  if (!place) return fail(place.error());
  Yaml spec = Yaml::map();
  Yaml& target = spec.put("scaleTargetRef", Yaml::map({{"apiVersion", place->api_version},
                                                       {"kind", place->kind},
                                                       {"name", place->name}}));
  if (place->assumed) target.say("Assumed: the spec's target is no Kubernetes object.");
  std::int64_t most = variant.max_replicas.value();
  spec.put("minReplicas", variant.min_replicas.value_or(Replicas(1)).value());
  spec.put("maxReplicas", most);
  if (what.options.follow) {
    Yaml labels = Yaml::map({{"model", what.model.name}, {"variant", variant.name}});
    spec.put("metrics",
             Yaml::list({external(kDesiredMetric, std::move(labels), "AverageValue", "1")}));
    spec.put("behavior", obedient_behavior(most, Reader::kHpa, what.options));
  } else {
    auto metrics = metrics_of(what, variant);
    if (!metrics) return fail(metrics.error());
    spec.put("metrics", std::move(*metrics));
    spec.put("behavior", behavior(what.law.model.scaling, Reader::kHpa, what.options));
  }
  Yaml out = Yaml::map({{"apiVersion", "autoscaling/v2"}, {"kind", "HorizontalPodAutoscaler"}});
  out.put("metadata", Yaml::map({{"name", place->name}, {"namespace", place->ns}}));
  out.put("spec", std::move(spec));
  return out;
}

}  // namespace

Result<std::vector<File>> export_hpa(const Export& what) {
  std::string text = head_comment(what, "HorizontalPodAutoscaler");
  if (what.options.follow) {
    text += "#\n" + comment_lines(
                        "It follows tidegate_desired_replicas, served by Tidegate's external "
                        "metrics API or by an "
                        "adapter\n(`tidegate export prometheus-adapter --follow`); the Model says "
                        "scaling: {mode: "
                        "observe}.");
  } else {
    text += "#\n" +
            comment_lines(
                "Its metrics come from prometheus-adapter: `tidegate export prometheus-adapter`.");
  }
  return file_of_variants(what, "-hpa.yaml", std::move(text), object);
}

}  // namespace tidegate::exchange
