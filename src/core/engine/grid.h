#pragma once
// Grid: a table of TTFT and TPOT measured against lengths and concurrency, and the profile that
// gives them.
//
//   GridFit fit = fit_grid(points, options, {.holdout = 0.25});
//   fit.held_out.tpot;  // median relative error on points the fit never saw
//
// A closed-loop point is `concurrency` clients, each sending its next request when the last one has
// ended: the engine model plays it. All of them open at once; what share of a benchmark's requests
// belonged to that opening, and the way through the front end, are fitted as well and are no part
// of the profile. A static-batch point is one prefill of the whole batch in one step, then
// decoding: arithmetic. Points held out are drawn by the seed. Deterministic. Thread-safety:
// functions.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/engine/fit.h"

namespace tidegate::engine {

enum class GridKind : std::uint8_t { kClosedLoop, kStaticBatch };

struct GridPoint {
  GridKind kind = GridKind::kClosedLoop;
  std::int64_t prompt = 0, output = 0;
  std::int64_t concurrency = 1;               ///< clients, or the batch; of all data-parallel ranks
  double ttft_seconds = 0, tpot_seconds = 0;  ///< measured, > 0
};

/// What a benchmark adds to the engine.
struct GridClient {
  double opening_share = 0.1;    ///< of requests, sent while all clients open at once
  double front_end_seconds = 0;  ///< added to TTFT
};

struct GridPrediction {
  double ttft_seconds = 0, tpot_seconds = 0;
  std::int64_t kv_held_tokens = 0;  ///< most at one time, of one rank
};
GridPrediction predict(const Options& options, const GridPoint& point, const GridClient& client);

/// A setting of the engine that nobody told: a fit may find it out.
struct GridTrial {
  std::optional<std::int64_t> max_num_batched_tokens;
  std::optional<std::uint8_t> async_scheduling;
};

struct GridSettings {
  std::uint64_t seed = 1;
  double holdout = 0.25;            ///< share of the points kept out of the fit, 0..0.9
  std::int64_t evaluations = 4000;  ///< of the whole grid
  bool kv_recorded = false;         ///< options.profile.kv_tokens is known
  std::uint8_t ramp_cut = 0;        ///< the opening is in no point's figures
  /// Tried one after the other on what was best so far; kept where they explain more.
  std::vector<GridTrial> trials;
  std::function<void(double)> progress;  ///< share done; may be empty
};

/// Medians of |predicted / measured - 1|.
struct GridErrors {
  double ttft = 0, tpot = 0;
  std::int64_t points = 0;
};

struct GridFit {
  Options options;
  GridClient client;
  KvKnowledge kv = KvKnowledge::kNotReached;
  std::int64_t kv_held_tokens = 0;
  std::vector<GridPrediction> predicted;  ///< for each point, in order
  std::vector<std::uint8_t> was_held_out;
  GridErrors fitted, held_out;
  std::int64_t evaluations = 0;
};

/// `points` needs at least two.
GridFit fit_grid(const std::vector<GridPoint>& points, const Options& options,
                 const GridSettings& settings);

}  // namespace tidegate::engine
