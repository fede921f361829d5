#pragma once
// tidegate engine: one emulated engine in the foreground, until SIGTERM; flags named as `vllm
// serve` names them.
//
// The environment (TIDEGATE_ENGINE_*, VLLM_*; live/emulator/environment.h) is read first, flags
// win. A member without a value was not given on the command line. Durations are world time.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tidegate::cli {

struct EngineOptions {
  std::string model;                         ///< MODEL (positional, optional): what clients name
  std::string host = "127.0.0.1";            ///< --host
  std::uint16_t port = 8000;                 ///< --port; 0: a free one, printed when ready
  std::vector<std::string> served_names;     ///< --served-model-name NAME...; instead of MODEL
  std::string profile;                       ///< --profile NAME|FILE; default reference
  std::optional<std::int64_t> max_num_seqs;  ///< --max-num-seqs
  std::optional<std::int64_t> max_num_batched_tokens;  ///< --max-num-batched-tokens
  std::optional<std::int64_t> max_model_len;           ///< --max-model-len
  std::optional<std::int64_t> max_num_queued_reqs;     ///< --max-num-queued-reqs: over it 503
  std::int64_t data_parallel_size = 1;                 ///< --data-parallel-size
  bool no_enable_prefix_caching = false;               ///< --no-enable-prefix-caching
  std::string scheduling_policy = "fcfs";              ///< --scheduling-policy fcfs|priority
  bool enable_lora = false;                            ///< --enable-lora
  std::int64_t max_loras = 1;                          ///< --max-loras: adapters in one batch
  std::vector<std::string> lora_modules;               ///< --lora-modules NAME=PATH...
  bool enable_sleep_mode = false;                      ///< --enable-sleep-mode
  bool dev_mode = false;                               ///< --dev-mode: as VLLM_SERVER_DEV_MODE=1
  bool runtime_lora = false;  ///< --runtime-lora: as VLLM_ALLOW_RUNTIME_LORA_UPDATING=True
  bool enable_server_load_tracking = false;   ///< --enable-server-load-tracking
  bool enable_prompt_tokens_details = false;  ///< --enable-prompt-tokens-details
  std::string api_key;                        ///< --api-key
  std::string cold_start;  ///< --cold-start 60s | image=40s,weights=20s,engine=25s/40s,wake1=2s
  std::string shutdown_timeout =
      "0s";  ///< --shutdown-timeout 30s (or seconds as a bare number, as vLLM)
  std::optional<std::uint64_t> seed;  ///< --seed
  std::optional<double> time_scale;   ///< --time-scale
  std::vector<std::string> faults;    ///< --fault crash-after=N, ... (repeatable)
  std::string log_level = "info";     ///< --log-level debug|info|warn|error
  std::string log_format = "text";    ///< --log-format text|json
};
/// 0 after SIGTERM, 1 where it cannot run (port in use), 2 where the options make no sense; a crash
/// fault ends the process with 139.
int engine(const EngineOptions& options);

}  // namespace tidegate::cli
