#pragma once
// What the importers share: reading maps so that nothing is lost silently, and naming traps.
//
//   Fields spec(node.find("spec"), "spec", notes);
//   auto most = spec.integer("maxReplicas");
//   spec.rest();      // every key nobody asked for becomes a warning
//
// Thread-safety: one owner.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/spec/model.h"
#include "format/spec_tree.h"
#include "format/spec_yaml.h"

namespace tidegate::exchange {

/// Findings, in the order they were made.
class Notes {
 public:
  explicit Notes(std::string file) : file_(std::move(file)) {}
  void add(format::Position at, std::string message);
  const std::vector<format::Diagnostic>& all() const { return all_; }
  std::size_t size() const { return all_.size(); }

 private:
  std::string file_;
  std::vector<format::Diagnostic> all_;
};

class Fields {
 public:
  /// `node` may be null: a map without keys.
  Fields(const format::Node* node, std::string path, Notes& notes);
  const format::Node* take(std::string_view key);  ///< null: not there
  std::optional<std::string> text(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key);
  std::optional<double> number(std::string_view key);  ///< a Kubernetes quantity too
  Fields map(std::string_view key);
  /// Known, and of no consequence here.
  void ignore(std::initializer_list<std::string_view> keys);
  /// Warns of every key that was not taken.
  void rest();

  bool present() const { return node_ != nullptr; }
  format::Position at() const { return node_ == nullptr ? format::Position{} : node_->at; }
  const format::Node* node() const { return node_; }
  const std::string& path() const { return path_; }
  Notes& notes() { return notes_; }

 private:
  const format::Node* node_;
  std::string path_;
  Notes& notes_;
  std::set<std::string, std::less<>> taken_;
};

/// "800m", "5", "1.5k", "2Ki" as a number.
std::optional<double> quantity(std::string_view text);
/// A name our specs take, from one that Kubernetes took; says so where it differs.
std::string spec_name(std::string_view name, format::Position at, Notes& notes);
/// A model of their object's name, with one variant, that observes.
spec::Model imported(Fields& metadata, spec::PolicyKind policy, Notes& notes);

/// One metric of theirs.
struct Asked {
  std::string query;  ///< PromQL, or the name of a metric
  bool promql = true;
  spec::MetricTarget type = spec::MetricTarget::kAverageValue;
  double target = 0;
  format::Position at;
};
/// Puts it into scaling.metrics, as a signal of ours where it is one; names the traps in it.
void add_metric(const Asked& asked, spec::Model& model, Notes& notes);
/// What holds for all metrics together: a queue alone.
void judge_metrics(const spec::Model& model, format::Position at, Notes& notes);
/// HPA v2's behavior into scaling, and Kubernetes' defaults where it says nothing.
void read_behavior(Fields behavior, spec::Scaling& scaling);
/// scaleTargetRef of an HPA or a ScaledObject.
spec::KubernetesTarget read_target(Fields ref, const std::string& ns);

// One kind a file: a document of theirs -> models.
std::vector<spec::Model> import_keda(const format::Node& root, Notes& notes);
std::vector<spec::Model> import_hpa(const format::Node& root, Notes& notes);
std::vector<spec::Model> import_knative(const format::Node& root, Notes& notes);
/// All of a file at once: objects of one modelID are variants of one model.
std::vector<spec::Model> import_variants(const std::vector<const format::Node*>& roots,
                                         Notes& notes);

}  // namespace tidegate::exchange
