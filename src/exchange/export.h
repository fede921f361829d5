#pragma once
// Export: one Model -> the files of another ecosystem's own machinery.
//
//   spec::Model law = exported_law(model, ExportKind::kHpa, options).model;   // simulate this
//   auto files = export_files({.model = law, ...});
//
// What is simulated and what is written is one value: exported_law() gives the model whose scaling
// is the manifest's (metrics, targets, windows, rates, bounds), and export_files() writes that. A
// trigger on the queue alone is never written: it orders on the backlog until capacity arrives and
// drops to the floor when the queue empties. Every query of what waits counts the gateway's queue
// with the engines'; a side that is missing gives no value, never zero. Text is the same on every
// run. Sources: autoscaling/v2, keda.sh/v1alpha1, prometheus-adapter's configuration,
// AWS::AutoScaling resources of CloudFormation, Grafana's dashboard JSON (schema 39).
// Thread-safety: functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/fields.h"
#include "core/base/result.h"
#include "core/spec/model.h"

namespace tidegate::exchange {

class Yaml;

enum class ExportKind : std::uint8_t {
  kKeda,
  kHpa,
  kPrometheusAdapter,
  kAsg,
  kGrafana,
  kKustomize,
  kRules,
  kPrometheusRule
};

struct ExportOptions {
  ExportKind kind = ExportKind::kHpa;
  bool follow = false;    ///< the object follows Tidegate's number instead of a law of its own
  bool active = false;    ///< without the safe start
  bool tolerance = true;  ///< the server has HPAConfigurableTolerance (Kubernetes 1.35)
  std::string prometheus = "http://prometheus-operated.monitoring:9090";
  std::string scaler = "tidegate-admin.tidegate:8082";
  std::string engine_image = "vllm/vllm-openai:v0.11.0";
};

/// One row of what a simulation said.
struct Outcome {
  std::string policy;  ///< for people: "hpa, as exported here"
  double attainment = 0, cost_dollars = 0, replica_hours = 0, ttft_p99_seconds = 0;
  std::int64_t replicas_peak = 0, cold_starts = 0;
};
struct Simulated {
  std::string trace;  ///< for people
  std::uint64_t seed = 0;
  std::int64_t requests = 0;
  std::vector<Outcome> outcomes;  ///< empty: nothing was simulated
};

struct File {
  std::string name;
  std::string text;
};

/// A model whose scaling is what the manifest says, and what a reader of it should know.
struct Law {
  spec::Model model;
  std::string policy;              ///< simulated under this name
  std::string label;               ///< of its row: "hpa, as exported"
  std::vector<std::string> notes;  ///< a sentence each
};
Law exported_law(const spec::Model& model, const ExportOptions& options);

struct Export {
  const spec::Model& model;  ///< as the user wrote it
  Law law;
  Simulated simulated;
  ExportOptions options;
};
/// Errors: a name Kubernetes would refuse, an engine that does not say what a query needs.
Result<std::vector<File>> export_files(const Export& what);

/// For all models: the rules and the dashboard read Tidegate's own metrics.
File rules_file();
File prometheus_rule_file();
File grafana_file();

/// The comment above every file of a set.
std::string head_comment(const Export& what, std::string_view title);
/// A file of `head` and one object a variant. Error: the object's.
Result<std::vector<File>> file_of_variants(const Export& what, std::string_view suffix,
                                           std::string head,
                                           Result<Yaml> (*object)(const Export&,
                                                                  const spec::Variant&));

// One kind a file.
Result<std::vector<File>> export_keda(const Export& what);
Result<std::vector<File>> export_hpa(const Export& what);
Result<std::vector<File>> export_adapter(const Export& what);
Result<std::vector<File>> export_asg(const Export& what);
Result<std::vector<File>> export_kustomize(const Export& what);

}  // namespace tidegate::exchange

namespace tidegate {
template <>
struct EnumTokens<exchange::ExportKind> {
  static constexpr std::string_view kTokens[] = {"keda",  "hpa",           "prometheus-adapter",
                                                 "asg",   "grafana",       "kustomize",
                                                 "rules", "prometheusrule"};
};
}  // namespace tidegate
