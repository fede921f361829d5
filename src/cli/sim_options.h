#pragma once
// Flags that the verbs of the simulator share: which model, which part of which trace.
//
//   auto loaded = load_one_model(flags);          // its profiles resolved
//   auto trace = trace_options(flags);

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "format/spec_yaml.h"
#include "format/trace.h"

namespace tidegate::cli {

struct WorldFlags {
  std::string spec;        // -f FILE (required)
  std::string model;       // --model NAME: where the spec has several
  std::string trace;       // --trace FILE (required): known by its header
  std::string lengths;     // --lengths FILE: token lengths for a rate series
  double scale = 1;        // --scale X: multiplies the rate, > 0
  double speedup = 1;      // --speedup X: presses time, > 0
  std::string from;        // --from DURATION: where in the trace to start
  std::string until;       // --until DURATION: where to stop
  std::uint64_t seed = 1;  // --seed N
};

Result<format::TraceOptions> trace_options(const WorldFlags& flags);
/// The model asked for. Warnings are for `check`: here they would hide the figures.
Result<format::LoadedModel> load_one_model(const WorldFlags& flags);

}  // namespace tidegate::cli
