#include "cli/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/policy/policy.h"
#include "format/scenario.h"
#include "format/spec_explain.h"
#include "format/spec_yaml.h"

namespace tidegate::cli {
namespace {

using Json = nlohmann::ordered_json;
using format::Diagnostic;
using format::ScenarioFile;
using format::Severity;
using format::SpecFile;

/// A spec may name every policy there will be; say which are not there yet.
void warn_unbuilt(SpecFile& file) {
  for (const format::LoadedModel& loaded : file.models) {
    spec::PolicyKind policy = loaded.model.scaling.policy;
    if (policy::is_built(policy)) continue;
    auto at = loaded.positions.find("spec.scaling.policy");
    format::Position place = at == loaded.positions.end() ? format::Position{} : at->second;
    file.diagnostics.push_back(
        {Severity::kWarning, loaded.file, place.line, place.column,
         fmt::format("spec.scaling.policy: {} is not built yet; run and simulate refuse it",
                     token(policy))});
  }
}

void warn(ScenarioFile& file, const std::string& path, std::string message) {
  auto at = file.positions.find(path);
  format::Position place = at == file.positions.end() ? format::Position{} : at->second;
  file.spec.diagnostics.push_back(
      {Severity::kWarning, file.path, place.line, place.column, path + ": " + std::move(message)});
}

/// Traces may lie elsewhere than here, so one that cannot be read is no fault of the file.
void warn_scenario(ScenarioFile& file) {
  if (!file.scenario) return;
  const auto& policies = file.scenario->policies;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    auto choice = format::parse_policy(policies[i]);
    if (!choice || policy::is_built(choice->policy)) continue;
    warn(file, fmt::format("spec.policies[{}]", i),
         fmt::format("{} is not built yet; simulate refuses it", policies[i]));
  }
  if (auto requests = format::open_workload(*file.scenario, file.folder); !requests) {
    warn(file, "spec.workload", requests.error().message);
  }
}

std::vector<ScenarioFile> load_all(const std::vector<std::string>& paths) {
  std::vector<ScenarioFile> files;
  for (const std::string& path : paths) {
    files.push_back(format::load_scenario_file(path));
    warn_unbuilt(files.back().spec);
    warn_scenario(files.back());
  }
  std::vector<const SpecFile*> together;  // a scenario is a world of its own
  for (const ScenarioFile& file : files) {
    if (!file.scenario) together.push_back(&file.spec);
  }
  for (Diagnostic& d : format::check_together(together)) {
    auto owner = std::find(paths.begin(), paths.end(), d.file);
    files[static_cast<std::size_t>(owner - paths.begin())].spec.diagnostics.push_back(std::move(d));
  }
  return files;
}

std::string count(std::size_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

std::size_t count_of(const SpecFile& file, Severity severity) {
  return static_cast<std::size_t>(
      std::count_if(file.diagnostics.begin(), file.diagnostics.end(),
                    [&](const Diagnostic& d) { return d.severity == severity; }));
}

void print_values(const std::string& name, const std::vector<format::Explained>& rows) {
  std::size_t keys = 0, values = 0;
  for (const auto& row : rows) {
    keys = std::max(keys, row.path.size());
    values = std::max(values, std::min<std::size_t>(row.value.size(), 40));
  }
  fmt::print("\n{}\n", name);
  for (const auto& row : rows)
    fmt::print("  {:<{}}  {:<{}}  {}\n", row.path, keys, row.value, values, row.origin);
}

void print_table(const std::string& path, const ScenarioFile& file, bool explain) {
  const SpecFile& spec = file.spec;
  for (const Diagnostic& d : spec.diagnostics) fmt::print(stderr, "{}\n", d.text());
  std::string found = fmt::format("{}, {}", count(count_of(spec, Severity::kError), "error"),
                                  count(count_of(spec, Severity::kWarning), "warning"));
  if (!spec.ok()) {
    fmt::print(stderr, "{}: {}\n", path, found);
    return;
  }
  std::string scenario = file.scenario ? "scenario " + file.scenario->name + ", " : "";
  fmt::print("{}: ok, {}{}, {}\n", path, scenario, count(spec.models.size(), "model"), found);
  if (!explain) return;
  if (file.scenario) print_values("scenario " + file.scenario->name, format::explain(file));
  for (const format::LoadedModel& loaded : spec.models)
    print_values(loaded.model.name, format::explain(loaded));
}

Json values_of(const std::vector<format::Explained>& rows) {
  Json out = Json::array();
  for (const auto& row : rows) {
    out.push_back({{"path", row.path}, {"value", row.value}, {"origin", row.origin}});
  }
  return out;
}

Json to_json(const std::string& path, const ScenarioFile& scenario, bool explain) {
  const SpecFile& file = scenario.spec;
  Json diagnostics = Json::array(), models = Json::array(), explained = Json::array();
  for (const Diagnostic& d : file.diagnostics) {
    diagnostics.push_back({{"severity", d.severity == Severity::kError ? "error" : "warning"},
                           {"line", d.line},
                           {"column", d.column},
                           {"message", d.message}});
  }
  for (const format::LoadedModel& loaded : file.models) {
    models.push_back(loaded.model.name);
    explained.push_back(
        {{"model", loaded.model.name}, {"values", values_of(format::explain(loaded))}});
  }
  Json out = {{"file", path}, {"ok", file.ok()}, {"models", models}, {"diagnostics", diagnostics}};
  if (scenario.scenario) {
    out["scenario"] = scenario.scenario->name;
    explained.push_back(
        {{"scenario", scenario.scenario->name}, {"values", values_of(format::explain(scenario))}});
  }
  if (explain) out["explain"] = explained;
  return out;
}

}  // namespace

int check(const CheckOptions& options) {
  if (options.files.empty()) {
    fmt::print(stderr,
               "tidegate check: no file given; usage: tidegate check FILE... [--explain] [--format "
               "table|json]\n");
    return 2;
  }
  std::vector<ScenarioFile> files = load_all(options.files);
  Json results = Json::array();
  bool ok = true;
  for (std::size_t i = 0; i < files.size(); ++i) {
    ok = ok && files[i].spec.ok();
    if (options.format == OutputFormat::kJson) {
      results.push_back(to_json(options.files[i], files[i], options.explain));
    } else {
      print_table(options.files[i], files[i], options.explain);
    }
  }
  if (options.format == OutputFormat::kJson) {
    // File names and values may hold any bytes; JSON may not.
    fmt::print("{}\n", Json{{"schemaVersion", 1}, {"results", results}}.dump(
                           2, ' ', false, Json::error_handler_t::replace));
  }
  return ok ? 0 : 1;
}

}  // namespace tidegate::cli
