#pragma once
// `tidegate tune`: the knobs of a policy that reach an attainment at least cost.
//
//   tidegate tune -f model.yaml --trace azure.csv --policy hpa,keda,concurrency --attainment 0.99
//   tidegate tune -f model.yaml --trace azure.csv --policy keda --state tune.jsonl --out keda.yaml
//
// Results go to stdout, the progress line (on a tty), the seed (with --format json) and warnings to
// stderr. SIGINT stops after a moment and says how to go on. Exit codes: 0 tuned, 1 stopped, or the
// spec, the trace or a policy is at fault, 2 usage.

#include <cstdint>
#include <string>
#include <vector>

#include "cli/sim_input.h"

namespace tidegate::cli {

struct TuneFlags {
  SimInputFlags input;           // as simulate; --policy hpa,keda: default the file's own
  double attainment = 0.99;      // --attainment A, (0, 1]
  double train = 0.33;           // --train SHARE of the trace's time, (0, 1)
  std::int64_t runs = 120;       // --runs N: at most, a policy
  std::size_t jobs = 0;          // --jobs N: threads; 0: all cores
  std::string out;               // --out FILE: the YAML of the best
  std::string state;             // --state FILE: finished runs, to go on from
  std::string format = "table";  // --format table|json
};

int tune(const TuneFlags& flags);

}  // namespace tidegate::cli
