#pragma once
// `tidegate calibrate`: a profile fitted to what a real engine did, with predicted beside measured.
//
//   tidegate calibrate --run runs/h100-llama --fit-first 100 --out h100-llama.yaml
//   tidegate calibrate --grid silicon.csv --select model=Qwen/Qwen3-32B,system=h100_sxm,tp=2
//
// A run is a directory that records requests one by one (format/engine_run.h), a grid a CSV of TTFT
// and TPOT against lengths and concurrency (format/perf_grid.h). Results go to stdout, progress (on
// a tty) and warnings to stderr. Exit codes: 0 fitted, 1 the input is at fault, 2 usage.

#include <cstdint>
#include <string>
#include <vector>

namespace tidegate::cli {

struct CalibrateFlags {
  std::string run;                  // --run DIR: one of run and grid
  std::int64_t fit_first = 0;       // --fit-first N: requests whose times count; 0: all
  std::string report;               // --report FILE.html (with --run)
  std::string grid;                 // --grid FILE.csv
  std::vector<std::string> select;  // --select key=value,... (with --grid)
  double holdout = 0.25;            // --holdout SHARE: points kept out of the fit (with --grid)
  std::int64_t kv_tokens = 0;       // --kv-tokens N: KV of one rank where it is not recorded
  std::string kv_from;              // --kv-from TEXT: how --kv-tokens is known, for the provenance
  std::int64_t max_num_seqs = 0;    // --max-num-seqs N (with --grid)
  std::int64_t max_num_batched_tokens = 0;  // --max-num-batched-tokens N (with --grid)
  std::string out;                          // --out PROFILE.yaml
  std::string name;                         // --name NAME: default the file's or the run's
  std::string source;                       // --source TEXT: who measured, for the provenance
  std::uint64_t seed = 1;                   // --seed N
  std::int64_t evaluations = 0;             // --evaluations N: replays; 0: the default
  std::string format = "table";             // --format table|json
};

int calibrate(const CalibrateFlags& flags);

}  // namespace tidegate::cli
