#pragma once
// Engine runs: a directory that records what a real engine did, request by request ->
// engine::RunRequests.
//
//   auto run = read_engine_run("runs/h100-llama");   // an error names file and line
//   engine::fit_run(run->requests, run->options, {.kv_recorded = run->kv_recorded});
//
// meta.json        model, vllm_version, engine_kwargs (max_num_seqs, max_num_batched_tokens,
//                  data_parallel_size, max_model_len, async_scheduling, ...), kv_cache
//                  (num_kv_tokens or num_gpu_blocks, block_size, enable_prefix_caching), hardware
// requests.jsonl   input_toks, output_toks, queued_ts, first_token_ts, last_token_ts (one clock,
//                  s); and, where known, scheduled_ts, arrival_time (any clock), error
// timeseries.csv   t (s), running, waiting, kv_cache_pct; may be absent
//
// What is not recorded is assumed, and said in `assumed`. arrival_time may be of another clock than
// the rest: the least difference to queued_ts is taken for the offset, so it holds the way to the
// engine as well. Without it a request arrives when it was queued. A request that failed, or has no
// tokens, is left out and counted. The time series' zero is found by what must be in the engine at
// each tick. Format: casys-kaist/LLMServingSim's bench. Thread-safety: a function.

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/engine/replay.h"

namespace tidegate::format {

inline constexpr std::size_t kMaxRunRequests = 200'000;

struct EngineRun {
  std::string model, engine, device;  ///< for people; may be empty
  std::int64_t tensor_parallel_size = 1;
  engine::RunRequests requests;  ///< in order of arrival; times since the first
  engine::Options options;  ///< what the engine was started with; the coefficients are not known
  bool kv_recorded = false;
  std::vector<engine::RunSample> samples;
  bool samples_have_kv = false;
  std::int64_t failed = 0;           ///< requests left out
  std::vector<std::string> assumed;  ///< sentences
};

Result<EngineRun> read_engine_run(const std::string& directory);

}  // namespace tidegate::format
