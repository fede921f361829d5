#pragma once
// What a load run prints: one JSON object, a table, a line of progress. Pure text. Durations in
// seconds of world time.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "live/load/load.h"

namespace tidegate::live {

nlohmann::ordered_json to_json(const LoadResult& result);
std::string to_table(const LoadResult& result, const spec::Slo& slo);
/// "42% [####......] 12345 sent, 51 open, ... ETA 2m13s", without an end of line. `progress` 0..1.
std::string progress_line(const LoadResult& result, double progress);

}  // namespace tidegate::live
