#pragma once
// `tidegate calibrate`: a profile fitted to what a real engine did, with predicted beside measured.
//
//   tidegate calibrate --run runs/h100-llama --fit-first 100 --out h100-llama.yaml
//   tidegate calibrate --grid silicon.csv --select model=Qwen/Qwen3-32B,system=h100_sxm,tp=2
//   tidegate calibrate --url http://gpu:8000 --slo-itl 60ms -o mine.yaml
//
// A run is a directory that records requests one by one (format/engine_run.h), a grid a CSV of TTFT
// and TPOT against lengths and concurrency (format/perf_grid.h), a URL an engine that is measured
// now (live/load/sweep_run.h). Results go to stdout, progress (on a tty) and warnings to stderr.
// Ctrl-C ends a measurement early; what was measured is fitted, and said to be part of it. Exit
// codes: 0 fitted, 1 the input is at fault or interrupted, 2 usage.

#include <cstdint>
#include <string>
#include <vector>

namespace tidegate::cli {

struct CalibrateFlags {
  std::string run;                  // --run DIR: one of run, grid and url
  std::int64_t fit_first = 0;       // --fit-first N: requests whose times count; 0: all
  std::string report;               // --report FILE.html (with --run and --url)
  std::string grid;                 // --grid FILE.csv
  std::vector<std::string> select;  // --select key=value,... (with --grid)
  double holdout = 0.25;            // --holdout SHARE: points kept out of the fit
  std::int64_t kv_tokens = 0;       // --kv-tokens N: KV of one rank where it is not recorded
  std::string kv_from;              // --kv-from TEXT: how --kv-tokens is known, for the provenance
  std::int64_t max_num_seqs = 0;    // --max-num-seqs N (not with --run)
  std::int64_t max_num_batched_tokens = 0;  // --max-num-batched-tokens N (not with --run)
  std::string out;                          // --out PROFILE.yaml
  std::string name;                         // --name NAME: default the file's or the run's
  std::string source;                       // --source TEXT: who measured, for the provenance
  std::uint64_t seed = 1;                   // --seed N
  std::int64_t evaluations = 0;             // --evaluations N: replays; 0: the default
  std::string format = "table";             // --format table|json

  // with --url
  std::string url;          // --url URL: http://host:port, with or without /v1
  std::string model;        // --model NAME: default the first of /v1/models
  bool chat = false;        // --chat: /v1/chat/completions instead of /v1/completions
  std::string api_key_env;  // --api-key-env NAME: variable that holds the key to send
  double time_scale = 1;    // --time-scale X: world seconds in a wall second (emulated engines)
  std::int64_t max_concurrency = 0;  // --max-concurrency N; 0: the engine's maxNumSeqs, else 256
  std::string budget = "5m";         // --budget DURATION: of the measurement, world time
  std::int64_t budget_tokens = 4'000'000;  // --budget-tokens N: prompts and answers
  std::int64_t prompt = 512;               // --prompt N: tokens, of sweep and recommendation
  std::int64_t output = 128;               // --output N
  std::string slo_ttft;                    // --slo-ttft DURATION
  std::string slo_itl;                     // --slo-itl DURATION
  std::string spec;                        // -f SPEC: the SLO of its model; the flags above win
};

int calibrate(const CalibrateFlags& flags);

}  // namespace tidegate::cli
