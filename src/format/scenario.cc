#include "format/scenario.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "format/spec_document.h"
#include "format/spec_reader.h"
#include "format/spec_tree.h"

namespace tidegate::format {
namespace {

using workload::Part;
using workload::Scenario;

constexpr std::size_t kMaxFaults = 100;

/// What stands between the values as read and the scenario in force: names of parts.
void complete(Scenario& scenario) {
  for (std::size_t i = 0; i < scenario.parts.size(); ++i) {
    std::string& name = scenario.parts[i].name;
    if (name.empty()) name = "part-" + std::to_string(i);
  }
}

void check_policies(const Scenario& scenario, Reader& reader) {
  for (std::size_t i = 0; i < scenario.policies.size(); ++i) {
    std::string path = "spec.policies[" + std::to_string(i) + "]";
    if (auto choice = parse_policy(scenario.policies[i]); !choice) {
      reader.fault(reader.positions()[path], path + ": " + choice.error().message);
    }
  }
}

Scenario read_document(const Document& document, Reader& reader) {
  Scenario scenario;
  const Node& root = document.root;
  check_head(root, kScenarioKind, reader);
  read_metadata(root, scenario.name, reader);
  const Node* spec = root.find("spec");
  if (spec == nullptr || spec->kind == NodeKind::kNull) {
    reader.fault(root.at, "\"spec\" is missing; it needs a title and a workload");
    return scenario;
  }
  reader.mark("spec", spec->at);
  reader.read(*spec, workload::scenario_section(), &scenario, "spec");
  if (spec->kind == NodeKind::kMap && spec->find("workload") == nullptr) {
    reader.fault(spec->at, "spec: \"workload\" is missing; expected a map with trace or parts");
  }
  check_policies(scenario, reader);
  complete(scenario);
  return scenario;
}

class Loader {
 public:
  explicit Loader(const std::string& path) : path_(path) {
    out_.path = path;
    out_.folder = std::filesystem::path(path).parent_path().string();
  }

  ScenarioFile load(const std::string& text) {
    std::vector<Document> documents = parse_documents(text);
    const Document* found = nullptr;
    std::optional<Position> second;
    for (const Document& document : documents) {
      if (!document.errors.empty() || !is_kind(document.root, kScenarioKind)) continue;
      if (found != nullptr) second = document.root.at;
      if (found == nullptr) found = &document;
    }
    if (found == nullptr) {
      out_.spec = load_spec_file(path_);
      return std::move(out_);
    }
    out_.spec = load_models_beside_scenario(text, path_);
    if (second) add(*second, "a second Scenario; a file holds one, with its models beside it");
    load_scenario(*found);
    return finish();
  }

 private:
  void load_scenario(const Document& document) {
    Reader reader(
        [](const std::string&) -> Result<spec::Spread> {
          return fail("samples have no place in a scenario");
        },
        workload::scenario_section());
    Scenario scenario = read_document(document, reader);
    out_.positions = std::move(reader.positions());
    auto& faults = reader.faults();
    if (faults.size() > kMaxFaults) faults.resize(kMaxFaults);
    for (const Fault& fault : faults) add(fault.at, fault.message);
    if (!out_.spec.ok()) return;  // names of models that could not be read would all be unknown
    if (out_.spec.models.empty()) {
      return add(document.root.at,
                 "there is no model beside the scenario; add a document of kind Model after ---");
    }
    for (const LoadedModel& loaded : out_.spec.models) scenario.models.push_back(loaded.model);
    for (const spec::Finding& f : workload::validate(scenario)) {
      add(place(out_.positions, f.path, document.root.at), f.path + ": " + f.message);
    }
    out_.scenario = std::move(scenario);
  }

  void add(Position at, std::string message) {
    out_.spec.diagnostics.push_back(
        {Severity::kError, path_, at.line, at.column, std::move(message)});
  }

  ScenarioFile finish() {
    auto& all = out_.spec.diagnostics;
    std::stable_sort(all.begin(), all.end(), [](const Diagnostic& a, const Diagnostic& b) {
      return std::pair(a.line, a.column) < std::pair(b.line, b.column);
    });
    if (!out_.spec.ok()) {
      out_.spec.models.clear();
      out_.scenario.reset();
    }
    return std::move(out_);
  }

  std::string path_;
  ScenarioFile out_;
};

}  // namespace

ScenarioFile load_scenario_file(const std::string& path) {
  auto text = read_file(path);
  if (text) return Loader(path).load(*text);
  ScenarioFile out;
  out.spec.diagnostics.push_back({Severity::kError, path, 0, 0, text.error().message});
  return out;
}

}  // namespace tidegate::format
