#pragma once
// Performance grids: CSV tables of TTFT and TPOT against lengths and concurrency -> GridPoints of
// one configuration.
//
//   auto grid = read_perf_grid("silicon.csv", {{"model", "Qwen/Qwen3-32B"}, {"tp", "2"}});
//
// Known by their headers:
//   isl, osl, batch_size, silicon_ttft_ms, silicon_tpot_ms, model_path, system, backend, ...
//     (ai-dynamo/aiconfigurator): closed loop, batch_size clients for each of attention_dp_size
//     ranks; rows with mode other than agg are left out
//   prompt_size, token_size, batch_size, prompt_time, token_time (ms), model, hardware,
//     tensor_parallel (Mutinifni/splitwise-sim): one static batch
// A selection names columns by the short words of kSelectors. It must leave one configuration: an
// error lists those that are left. Rows of the same point are taken together, by their medians.
// Thread-safety: a function.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/engine/grid.h"

namespace tidegate::format {

struct PerfGrid {
  std::vector<engine::GridPoint> points;
  std::vector<std::pair<std::string, std::string>> configuration;  ///< selector, value
  std::int64_t data_parallel_size = 1;
  std::int64_t rows = 0;  ///< that the points were made of
};

using Selection = std::vector<std::pair<std::string, std::string>>;
Result<PerfGrid> read_perf_grid(const std::string& path, const Selection& selection);
Result<PerfGrid> parse_perf_grid(std::string_view text, std::string_view name,
                                 const Selection& selection);

}  // namespace tidegate::format
