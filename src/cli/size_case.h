#pragma once
// What `tidegate size` is asked: flags, spec, profile and trace -> values for core/engine/size.h.
//
//   if (auto wrong = size_nonsense(flags); !wrong.empty()) return usage(wrong);
//   auto cases = size_cases(flags);      // one a variant
//   auto lengths = size_lengths(flags);
//
// Reads the files the flags name; warnings about skipped rows go to stderr.

#include <cstdint>
#include <string>
#include <vector>

#include "cli/size.h"
#include "core/base/result.h"
#include "core/engine/size.h"

namespace tidegate::cli {

/// One way to serve the model, as it is to be sized.
struct SizeCase {
  std::string name;
  engine::Profile profile;
  engine::SizeAsk ask;
  engine::ZeroAsk zero;
  bool knows_zero = false;  ///< the spec says how long a cold start takes
  double itl_percentile = 0.95;
  double cost_per_hour = 0;
  std::int64_t max_replicas = 0;  ///< 0: no bound
  bool has_e2e = false;
};

/// The flags that contradict or make no sense, and what to write instead; empty: none.
std::string size_nonsense(const SizeFlags& flags);
/// --latency in seconds.
Result<double> size_latency(const SizeFlags& flags);
/// Of --prompt and --output, or --lengths.
Result<engine::LengthMix> size_lengths(const SizeFlags& flags);
/// Of -f or --profile, the flags on top.
Result<std::vector<SizeCase>> size_cases(const SizeFlags& flags);

}  // namespace tidegate::cli
