#pragma once
// Wiring of `tidegate calibrate --run` and what both kinds of calibration share.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/calibrate.h"
#include "core/base/result.h"
#include "core/engine/fit.h"
#include "core/engine/profile.h"
#include "format/engine_run.h"

namespace tidegate::cli {

/// max_num_batched_tokens of today's engines on large accelerators.
constexpr std::int64_t kDefaultBatchedTokens = 8'192;

/// A run, its fit, and the whole run played with it; `played.samples` stand beside `run.samples`.
struct CalibratedRun {
  std::string name;
  format::EngineRun run;
  engine::RunFit fit;
  engine::Replayed played;
};

int calibrate_run(const CalibrateFlags& flags);
int calibrate_grid(const CalibrateFlags& flags);

/// A line with the share done on stderr, on a tty alone; empty elsewhere.
std::function<void(double)> progress_line(const std::string& what);
void end_progress(const std::function<void(double)>& progress);
/// --name, else the name of --out without its ending, else `otherwise`; made fit for a file name.
std::string profile_name(const CalibrateFlags& flags, const std::string& otherwise);
/// "KV N tokens as given" or ": how", for --kv-tokens.
std::string given_kv(const CalibrateFlags& flags);
/// The law of a step with the profile's coefficients.
std::string step_sentence(const engine::Profile& profile);
/// Writes the file where one was asked for.
Result<void> write_profile(const CalibrateFlags& flags, const engine::Profile& profile);

/// Mean absolute difference between measured and predicted samples of the engine's gauges.
struct GaugeErrors {
  double running = 0, waiting = 0, kv = 0;
  double mean_running = 0, mean_waiting = 0, mean_kv = 0;  ///< measured
};
GaugeErrors gauge_errors(const CalibratedRun& c);

/// One HTML file without outside resources: running, waiting and KV predicted over measured, and
/// the table of errors.
std::string calibration_html(const CalibratedRun& c);

}  // namespace tidegate::cli
