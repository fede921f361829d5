#include "live/emulator/metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/exposition_writer.h"

namespace tidegate::live {
namespace {

constexpr double kTtftBounds[] = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                  1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
constexpr double kItlBounds[] = {.01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
                                 .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80};
constexpr double kRequestBounds[] = {.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                     30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
constexpr double kNBounds[] = {1, 2, 5, 10, 20};
constexpr double kIterationBounds[] = {1,   8,    16,   32,   64,   128,  256,
                                       512, 1024, 2048, 4096, 8192, 16384};

/// 1, 2, 5 x 10^k up to the context.
std::vector<double> token_bounds(std::int64_t max_model_len) {
  std::vector<double> bounds;
  for (std::int64_t power = 1;; power *= 10) {
    for (std::int64_t digit : {1, 2, 5}) {
      if (digit * power > max_model_len) return bounds;
      bounds.push_back(static_cast<double>(digit * power));
    }
  }
}

constexpr FinishReason kReasons[] = {FinishReason::kStop, FinishReason::kLength,
                                     FinishReason::kAbort, FinishReason::kError};

double unix_seconds(WallTime time) { return static_cast<double>(time.unix_nanos()) / 1e9; }

}  // namespace

std::string_view finish_reason_text(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kAbort:
      return "abort";
    case FinishReason::kError:
      return "error";
  }
  return "error";
}

BucketCounts::BucketCounts(std::span<const double> given)
    : bounds(given), counts(given.size() + 1, 0) {}

void BucketCounts::add(double value, std::int64_t times) {
  auto at = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
  counts[static_cast<std::size_t>(at)] += times;
  sum += value * static_cast<double>(times);
}

EngineMetrics::EngineMetrics(Options options)
    : options_(std::move(options)),
      token_bounds_(token_bounds(options_.max_model_len)),
      ttft_(kTtftBounds),
      itl_(kItlBounds),
      request_itl_(kItlBounds),
      e2e_(kRequestBounds),
      queue_(kRequestBounds),
      inference_(kRequestBounds),
      prefill_(kRequestBounds),
      decode_(kRequestBounds),
      prompt_(token_bounds_),
      generation_(token_bounds_),
      max_generation_(token_bounds_),
      params_max_tokens_(token_bounds_),
      prefill_computed_(token_bounds_),
      params_n_(kNBounds),
      iteration_tokens_(kIterationBounds) {}

void EngineMetrics::on_tokens(Duration elapsed, std::int64_t tokens) {
  itl_.add(to_seconds(elapsed) / static_cast<double>(tokens), tokens);
}

void EngineMetrics::on_steps(std::int64_t steps, std::int64_t tokens) {
  iteration_tokens_.add(static_cast<double>(tokens) / static_cast<double>(steps), steps);
}

void EngineMetrics::on_finished(const FinishedRequest& r) {
  ++finished_[static_cast<std::size_t>(r.reason)];
  e2e_.add(to_seconds(r.queued + r.prefill + r.decode));
  queue_.add(to_seconds(r.queued));
  inference_.add(to_seconds(r.prefill + r.decode));
  prefill_.add(to_seconds(r.prefill));
  decode_.add(to_seconds(r.decode));
  prompt_.add(static_cast<double>(r.prompt_tokens));
  generation_.add(static_cast<double>(r.output_tokens));
  max_generation_.add(static_cast<double>(r.output_tokens));
  prefill_computed_.add(static_cast<double>(r.prompt_tokens - r.cached_tokens));
  params_n_.add(1);
  if (r.max_tokens > 0) params_max_tokens_.add(static_cast<double>(r.max_tokens));
  double gaps = static_cast<double>(std::max<std::int64_t>(r.output_tokens - 1, 1));
  request_itl_.add(to_seconds(r.decode) / gaps);
}

void EngineMetrics::on_ended_early(FinishReason reason) {
  ++finished_[static_cast<std::size_t>(reason)];
}

void EngineMetrics::on_http(std::string_view handler, std::string_view method, int status) {
  ++http_[{std::string(handler), std::string(method), fmt::format("{}xx", status / 100)}];
}

/// Lays the page out; holds nothing of its own.
class PageWriter {
 public:
  PageWriter(EngineMetrics& metrics, std::string& out)
      : m_(metrics), w_(out), created_(unix_seconds(metrics.options_.created)) {
    labels_ = {{"engine", "0"}, {"model_name", m_.options_.model_name}};
  }

  void write(const engine::Stats& stats, const PageView& view) {
    gauges(stats, view);
    counters(stats);
    requests_by_reason();
    histograms();
    cache_config();
    if (m_.options_.lora) lora(view);
    http();
  }

 private:
  format::Labels with(std::string_view name, std::string_view value) const {
    format::Labels labels = labels_;
    labels.emplace_back(name, value);
    return labels;
  }
  void gauge(std::string_view name, std::string_view help, double value) {
    w_.family(name, format::MetricType::kGauge, help);
    w_.sample(name, labels_, value);
  }
  using Series = std::vector<std::pair<format::Labels, double>>;
  /// `stem` without _total; the client adds that and a _created gauge.
  void counter(const std::string& stem, std::string_view help, const Series& series) {
    w_.family(stem + "_total", format::MetricType::kCounter, help);
    for (const auto& [labels, value] : series) w_.sample(stem + "_total", labels, value);
    w_.family(stem + "_created", format::MetricType::kGauge, help);
    for (const auto& [labels, value] : series) w_.sample(stem + "_created", labels, created_);
  }
  void counter(const std::string& stem, std::string_view help, std::int64_t value) {
    counter(stem, help, {{labels_, static_cast<double>(value)}});
  }
  void histogram(const std::string& name, std::string_view help, const BucketCounts& counts) {
    w_.family(name, format::MetricType::kHistogram, help);
    w_.histogram(name, labels_, counts.bounds, counts.counts, counts.sum);
    w_.family(name + "_created", format::MetricType::kGauge, help);
    w_.sample(name + "_created", labels_, created_);
  }
  void gauges(const engine::Stats& stats, const PageView& view);
  void counters(const engine::Stats& stats);
  void requests_by_reason();
  void histograms();
  void cache_config();
  void lora(const PageView& view);
  void http();

  EngineMetrics& m_;
  format::ExpositionWriter w_;
  double created_;
  format::Labels labels_;
};

void PageWriter::gauges(const engine::Stats& stats, const PageView& view) {
  double waiting = static_cast<double>(stats.waiting);
  gauge("vllm:num_requests_running", "Number of requests in model execution batches.",
        static_cast<double>(stats.running));
  gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.", waiting);
  constexpr std::string_view kByReason = "vllm:num_requests_waiting_by_reason";
  double deferred = static_cast<double>(stats.deferred);
  w_.family(kByReason, format::MetricType::kGauge, "Number of waiting requests by reason.");
  w_.sample(kByReason, with("reason", "capacity"), waiting - deferred);
  w_.sample(kByReason, with("reason", "deferred"), deferred);
  constexpr std::string_view kSleep = "vllm:engine_sleep_state";
  w_.family(kSleep, format::MetricType::kGauge, "Engine sleep state: the one with 1 is in force.");
  for (auto [name, state] : {std::pair("awake", SleepView::kAwake),
                             std::pair("weights_offloaded", SleepView::kWeightsOffloaded),
                             std::pair("discard_all", SleepView::kDiscardAll)}) {
    w_.sample(kSleep, with("sleep_state", name), view.sleep == state ? 1 : 0);
  }
  gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", stats.kv_usage);
}

void PageWriter::counters(const engine::Stats& stats) {
  counter("vllm:prefix_cache_queries", "Prompt tokens looked up in the prefix cache.",
          stats.prefix_queries_tokens_total);
  counter("vllm:prefix_cache_hits", "Prompt tokens found in the prefix cache.",
          stats.prefix_hits_tokens_total);
  counter("vllm:external_prefix_cache_queries", "Prompt tokens looked up at a KV connector.", 0);
  counter("vllm:external_prefix_cache_hits", "Prompt tokens found at a KV connector.", 0);
  counter("vllm:mm_cache_queries", "Multi-modal items looked up in their cache.", 0);
  counter("vllm:mm_cache_hits", "Multi-modal items found in their cache.", 0);
  counter("vllm:num_preemptions", "Preemptions by the engine.", stats.preemptions_total);
  counter("vllm:prompt_tokens", "Prefill tokens processed.", stats.prompt_tokens_total);
  std::int64_t cached = stats.prefix_hits_tokens_total;
  double computed =
      static_cast<double>(std::max<std::int64_t>(stats.prompt_tokens_total - cached, 0));
  counter("vllm:prompt_tokens_by_source", "Prompt tokens by where their KV came from.",
          {{with("source", "local_compute"), computed},
           {with("source", "local_cache_hit"), static_cast<double>(cached)},
           {with("source", "external_kv_transfer"), 0}});
  counter("vllm:prompt_tokens_cached", "Prompt tokens taken from a cache.", cached);
  counter("vllm:generation_tokens", "Generation tokens processed.", stats.generation_tokens_total);
}

void PageWriter::requests_by_reason() {
  Series series;
  for (FinishReason reason : kReasons) {
    series.emplace_back(with("finished_reason", finish_reason_text(reason)),
                        static_cast<double>(m_.finished_[static_cast<std::size_t>(reason)]));
  }
  series.emplace_back(with("finished_reason", "repetition"), 0);
  counter("vllm:request_success", "Requests that ended, by reason.", series);
}

void PageWriter::histograms() {
  histogram("vllm:time_to_first_token_seconds", "Time to first token in seconds.", m_.ttft_);
  histogram("vllm:inter_token_latency_seconds", "Inter-token latency in seconds.", m_.itl_);
  histogram("vllm:request_time_per_output_token_seconds",
            "Mean time per output token of a request in seconds.", m_.request_itl_);
  histogram("vllm:e2e_request_latency_seconds", "End to end request latency in seconds.", m_.e2e_);
  histogram("vllm:request_queue_time_seconds", "Time a request waited in seconds.", m_.queue_);
  histogram("vllm:request_inference_time_seconds", "Time a request ran in seconds.", m_.inference_);
  histogram("vllm:request_prefill_time_seconds", "Time in prefill in seconds.", m_.prefill_);
  histogram("vllm:request_decode_time_seconds", "Time in decode in seconds.", m_.decode_);
  histogram("vllm:request_prompt_tokens", "Prefill tokens of a request.", m_.prompt_);
  histogram("vllm:request_generation_tokens", "Generation tokens of a request.", m_.generation_);
  histogram("vllm:request_max_num_generation_tokens",
            "Most generation tokens of a request's sequences.", m_.max_generation_);
  histogram("vllm:request_params_n", "The n parameter of a request.", m_.params_n_);
  histogram("vllm:request_params_max_tokens", "The max_tokens parameter of a request.",
            m_.params_max_tokens_);
  histogram("vllm:request_prefill_kv_computed_tokens",
            "New KV tokens computed in prefill, cached ones excluded.", m_.prefill_computed_);
  histogram("vllm:iteration_tokens_total", "Tokens per engine step.", m_.iteration_tokens_);
}

void PageWriter::cache_config() {
  const auto& o = m_.options_;
  std::string block_size = std::to_string(o.block_size);
  std::string blocks = std::to_string(o.num_gpu_blocks);
  w_.family("vllm:cache_config_info", format::MetricType::kGauge,
            "Information of the LLMEngine CacheConfig");
  w_.sample("vllm:cache_config_info",
            {{"block_size", block_size},
             {"cache_dtype", "auto"},
             {"calculate_kv_scales", "False"},
             {"enable_prefix_caching", o.prefix_caching ? "True" : "False"},
             {"engine", "0"},
             {"gpu_memory_utilization", "0.9"},
             {"is_attention_free", "False"},
             {"kv_cache_memory_bytes", "None"},
             {"num_cpu_blocks", "None"},
             {"num_gpu_blocks", blocks},
             {"num_gpu_blocks_override", "None"},
             {"sliding_window", "None"}},
            1);
}

void PageWriter::lora(const PageView& view) {
  auto& seen = m_.lora_;
  auto at = std::find_if(seen.begin(), seen.end(), [&](const auto& s) {
    return s.running == view.running_adapters && s.waiting == view.waiting_adapters;
  });
  if (at == seen.end()) {
    if (seen.size() == EngineMetrics::kMaxLoraSeries) seen.erase(seen.begin());
    at = seen.insert(seen.end(), {view.running_adapters, view.waiting_adapters, {}});
  }
  at->updated = view.now;
  std::rotate(at, at + 1, seen.end());  // least recent first
  std::string max_lora = std::to_string(m_.options_.max_loras);
  w_.family("vllm:lora_requests_info", format::MetricType::kGauge,
            "Running stats on lora requests.");
  for (const auto& series : seen) {
    w_.sample("vllm:lora_requests_info",
              {{"max_lora", max_lora},
               {"running_lora_adapters", series.running},
               {"waiting_lora_adapters", series.waiting}},
              unix_seconds(series.updated));
  }
}

void PageWriter::http() {
  Series series;
  for (const auto& [key, count] : m_.http_) {
    series.emplace_back(
        format::Labels{{"handler", key.handler}, {"method", key.method}, {"status", key.status}},
        static_cast<double>(count));
  }
  counter("http_requests", "Total number of requests by method, status and handler.", series);
}

std::string EngineMetrics::page(const engine::Stats& stats, const PageView& view) {
  std::string out;
  out.reserve(32 << 10);
  PageWriter(*this, out).write(stats, view);
  return out;
}

}  // namespace tidegate::live
