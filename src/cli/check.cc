#include "cli/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/policy/policy.h"
#include "format/spec_explain.h"
#include "format/spec_yaml.h"

namespace tidegate::cli {
namespace {

using Json = nlohmann::ordered_json;
using format::Diagnostic;
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

std::vector<SpecFile> load_all(const std::vector<std::string>& paths) {
  std::vector<SpecFile> files;
  for (const std::string& path : paths) {
    files.push_back(format::load_spec_file(path));
    warn_unbuilt(files.back());
  }
  std::vector<const SpecFile*> together;
  for (const SpecFile& file : files) together.push_back(&file);
  for (Diagnostic& d : format::check_together(together)) {
    auto owner = std::find(paths.begin(), paths.end(), d.file);
    files[static_cast<std::size_t>(owner - paths.begin())].diagnostics.push_back(std::move(d));
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

void print_table(const std::string& path, const SpecFile& file, bool explain) {
  for (const Diagnostic& d : file.diagnostics) fmt::print(stderr, "{}\n", d.text());
  std::string found = fmt::format("{}, {}", count(count_of(file, Severity::kError), "error"),
                                  count(count_of(file, Severity::kWarning), "warning"));
  if (!file.ok()) {
    fmt::print(stderr, "{}: {}\n", path, found);
    return;
  }
  fmt::print("{}: ok, {}, {}\n", path, count(file.models.size(), "model"), found);
  for (const format::LoadedModel& loaded : file.models) {
    if (!explain) break;
    auto rows = format::explain(loaded);
    std::size_t keys = 0, values = 0;
    for (const auto& row : rows) {
      keys = std::max(keys, row.path.size());
      values = std::max(values, std::min<std::size_t>(row.value.size(), 40));
    }
    fmt::print("\n{}\n", loaded.model.name);
    for (const auto& row : rows)
      fmt::print("  {:<{}}  {:<{}}  {}\n", row.path, keys, row.value, values, row.origin);
  }
}

Json to_json(const std::string& path, const SpecFile& file, bool explain) {
  Json diagnostics = Json::array(), models = Json::array(), explained = Json::array();
  for (const Diagnostic& d : file.diagnostics) {
    diagnostics.push_back({{"severity", d.severity == Severity::kError ? "error" : "warning"},
                           {"line", d.line},
                           {"column", d.column},
                           {"message", d.message}});
  }
  for (const format::LoadedModel& loaded : file.models) {
    models.push_back(loaded.model.name);
    Json values = Json::array();
    for (const auto& row : format::explain(loaded)) {
      values.push_back({{"path", row.path}, {"value", row.value}, {"origin", row.origin}});
    }
    explained.push_back({{"model", loaded.model.name}, {"values", std::move(values)}});
  }
  Json out = {{"file", path}, {"ok", file.ok()}, {"models", models}, {"diagnostics", diagnostics}};
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
  std::vector<SpecFile> files = load_all(options.files);
  Json results = Json::array();
  bool ok = true;
  for (std::size_t i = 0; i < files.size(); ++i) {
    ok = ok && files[i].ok();
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
