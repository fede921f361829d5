// The dashboard: one table of panels -> Grafana's JSON. What runs, what waits, what it costs, why.

#include <span>
#include <string>

#include "exchange/export.h"
#include "exchange/yaml.h"

namespace tidegate::exchange {
namespace {

constexpr int kSchemaVersion = 39;
constexpr int kColumns = 24;

struct Target {
  const char* expr;
  const char* legend;
};
struct Panel {
  const char* title;  ///< starts a row of its own where `targets` is empty
  const char* about;
  const char* type;
  const char* unit;
  int width, height;
  std::span<const Target> targets;
};

constexpr Target kMet[] = {
    {"1 - sum(rate(tidegate_slo_met_requests_total{model=~\"$model\"}[$__range])) / "
     "sum(rate(tidegate_slo_requests_total{model=~\"$model\"}[$__range]))",
     "missed"}};
constexpr Target kReadyNow[] = {
    {"sum(tidegate_replicas{model=~\"$model\",state=\"ready\"})", "ready"}};
constexpr Target kWaitingNow[] = {{"sum(tidegate_waiting_requests{model=~\"$model\"})", "waiting"}};
constexpr Target kSpent[] = {
    {"sum(increase(tidegate_cost_dollars_total{model=~\"$model\"}[$__range]))", "spent"}};
constexpr Target kBurn[] = {
    {"(1 - sum by (model) (rate(tidegate_slo_met_requests_total{model=~\"$model\"}[1h])) / sum by "
     "(model) (rate(tidegate_slo_requests_total{model=~\"$model\"}[1h]))) / (1 - max by (model) "
     "(tidegate_slo_objective_ratio{model=~\"$model\"}))",
     "{{model}}"}};
constexpr Target kReplicas[] = {
    {"sum by (state) (tidegate_replicas{model=~\"$model\"})", "{{state}}"},
    {"sum(tidegate_desired_replicas{model=~\"$model\"})", "desired"}};
constexpr Target kByVariant[] = {
    {"max by (model, variant) (tidegate_desired_replicas{model=~\"$model\"})",
     "{{model}}/{{variant}}"}};
constexpr Target kDecisions[] = {
    {"sum by (reason) (increase(tidegate_decisions_total{model=~\"$model\"}[$__rate_interval]))",
     "{{reason}}"}};
constexpr Target kDemand[] = {
    {"sum by (model) (rate(tidegate_arrivals_total{model=~\"$model\"}[$__rate_interval]))",
     "{{model}}"}};
constexpr Target kTokens[] = {
    {"sum(rate(tidegate_prompt_tokens_total{model=~\"$model\"}[$__rate_interval]))", "prompt"},
    {"sum(rate(tidegate_output_tokens_total{model=~\"$model\"}[$__rate_interval]))", "output"}};
constexpr Target kQueue[] = {
    {"sum(tidegate_queue_requests{model=~\"$model\"})", "gateway"},
    {"sum(tidegate_waiting_requests{model=~\"$model\"})", "gateway and engines"},
    {"sum(tidegate_queue_limit_requests{model=~\"$model\"})", "limit"}};
constexpr Target kCredit[] = {
    {"sum(tidegate_dispatched_requests{model=~\"$model\"})", "dispatched"},
    {"sum(tidegate_credit_requests{model=~\"$model\"})", "replicas may hold"},
    {"sum(tidegate_credit_withheld_requests{model=~\"$model\"})", "withheld"}};
constexpr Target kTtft[] = {
    {"histogram_quantile(0.5, sum by (le) "
     "(rate(tidegate_ttft_seconds_bucket{model=~\"$model\"}[$__rate_interval])))",
     "p50"},
    {"histogram_quantile(0.99, sum by (le) "
     "(rate(tidegate_ttft_seconds_bucket{model=~\"$model\"}[$__rate_interval])))",
     "p99"}};
constexpr Target kItl[] = {
    {"histogram_quantile(0.5, sum by (le) "
     "(rate(tidegate_itl_seconds_bucket{model=~\"$model\"}[$__rate_interval])))",
     "p50"},
    {"histogram_quantile(0.99, sum by (le) "
     "(rate(tidegate_itl_seconds_bucket{model=~\"$model\"}[$__rate_interval])))",
     "p99"}};
constexpr Target kQueued[] = {
    {"histogram_quantile(0.99, sum by (le) "
     "(rate(tidegate_queue_seconds_bucket{model=~\"$model\"}[$__rate_interval])))",
     "p99"}};
constexpr Target kOutcomes[] = {
    {"sum by (outcome) (rate(tidegate_requests_total{model=~\"$model\",outcome!=\"completed\"}"
     "[$__rate_interval]))",
     "{{outcome}}"}};
constexpr Target kKv[] = {{"max by (model, variant) (tidegate_kv_usage_ratio{model=~\"$model\"})",
                           "{{model}}/{{variant}}"}};
constexpr Target kHeard[] = {
    {"min by (model, variant) (tidegate_engine_coverage_ratio{model=~\"$model\"})",
     "{{model}}/{{variant}}"}};
constexpr Target kStarts[] = {
    {"histogram_quantile(0.9, sum by (stage, le) "
     "(increase(tidegate_cold_start_seconds_bucket{model=~\"$model\"}[$__range])))",
     "{{stage}} p90"},
    {"max(tidegate_cold_start_expected_seconds{model=~\"$model\"})", "expected, total"}};
constexpr Target kCost[] = {
    {"sum by (model) (rate(tidegate_cost_dollars_total{model=~\"$model\"}[$__rate_interval])) * "
     "3600",
     "{{model}}"}};
constexpr Target kGpu[] = {
    {"sum by (model) (rate(tidegate_gpu_seconds_total{model=~\"$model\"}[$__rate_interval]))",
     "{{model}}"}};

const Panel kPanels[] = {
    {"SLO missed in range", "Share of judged requests.", "stat", "percentunit", 6, 4, kMet},
    {"Ready replicas", "", "stat", "short", 6, 4, kReadyNow},
    {"Requests waiting", "At the gateway and in the engines.", "stat", "short", 6, 4, kWaitingNow},
    {"Cost in range", "From order to gone.", "stat", "currencyUSD", 6, 4, kSpent},
    {"Replicas", "", "", "", 0, 0, {}},
    {"Replicas by state", "", "timeseries", "short", 12, 8, kReplicas},
    {"Desired by variant", "", "timeseries", "short", 6, 8, kByVariant},
    {"Why: decisions by reason", "docs/reasons.md has each.", "timeseries", "short", 6, 8,
     kDecisions},
    {"Demand and queue", "", "", "", 0, 0, {}},
    {"Arrivals", "Refused ones too.", "timeseries", "reqps", 6, 8, kDemand},
    {"Tokens", "", "timeseries", "short", 6, 8, kTokens},
    {"Queue", "", "timeseries", "short", 6, 8, kQueue},
    {"In flight and credit", "", "timeseries", "short", 6, 8, kCredit},
    {"What clients see", "", "", "", 0, 0, {}},
    {"SLO burn over 1 h", "1 uses the budget up exactly; 14.4 calls.", "timeseries", "short", 6, 8,
     kBurn},
    {"Time to first token", "", "timeseries", "s", 6, 8, kTtft},
    {"Inter-token latency", "", "timeseries", "s", 6, 8, kItl},
    {"Not completed, by outcome", "", "timeseries", "reqps", 6, 8, kOutcomes},
    {"Engines, starts and cost", "", "", "", 0, 0, {}},
    {"KV usage", "", "timeseries", "percentunit", 4, 8, kKv},
    {"Engines heard", "Below 1 nothing goes down.", "timeseries", "percentunit", 4, 8, kHeard},
    {"Time in the queue", "", "timeseries", "s", 4, 8, kQueued},
    {"Cold starts by stage", "", "timeseries", "s", 4, 8, kStarts},
    {"Cost an hour", "", "timeseries", "currencyUSD", 4, 8, kCost},
    {"Devices held", "", "timeseries", "short", 4, 8, kGpu},
};

Yaml datasource() { return Yaml::map({{"type", "prometheus"}, {"uid", "${datasource}"}}); }

Yaml place(int x, int y, int width, int height) {
  return Yaml::map({{"h", height}, {"w", width}, {"x", x}, {"y", y}});
}

Yaml panel_json(const Panel& panel, int id, Yaml at) {
  Yaml out = Yaml::map({{"id", id}, {"title", panel.title}});
  out.put("gridPos", std::move(at));
  if (panel.targets.empty()) {
    out.put("type", "row");
    out.put("collapsed", false);
    out.put("panels", Yaml::list());
    return out;
  }
  out.put("type", panel.type);
  if (*panel.about != '\0') out.put("description", panel.about);
  out.put("datasource", datasource());
  out.put("fieldConfig", Yaml::map({{"defaults", Yaml::map({{"unit", panel.unit}, {"min", 0}})},
                                    {"overrides", Yaml::list()}}));
  Yaml& targets = out.put("targets", Yaml::list());
  char ref = 'A';
  for (const Target& target : panel.targets) {
    targets.add(Yaml::map({{"refId", std::string(1, ref++)},
                           {"expr", target.expr},
                           {"legendFormat", target.legend},
                           {"datasource", datasource()}}));
  }
  return out;
}

Yaml panels() {
  Yaml out = Yaml::list();
  int x = 0, y = 0, row_height = 0, id = 0;
  for (const Panel& panel : kPanels) {
    int width = panel.targets.empty() ? kColumns : panel.width;
    int height = panel.targets.empty() ? 1 : panel.height;
    if (x + width > kColumns) {
      x = 0;
      y += row_height;
    }
    out.add(panel_json(panel, ++id, place(x, y, width, height)));
    row_height = height;
    x += width;
  }
  return out;
}

Yaml variables() {
  Yaml source = Yaml::map({{"name", "datasource"},
                           {"type", "datasource"},
                           {"query", "prometheus"},
                           {"label", "Prometheus"}});
  Yaml model = Yaml::map({{"name", "model"}, {"type", "query"}, {"label", "Model"}});
  model.put("datasource", datasource());
  model.put("query", "label_values(tidegate_arrivals_total, model)");
  model.put("refresh", 2);
  model.put("includeAll", true);
  model.put("multi", true);
  model.put("current", Yaml::map({{"text", "All"}, {"value", "$__all"}}));
  return Yaml::map({{"list", Yaml::list({std::move(source), std::move(model)})}});
}

}  // namespace

File grafana_file() {
  Yaml out = Yaml::map({{"uid", "tidegate"}, {"title", "Tidegate"}});
  out.put("schemaVersion", kSchemaVersion);
  out.put("version", 1);
  out.put("editable", true);
  out.put("tags", Yaml::list({"tidegate", "llm"}));
  out.put("timezone", "browser");
  out.put("refresh", "30s");
  out.put("time", Yaml::map({{"from", "now-6h"}, {"to", "now"}}));
  out.put("templating", variables());
  out.put("panels", panels());
  return {"tidegate.json", to_json(out)};
}

}  // namespace tidegate::exchange
