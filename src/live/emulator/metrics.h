#pragma once
// The emulated engine's /metrics: vLLM V1's names, types, labels and buckets.
//
//   EngineMetrics m({.model_name = "m", ...});
//   m.on_finished(record);  m.on_step_tokens(...);  ...
//   std::string page = m.page(engine.stats(), view);
//
// Gauges and token counters come from core/engine's Stats; request histograms from what finished.
// Times are world seconds, `_created` unix seconds. Thread-safety: one owner. Source:
// vllm/v1/metrics/loggers.py (behaviour, not code).

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/engine/engine.h"

namespace tidegate::live {

enum class FinishReason : std::uint8_t { kStop, kLength, kAbort, kError };
std::string_view finish_reason_text(FinishReason reason);

/// Counts per bucket and a sum; bounds are the family's.
struct BucketCounts {
  explicit BucketCounts(std::span<const double> bounds);
  void add(double value, std::int64_t times = 1);
  std::span<const double> bounds;
  std::vector<std::int64_t> counts;
  double sum = 0;
};

/// One request that ran to its end.
struct FinishedRequest {
  Duration queued{0};   ///< arrival to scheduled
  Duration prefill{0};  ///< scheduled to first token
  Duration decode{0};   ///< first token to last
  std::int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
  std::int64_t max_tokens = 0;  ///< as the request set it; 0: it did not
  FinishReason reason = FinishReason::kStop;
};

enum class SleepView : std::uint8_t { kAwake, kWeightsOffloaded, kDiscardAll };

/// What the page says beside the engine's own figures.
struct PageView {
  SleepView sleep = SleepView::kAwake;
  std::string running_adapters, waiting_adapters;  ///< comma-joined names
  WallTime now;
};

class EngineMetrics {
 public:
  struct Options {
    std::string model_name;
    std::int64_t max_model_len = 0, block_size = 16, num_gpu_blocks = 0;
    bool prefix_caching = true;
    bool lora = false;
    std::int64_t max_loras = 1;
    WallTime created;
  };
  explicit EngineMetrics(Options options);
  EngineMetrics(const EngineMetrics&) = delete;  // histograms point at token_bounds_
  EngineMetrics& operator=(const EngineMetrics&) = delete;

  void on_first_token(Duration ttft) { ttft_.add(to_seconds(ttft)); }
  /// `tokens` further ones became visible within `elapsed`.
  void on_tokens(Duration elapsed, std::int64_t tokens);
  void on_steps(std::int64_t steps, std::int64_t tokens);
  void on_finished(const FinishedRequest& request);
  /// Ended before its time, or never accepted by the engine.
  void on_ended_early(FinishReason reason);
  void on_http(std::string_view handler, std::string_view method, int status);

  /// The page. Each new pair of LoRA label values stays on it, as with vLLM; kMaxLoraSeries are
  /// kept.
  std::string page(const engine::Stats& stats, const PageView& view);
  static constexpr std::size_t kMaxLoraSeries = 64;
  /// The same engine with nothing counted.
  EngineMetrics blank() const { return EngineMetrics(options_); }

 private:
  friend class PageWriter;
  Options options_;
  std::vector<double> token_bounds_;
  BucketCounts ttft_, itl_, request_itl_;
  BucketCounts e2e_, queue_, inference_, prefill_, decode_;
  BucketCounts prompt_, generation_, max_generation_, params_max_tokens_, prefill_computed_;
  BucketCounts params_n_, iteration_tokens_;
  std::int64_t finished_[4] = {};
  struct HttpSeries {
    std::string handler, method, status;
    auto operator<=>(const HttpSeries&) const = default;
  };
  std::map<HttpSeries, std::int64_t> http_;  // handlers are our routes: bounded
  struct LoraSeries {
    std::string running, waiting;
    WallTime updated;
  };
  std::vector<LoraSeries> lora_;
};

}  // namespace tidegate::live
