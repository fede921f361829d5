#pragma once
// `tidegate simulate`: a trace against autoscaling policies in a virtual world, in seconds.
//
//   tidegate simulate -f model.yaml --trace azure.csv --policy concurrency,hpa,keda
//   tidegate simulate -f model.yaml --trace rate.csv --lengths azure.csv --scale 0.1 --until 1d
//
// Results go to stdout, the progress line (on a tty), the seed (with --format json) and warnings to
// stderr. Exit codes: 0 simulated, 1 the spec, the trace or a policy is at fault, 2 usage.

#include <cstdint>
#include <string>
#include <vector>

namespace tidegate::cli {

struct SimulateFlags {
  std::string spec;                   // -f FILE (required)
  std::string model;                  // --model NAME: where the spec has several
  std::string trace;                  // --trace FILE (required): known by its header
  std::string lengths;                // --lengths FILE: token lengths for a rate series
  std::vector<std::string> policies;  // --policy a,b,static:4; default the spec's own
  double scale = 1;                   // --scale X: multiplies the rate, > 0
  double speedup = 1;                 // --speedup X: presses time, > 0
  std::string from;                   // --from DURATION: where in the trace to start
  std::string until;                  // --until DURATION: where to stop
  std::uint64_t seed = 1;             // --seed N
  std::string format = "table";       // --format table|json
};

int simulate(const SimulateFlags& flags);

}  // namespace tidegate::cli
