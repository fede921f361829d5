#pragma once
// What `tidegate simulate` prints: results as JSON (docs/simulator.md has the keys) and as a table.
// Durations in seconds.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/spec/model.h"
#include "sim/simulate.h"

namespace tidegate::sim {

nlohmann::ordered_json to_json(const PolicyResult& result);
std::string to_table(const SimulateResult& result, const spec::Model& model);

}  // namespace tidegate::sim
