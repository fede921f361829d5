// Prometheus rules over Tidegate's own metrics, for every model: what to record, when to call.
//
// Burn rates and their windows are those of the SRE workbook's multiwindow alerts (chapter
// "Alerting on SLOs"): 14.4 times the budget over 1 h and 5 min, 6 times over 6 h and 30 min.

#include <array>

#include "exchange/export.h"
#include "exchange/yaml.h"

namespace tidegate::exchange {
namespace {

struct Recording {
  const char* record;
  const char* expr;
};
// A budget of nothing (no SLO) has no burn: the division has no right side then.
constexpr std::array<Recording, 9> kRecordings = {{
    {"tidegate:slo_misses:ratio_rate5m",
     "1 - sum by (model) (rate(tidegate_slo_met_requests_total[5m])) / sum by (model) "
     "(rate(tidegate_slo_requests_total[5m]))"},
    {"tidegate:slo_misses:ratio_rate30m",
     "1 - sum by (model) (rate(tidegate_slo_met_requests_total[30m])) / sum by (model) "
     "(rate(tidegate_slo_requests_total[30m]))"},
    {"tidegate:slo_misses:ratio_rate1h",
     "1 - sum by (model) (rate(tidegate_slo_met_requests_total[1h])) / sum by (model) "
     "(rate(tidegate_slo_requests_total[1h]))"},
    {"tidegate:slo_misses:ratio_rate6h",
     "1 - sum by (model) (rate(tidegate_slo_met_requests_total[6h])) / sum by (model) "
     "(rate(tidegate_slo_requests_total[6h]))"},
    {"tidegate:slo_budget:ratio", "1 - max by (model) (tidegate_slo_objective_ratio)"},
    {"tidegate:waiting_requests:sum", "sum by (model) (tidegate_waiting_requests)"},
    {"tidegate:desired_replicas:max", "max by (model, variant) (tidegate_desired_replicas)"},
    {"tidegate:cold_start_seconds:p90_6h",
     "histogram_quantile(0.9, sum by (model, le) "
     "(increase(tidegate_cold_start_seconds_bucket{stage=\"total\"}[6h])))"},
    {"tidegate:cost_dollars:rate1h",
     "sum by (model) (rate(tidegate_cost_dollars_total[1h])) * 3600"},
}};

struct Alert {
  const char* alert;
  const char* expr;
  const char* lasting;  ///< `for`; empty: at once
  const char* severity;
  const char* summary;
  const char* action;
};
constexpr std::array<Alert, 11> kAlerts = {{
    {"TidegateSloBurnFast",
     "tidegate:slo_misses:ratio_rate1h > 14.4 * tidegate:slo_budget:ratio and "
     "tidegate:slo_misses:ratio_rate5m > 14.4 * tidegate:slo_budget:ratio",
     "2m", "critical",
     "{{ $labels.model }} misses its SLO so often that a month's budget is gone in two days.",
     "`tidegate status` and `tidegate explain {{ $labels.model }}` say what binds: maxReplicas, "
     "capacity that does not come, or a cold start that is longer than the burst."},
    {"TidegateSloBurnSlow",
     "tidegate:slo_misses:ratio_rate6h > 6 * tidegate:slo_budget:ratio and "
     "tidegate:slo_misses:ratio_rate30m > 6 * tidegate:slo_budget:ratio",
     "15m", "warning",
     "{{ $labels.model }} misses its SLO so often that a month's budget is gone in five days.",
     "Play the day in `tidegate simulate` against other bounds and policies."},
    {"TidegateQueueNearlyFull",
     "max by (model) (tidegate_queue_requests) > 0.8 * max by (model) "
     "(tidegate_queue_limit_requests)",
     "2m", "warning",
     "The queue of {{ $labels.model }} holds {{ $value }} requests, over 80 % of what it may.",
     "When it is full, requests are refused with 429. Raise maxReplicas or minReplicas, or "
     "queue.maxRequests if clients can wait."},
    {"TidegateRequestsRefused",
     "sum by (model) (rate(tidegate_requests_total{outcome=~\"queue_full|queue_bytes_full|"
     "deadline_unreachable|queue_timeout|no_replica\"}[5m])) > 0.01 * sum by (model) "
     "(rate(tidegate_arrivals_total[5m]))",
     "5m", "warning", "{{ $labels.model }} refuses more than 1 % of its requests.",
     "`sum by (outcome) (rate(tidegate_requests_total[5m]))` says why."},
    {"TidegateColdStartsSlow",
     "tidegate:cold_start_seconds:p90_6h > 1.5 * max by (model) "
     "(tidegate_cold_start_expected_seconds > 0)",
     "", "warning",
     "Starts of {{ $labels.model }} take {{ $value | humanizeDuration }} at the 90th percentile, "
     "over 1.5 times what the spec expects.",
     "`tidegate status --cold-starts` says which stage; then cache images or weights, or correct "
     "coldStart."},
    {"TidegateCapacityFailed",
     "increase(tidegate_decisions_total{reason=\"CapacityFailed\"}[15m]) > 0 or "
     "(tidegate_decisions_total{reason=\"CapacityFailed\"} unless "
     "tidegate_decisions_total{reason=\"CapacityFailed\"} offset 15m)",
     "", "warning", "Replicas that {{ $labels.model }} ordered did not come.",
     "`tidegate status` has the scheduler's or the cloud's own words."},
    {"TidegateForeignWrite",
     "increase(tidegate_decisions_total{reason=\"ForeignWrite\"}[15m]) > 0 or "
     "(tidegate_decisions_total{reason=\"ForeignWrite\"} unless "
     "tidegate_decisions_total{reason=\"ForeignWrite\"} offset 15m)",
     "", "warning", "Something else writes the number of replicas of {{ $labels.model }}.",
     "Look for an HPA, a ScaledObject or spec.replicas in what GitOps applies; one writer only."},
    {"TidegateNoDecisions", "max by (model) (tidegate_observation_age_seconds) > 30", "1m",
     "critical",
     "The controller of {{ $labels.model }} has not looked for {{ $value | humanizeDuration }}.",
     "Replicas stay as they are. Look at the log of Tidegate; restart it if it hangs."},
    {"TidegateAbsent", "absent(tidegate_build_info)", "2m", "critical", "No Tidegate is scraped.",
     "Is it up, and does the ServiceMonitor or scrape job reach :8081?"},
    {"TidegateEnginePagesLost", "min by (model, variant) (tidegate_engine_coverage_ratio) < 1",
     "2m", "warning",
     "Only {{ $value | humanizePercentage }} of the ready engines of {{ $labels.model }}/"
     "{{ $labels.variant }} tell their metrics.",
     "Nothing is scaled down on partial data. Does Tidegate reach each engine's /metrics?"},
    {"TidegatePausedLong", "max by (model) (tidegate_paused) == 1", "4h", "info",
     "{{ $labels.model }} is paused.", "`tidegate resume {{ $labels.model }}` when it is time."},
}};

Yaml groups() {
  Yaml records = Yaml::list(), alerts = Yaml::list();
  for (const Recording& r : kRecordings) {
    records.add(Yaml::map({{"record", r.record}, {"expr", r.expr}}));
  }
  for (const Alert& a : kAlerts) {
    Yaml rule = Yaml::map({{"alert", a.alert}, {"expr", a.expr}});
    if (*a.lasting != '\0') rule.put("for", Yaml::verbatim(a.lasting));
    rule.put("labels", Yaml::map({{"severity", a.severity}}));
    rule.put("annotations", Yaml::map({{"summary", a.summary}, {"description", a.action}}));
    alerts.add(std::move(rule));
  }
  Yaml recording = Yaml::map({{"name", "tidegate-recording"}});
  recording.put("rules", std::move(records));
  Yaml alerting = Yaml::map({{"name", "tidegate-alerts"}});
  alerting.put("rules", std::move(alerts));
  return Yaml::list({std::move(recording), std::move(alerting)});
}

std::string head(std::string_view kind) {
  return comment_lines("Recording and alert rules of Tidegate, made by `tidegate export " +
                       std::string(kind) + "`.\nChecked with `promtool check rules`.");
}

}  // namespace

File rules_file() {
  return {"tidegate-rules.yaml", head("rules") + to_yaml(Yaml::map({{"groups", groups()}}))};
}

File prometheus_rule_file() {
  Yaml out = Yaml::map({{"apiVersion", "monitoring.coreos.com/v1"}, {"kind", "PrometheusRule"}});
  out.put("metadata", Yaml::map({{"name", "tidegate"},
                                 {"labels", Yaml::map({{"app.kubernetes.io/name", "tidegate"}})}}));
  out.put("spec", Yaml::map({{"groups", groups()}}));
  return {"tidegate-prometheusrule.yaml", head("prometheusrule") + to_yaml(out)};
}

}  // namespace tidegate::exchange
