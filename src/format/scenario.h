#pragma once
// Scenario files: YAML with one document of kind Scenario and the models it happens to beside it,
// as documents of kind Model -> core/workload/scenario.h. docs/scenarios.md has the keys.
//
//   ScenarioFile file = load_scenario_file("scenarios/flash-crowd.yaml");
//   for (const Diagnostic& d : file.spec.diagnostics) print(d.text());
//   if (file.spec.ok() && file.scenario) {
//     auto requests = open_workload(*file.scenario, file.folder);   // again for each policy
//   }
//
// By the option table of core/workload/scenario.h, with errors as load_spec_file gives them: a file
// with an error yields neither scenario nor models. A file without a document of kind Scenario is
// read as load_spec_file reads it. Never throws. Thread-safety: functions.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/workload/scenario.h"
#include "core/workload/stream.h"
#include "format/spec_yaml.h"

namespace tidegate::format {

struct ScenarioFile {
  SpecFile spec;  ///< the models, and the diagnostics of the whole file
  /// With the models of `spec` as they stand there: resolve_profiles() comes after.
  std::optional<workload::Scenario> scenario;
  std::map<std::string, Position> positions;  ///< of the scenario's keys, by path
  std::string path;                           ///< as asked for
  std::string folder;                         ///< that the scenario's paths start from
};

ScenarioFile load_scenario_file(const std::string& path);

/// The requests of a scenario from the first on, read from its trace or made. `folder` is where its
/// paths start. Each call gives the same ones.
Result<std::unique_ptr<workload::Stream>> open_workload(const workload::Scenario& scenario,
                                                        const std::string& folder);

/// Tokens that a hash of its requests' prefixes covers: what the engines' caches are to be told.
std::int64_t prefix_block_tokens(const workload::Scenario& scenario);

}  // namespace tidegate::format
