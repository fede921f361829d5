#pragma once
// Fit: the profile with which the engine model repeats a recorded run best.
//
//   RunFit fit = fit_run(run, options, {.first = 100});
//   compare(run, replay(run, fit.options, {}, fit.warm_up).requests);
//
// The five coefficients are sought by playing the run again and again: what is compared is each
// request's TTFT, TPOT and E2E, and the number running where that was recorded. With `first` only
// the measured times of the first requests count, and what was running until the last of them
// ended; arrivals and lengths of all are played, for what comes later slows what came before. Where
// the run does not tell coefficients apart, Coefficients::strangeness() decides.
//
// KV: what the engine recorded is kept, or raised by up to 3 % where the run shows that more fitted
// in (shared prefixes are not recorded). Where nothing was recorded it is sought as well, and given
// only if it bound. The first steps of a cold engine are slower; by how much is fitted too and is
// no part of the profile. Deterministic: one seed, a fixed number of replays. Thread-safety: a
// function.

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "core/base/fields.h"
#include "core/engine/replay.h"

namespace tidegate::engine {

enum class KvKnowledge : std::uint8_t {
  kRecorded,    ///< as the engine said
  kRaised,      ///< a little more than it said
  kFitted,      ///< not recorded, but the run shows where it ends
  kNotReached,  ///< not recorded, and never full: only what was held at most is known
};

struct FitSettings {
  std::uint64_t seed = 1;
  std::int64_t first = 0;           ///< requests whose measured times count; 0: all
  std::int64_t evaluations = 6000;  ///< replays of the main search; the search for KV adds to them
  bool kv_recorded = true;          ///< options.profile.kv_tokens is what the engine said
  std::vector<RunSample> samples;   ///< measured; empty: none
  std::function<void(double)> progress;  ///< share done; may be empty
};

struct RunFit {
  Options options;  ///< as given, with the fitted coefficients and KV in its profile
  WarmUp warm_up;
  KvKnowledge kv = KvKnowledge::kRecorded;
  std::int64_t kv_held_tokens = 0;  ///< most at one time, as the model plays the run
  double error = 0;                 ///< what was minimised: about the sum of mean relative errors
  std::int64_t evaluations = 0;
};

/// `run` needs at least one request with all its times among the first.
RunFit fit_run(const RunRequests& run, const Options& options, const FitSettings& settings);

}  // namespace tidegate::engine

namespace tidegate {
template <>
struct EnumTokens<engine::KvKnowledge> {
  static constexpr std::string_view kTokens[] = {"recorded", "raised", "fitted", "notReached"};
};
}  // namespace tidegate
