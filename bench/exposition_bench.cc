// Exposition parse rate on a page like a vLLM V1 engine's with four data-parallel ranks, about 60
// KB; bytes per second count the whole page, wanted or not.
//
//   exposition_bench --benchmark_repetitions=5

#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/signal/page.h"
#include "core/signal/replica_signals.h"
#include "format/exposition_signals.h"

namespace {

using namespace tidegate;

constexpr std::string_view kModel = "acme/m-8b";
const std::vector<std::string> kB1 = {"0.001", "0.005", "0.01",  "0.02",   "0.04", "0.06",
                                      "0.08",  "0.1",   "0.25",  "0.5",    "0.75", "1.0",
                                      "2.5",   "5.0",   "7.5",   "10.0",   "20.0", "40.0",
                                      "80.0",  "160.0", "640.0", "2560.0", "+Inf"};
const std::vector<std::string> kB2 = {"0.01", "0.025", "0.05", "0.075", "0.1",  "0.15", "0.2",
                                      "0.3",  "0.4",   "0.5",  "0.75",  "1.0",  "2.5",  "5.0",
                                      "7.5",  "10.0",  "20.0", "40.0",  "80.0", "+Inf"};
const std::vector<std::string> kB3 = {
    "0.3",  "0.5",  "0.8",  "1.0",  "1.5",   "2.0",   "2.5",   "5.0",   "10.0",   "15.0",   "20.0",
    "30.0", "40.0", "50.0", "60.0", "120.0", "240.0", "480.0", "960.0", "1920.0", "7680.0", "+Inf"};

struct Writer {
  std::string out;
  int ranks;

  std::string labels(int rank, std::string_view extra = {}) const {
    std::string text = "{engine=\"" + std::to_string(rank) + "\",";
    return text.append(extra).append("model_name=\"").append(kModel).append("\"} ");
  }
  void head(std::string_view name, std::string_view type) {
    out.append("# HELP ").append(name).append(
        " Number of things that this engine has to tell about.\n");
    out.append("# TYPE ").append(name).append(" ").append(type).append("\n");
  }
  void gauge(std::string_view name, double value) {
    head(name, "gauge");
    for (int r = 0; r < ranks; ++r) {
      out.append(name).append(labels(r)).append(std::to_string(value + r)).append("\n");
    }
  }
  void counter(const std::string& name, std::int64_t value) {
    head(name + "_total", "counter");
    for (int r = 0; r < ranks; ++r) {
      out.append(name)
          .append("_total")
          .append(labels(r))
          .append(std::to_string(value + r))
          .append(".0\n");
    }
    head(name + "_created", "gauge");
    for (int r = 0; r < ranks; ++r) {
      out.append(name).append("_created").append(labels(r)).append("1.7881841740815e+09\n");
    }
  }
  void histogram(const std::string& name, const std::vector<std::string>& bounds) {
    head(name, "histogram");
    for (int r = 0; r < ranks; ++r) {
      std::int64_t count = 0;
      for (const std::string& bound : bounds) {
        count += 37 + r;
        out.append(name).append("_bucket");
        out.append(labels(r, "le=\"" + bound + "\",")).append(std::to_string(count)).append(".0\n");
      }
      out.append(name)
          .append("_count")
          .append(labels(r))
          .append(std::to_string(count))
          .append(".0\n");
      out.append(name).append("_sum").append(labels(r)).append("301.2578125\n");
    }
  }
};

std::string vllm_page(int ranks) {
  Writer w{{}, ranks};
  w.gauge("vllm:num_requests_running", 37);
  w.gauge("vllm:num_requests_waiting", 12);
  w.gauge("vllm:kv_cache_usage_perc", 0.8125);
  for (const char* name :
       {"vllm:num_preemptions", "vllm:prompt_tokens", "vllm:generation_tokens",
        "vllm:prefix_cache_queries", "vllm:prefix_cache_hits", "vllm:external_prefix_cache_queries",
        "vllm:external_prefix_cache_hits"}) {
    w.counter(name, 123456789);
  }
  w.head("vllm:request_success_total", "counter");
  for (int r = 0; r < ranks; ++r) {
    for (const char* reason : {"stop", "length", "abort", "error", "repetition"}) {
      w.out.append("vllm:request_success_total");
      w.out.append(w.labels(r, "finished_reason=\"" + std::string(reason) + "\","))
          .append("812.0\n");
    }
  }
  w.histogram("vllm:time_to_first_token_seconds", kB1);
  w.histogram("vllm:inter_token_latency_seconds", kB2);
  for (const char* name :
       {"vllm:e2e_request_latency_seconds", "vllm:request_queue_time_seconds",
        "vllm:request_prefill_time_seconds", "vllm:request_decode_time_seconds"}) {
    w.histogram(name, kB3);
  }
  return w.out;
}

void measure(benchmark::State& state, signal::HistogramSet histograms) {
  const std::string text = vllm_page(4);
  const format::PageReader reader(signal::dialect(signal::DialectId::kVllm), histograms);
  signal::Page page(reader.dialect());
  format::PageStats stats;
  for (auto _ : state) {
    stats = reader.read(text, format::TextFormat::kPrometheus, page);
    benchmark::DoNotOptimize(page);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.counters["page_bytes"] = static_cast<double>(text.size());
  state.counters["lines"] = stats.lines;
  state.counters["samples"] = stats.samples;
}

void gauges_and_counters(benchmark::State& state) { measure(state, {}); }
void with_ttft(benchmark::State& state) {
  measure(state, signal::HistogramSet().with(signal::SignalId::kTtft));
}
void with_all_histograms(benchmark::State& state) { measure(state, signal::HistogramSet::all()); }
void read_and_meter(benchmark::State& state) {
  const std::string text = vllm_page(4);
  auto histograms = signal::HistogramSet().with(signal::SignalId::kTtft);
  const format::PageReader reader(signal::dialect(signal::DialectId::kVllm), histograms);
  signal::Page page(reader.dialect());
  signal::ReplicaMeter meter;
  Instant now;
  for (auto _ : state) {
    reader.read(text, format::TextFormat::kPrometheus, page);
    now += seconds(1);
    benchmark::DoNotOptimize(meter.read(page, now, {.histograms = histograms}));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

BENCHMARK(gauges_and_counters);
BENCHMARK(with_ttft);
BENCHMARK(with_all_histograms);
BENCHMARK(read_and_meter);

}  // namespace
