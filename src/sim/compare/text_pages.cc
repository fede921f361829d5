#include "sim/compare/text_pages.h"

#include "core/base/check.h"
#include "core/signal/dialect.h"
#include "format/exposition.h"
#include "format/exposition_writer.h"

namespace tidegate::sim {
namespace {

using format::MetricType;

class PageText {
 public:
  explicit PageText(std::string& out) : writer_(out) {}

  void gauge(std::string_view name, std::string_view help, double value) {
    writer_.family(name, MetricType::kGauge, help);
    writer_.sample(name, kLabels, value);
  }
  void counter(const std::string& stem, std::string_view help, std::int64_t value) {
    writer_.family(stem + "_total", MetricType::kCounter, help);
    writer_.sample(stem + "_total", kLabels, static_cast<double>(value));
    writer_.family(stem + "_created", MetricType::kGauge, help);
    writer_.sample(stem + "_created", kLabels, 1'704'067'200);
  }
  void waiting_by_reason(const engine::Stats& stats) {
    constexpr std::string_view kName = "vllm:num_requests_waiting_by_reason";
    writer_.family(kName, MetricType::kGauge, "Number of waiting requests by reason.");
    reason(kName, "capacity", stats.waiting - stats.deferred);
    reason(kName, "deferred", stats.deferred);
  }

 private:
  void reason(std::string_view name, std::string_view why, std::int64_t requests) {
    format::Labels labels = kLabels;
    labels.emplace_back("reason", why);
    writer_.sample(name, labels, static_cast<double>(requests));
  }

  inline static const format::Labels kLabels = {{"engine", "0"}, {"model_name", "simulated"}};
  format::ExpositionWriter writer_;
};

void write(const engine::Stats& stats, std::string& out) {
  out.clear();
  PageText page(out);
  page.gauge("vllm:num_requests_running", "Number of requests in model execution batches.",
             static_cast<double>(stats.running));
  page.gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.",
             static_cast<double>(stats.waiting));
  page.waiting_by_reason(stats);
  page.gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.",
             stats.kv_usage);
  page.counter("vllm:prefix_cache_queries", "Prompt tokens looked up in the prefix cache.",
               stats.prefix_queries_tokens_total);
  page.counter("vllm:prefix_cache_hits", "Prompt tokens found in the prefix cache.",
               stats.prefix_hits_tokens_total);
  page.counter("vllm:num_preemptions", "Preemptions by the engine.", stats.preemptions_total);
  page.counter("vllm:prompt_tokens", "Prefill tokens processed.", stats.prompt_tokens_total);
  page.counter("vllm:generation_tokens", "Generation tokens processed.",
               stats.generation_tokens_total);
  page.counter("vllm:request_success", "Requests that ended.", stats.finished_total);
}

}  // namespace

TextPages::TextPages()
    : reader_(signal::dialect(signal::DialectId::kVllm), {}), page_(reader_.dialect()) {}

const signal::Page& TextPages::operator()(const engine::Stats& stats) {
  write(stats, text_);
  format::PageStats read = reader_.read(text_, format::TextFormat::kPrometheus, page_);
  TIDEGATE_CHECK(read.garbage == 0);
  return page_;
}

}  // namespace tidegate::sim
