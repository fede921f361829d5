#pragma once
// What `tidegate tune` prints: a table or JSON, and the YAML of the best (docs/tuning.md has the
// keys). Durations in seconds.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sim/search/tune.h"

namespace tidegate::sim {

nlohmann::ordered_json to_json(const Tuned& tuned);
std::string to_table(const TuneResult& result, double attainment);
/// The best of those asked, to paste under `spec:`, with what it did as a comment.
std::string to_yaml(const TuneResult& result, double attainment);

}  // namespace tidegate::sim
