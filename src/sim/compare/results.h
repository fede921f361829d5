#pragma once
// What `tidegate simulate` prints: results as JSON (docs/simulator.md has the keys) and as a table.
// Durations in seconds.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/spec/model.h"
#include "sim/compare/simulate.h"

namespace tidegate::sim {

nlohmann::ordered_json to_json(const PolicyResult& result);
/// A row for each policy, and with several models one for each below it.
std::string to_table(const SimulateResult& result, const std::vector<spec::Model>& models);

}  // namespace tidegate::sim
