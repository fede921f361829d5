// prometheus-adapter: externalRules that serve what the exported HPA asks for.

#include <fmt/format.h>

#include "exchange/behavior.h"
#include "exchange/names.h"
#include "exchange/queries.h"

namespace tidegate::exchange {
namespace {

Yaml rule(const std::string& series, const std::string& name, const std::string& promql) {
  Yaml out = Yaml::map({{"seriesQuery", series}});
  out.put("resources", Yaml::map({{"namespaced", false}}));
  out.put("name", Yaml::map({{"as", name}}));
  out.put("metricsQuery", promql);
  return out;
}

}  // namespace

Result<std::vector<File>> export_adapter(const Export& what) {
  Yaml rules = Yaml::list();
  if (what.options.follow) {
    rules.add(rule("tidegate_desired_replicas{model!=\"\"}", std::string(kDesiredMetric),
                   "max(<<.Series>>{<<.LabelMatchers>>}) by (model, variant)"));
  } else {
    const spec::Model& law = what.law.model;
    for (const spec::Variant& variant : law.variants) {
      for (std::size_t i = 0; i < law.scaling.metrics.size(); ++i) {
        const spec::MetricSpec& metric = law.scaling.metrics[i];
        auto promql = query(law, variant, metric);
        if (!promql) return fail(promql.error());
        rules.add(rule(fmt::format("tidegate_queue_requests{{model=\"{}\"}}", law.name),
                       external_name(law, variant, metric, i + 1), *promql));
      }
    }
  }
  std::string text =
      head_comment(what, "Configuration of prometheus-adapter") + "#\n" +
      comment_lines(
          "Put externalRules into the adapter's config.yaml (Helm: rules.external). A "
          "cluster has one server of\nexternal.metrics.k8s.io: with KEDA installed use "
          "`tidegate export keda` instead.");
  text += to_yaml(Yaml::map({{"externalRules", std::move(rules)}}));
  return std::vector<File>{{what.model.name + "-prometheus-adapter.yaml", std::move(text)}};
}

}  // namespace tidegate::exchange
