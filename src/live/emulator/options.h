#pragma once
// What an emulated engine is told before it starts. Plain values; flags and environment become
// these in cli/engine.cc. Durations are world time.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/engine/profile.h"
#include "core/spec/model.h"
#include "live/net/http.h"

namespace tidegate::live {

enum class LyingMetrics : std::uint8_t { kNo, kZero, kGarbage, kFrozen };

/// Ways to misbehave on purpose.
struct Faults {
  std::optional<std::int64_t> crash_after;  ///< dies at request N+1, answering nothing more
  std::optional<std::int64_t> hang_after;   ///< from request N+1 on no step ever ends
  double slow = 1;                          ///< every step takes this many times as long, >= 1
  LyingMetrics lying_metrics = LyingMetrics::kNo;
  bool refuse_health = false;  ///< /health answers 503
  bool exit_at_start = false;  ///< ends during its start, code 1
};
/// Adds one fault as the command line writes it: "crash-after=3", "slow=2.5", "lying-metrics=zero",
/// "refuse-health", ... An error lists what there is.
Result<void> add_fault(Faults& faults, std::string_view text);

/// A cold start as text: "60s" (all of it in the engine stage) or
/// "procurement=2m,image=40s,weights=20s,engine=25s/40s,wake1=2s,wake2=20s", where a/b is p50/p90.
/// This is what TIDEGATE_ENGINE_COLD_START holds.
Result<spec::ColdStart> parse_cold_start(std::string_view text);
/// The same back: weights given in bytes become their time from their source.
std::string format_cold_start(const spec::ColdStart& cold);

struct LoraModule {
  std::string name, path;
};

struct EmulatorOptions {
  net::Address listen{"127.0.0.1", 8000};
  std::vector<std::string> served_names = {"reference"};  ///< the first names metrics; never empty
  engine::Profile profile;
  std::optional<std::int64_t> max_num_seqs;            ///< default: the profile's
  std::optional<std::int64_t> max_num_batched_tokens;  ///< default: the profile's
  std::optional<std::int64_t> max_model_len;           ///< default: the profile's
  std::optional<std::int64_t> max_num_queued_reqs;     ///< waiting + running; over it 503
  std::int64_t data_parallel_size = 1;
  bool prefix_caching = true;
  bool priority_scheduling = false;
  bool enable_lora = false;
  std::int64_t max_loras = 1;  ///< adapters in one batch
  std::vector<LoraModule> lora_modules;
  bool runtime_lora = false;  ///< VLLM_ALLOW_RUNTIME_LORA_UPDATING
  bool dev_mode = false;      ///< VLLM_SERVER_DEV_MODE: sleep and reset routes
  bool enable_sleep_mode = false;
  bool load_tracking = false;          ///< --enable-server-load-tracking
  bool prompt_tokens_details = false;  ///< --enable-prompt-tokens-details: cached_tokens in usage
  std::string api_key;                 ///< empty: none asked
  spec::ColdStart cold_start;          ///< all zero: ready at once
  Duration shutdown_timeout{0};        ///< SIGTERM waits this long for what runs; 0: aborts at once
  std::uint64_t seed = 0;
  double time_scale = 1;  ///< world seconds in one real second, > 0
  Faults faults;
  /// First thing wrong with them (ranges, profile too small for its context), or nothing.
  Result<void> check() const;
};

inline constexpr double kMaxTimeScale = 10'000;
inline constexpr std::size_t kMaxAdapters = 1024;           ///< LoRA modules known at once
inline constexpr std::string_view kVllmVersion = "0.24.0";  ///< what /version says

}  // namespace tidegate::live
