#include "live/emulator/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

namespace tidegate::live {
namespace {

using ::testing::HasSubstr;

EngineMetrics::Options options() {
  return {.model_name = "acme/m-8b",
          .max_model_len = 8192,
          .block_size = 16,
          .num_gpu_blocks = 25'000,
          .lora = true,
          .max_loras = 4,
          .created = WallTime::from_unix_nanos(1'788'184'174'500'000'000)};
}

std::string sample_page() {
  EngineMetrics m(options());
  m.on_first_token(millis(400));
  m.on_tokens(millis(300), 10);
  m.on_steps(4, 100);
  m.on_finished({.queued = millis(100),
                 .prefill = millis(300),
                 .decode = seconds(2),
                 .prompt_tokens = 900,
                 .cached_tokens = 160,
                 .output_tokens = 41,
                 .max_tokens = 41,
                 .reason = FinishReason::kLength});
  m.on_ended_early(FinishReason::kAbort);
  m.on_http("/v1/chat/completions", "POST", 200);
  engine::Stats stats;
  stats.running = 37;
  stats.waiting = 12;
  stats.deferred = 3;
  stats.kv_usage = 0.8125;
  stats.prompt_tokens_total = 900;
  stats.prefix_hits_tokens_total = 160;
  return m.page(stats, {.running_adapters = "sql-v2,tone-a",
                        .now = WallTime::from_unix_nanos(1'788'184'200'000'000'000)});
}

/// What a default vLLM V1 server with LoRA on exposes.
const std::map<std::string, std::string> kVllm = {
    {"vllm:num_requests_running", "gauge"},
    {"vllm:num_requests_waiting", "gauge"},
    {"vllm:num_requests_waiting_by_reason", "gauge"},
    {"vllm:kv_cache_usage_perc", "gauge"},
    {"vllm:engine_sleep_state", "gauge"},
    {"vllm:num_preemptions_total", "counter"},
    {"vllm:prompt_tokens_total", "counter"},
    {"vllm:generation_tokens_total", "counter"},
    {"vllm:prompt_tokens_by_source_total", "counter"},
    {"vllm:prompt_tokens_cached_total", "counter"},
    {"vllm:prefix_cache_queries_total", "counter"},
    {"vllm:prefix_cache_hits_total", "counter"},
    {"vllm:external_prefix_cache_queries_total", "counter"},
    {"vllm:external_prefix_cache_hits_total", "counter"},
    {"vllm:mm_cache_queries_total", "counter"},
    {"vllm:mm_cache_hits_total", "counter"},
    {"vllm:request_success_total", "counter"},
    {"vllm:time_to_first_token_seconds", "histogram"},
    {"vllm:inter_token_latency_seconds", "histogram"},
    {"vllm:request_time_per_output_token_seconds", "histogram"},
    {"vllm:e2e_request_latency_seconds", "histogram"},
    {"vllm:request_queue_time_seconds", "histogram"},
    {"vllm:request_inference_time_seconds", "histogram"},
    {"vllm:request_prefill_time_seconds", "histogram"},
    {"vllm:request_decode_time_seconds", "histogram"},
    {"vllm:request_prompt_tokens", "histogram"},
    {"vllm:request_generation_tokens", "histogram"},
    {"vllm:request_max_num_generation_tokens", "histogram"},
    {"vllm:request_params_max_tokens", "histogram"},
    {"vllm:request_prefill_kv_computed_tokens", "histogram"},
    {"vllm:request_params_n", "histogram"},
    {"vllm:iteration_tokens_total", "histogram"},
    {"vllm:lora_requests_info", "gauge"},
    {"vllm:cache_config_info", "gauge"},
    {"http_requests_total", "counter"},
};

TEST(EngineMetrics, ExposesExactlyVllmsNamesAndTypes) {
  std::map<std::string, std::string> expected = kVllm;
  for (const auto& [name, type] : kVllm) {
    if (type == "gauge") continue;
    std::string stem = type == "counter" ? name.substr(0, name.size() - 6) : name;
    expected[stem + "_created"] = "gauge";
  }
  std::map<std::string, std::string> seen;
  std::istringstream page(sample_page());
  for (std::string line; std::getline(page, line);) {
    std::istringstream words(line);
    std::string hash, what, name, type;
    if (words >> hash >> what >> name >> type && hash == "#" && what == "TYPE") seen[name] = type;
  }
  EXPECT_EQ(seen, expected);
}

TEST(EngineMetrics, WritesTheSamplesAScraperWants) {
  std::string page = sample_page();
  for (
      const char* line : {
          R"(vllm:num_requests_running{engine="0",model_name="acme/m-8b"} 37.0)",
          R"(vllm:num_requests_waiting_by_reason{engine="0",model_name="acme/m-8b",reason="capacity"} 9.0)",
          R"(vllm:num_requests_waiting_by_reason{engine="0",model_name="acme/m-8b",reason="deferred"} 3.0)",
          R"(vllm:engine_sleep_state{engine="0",model_name="acme/m-8b",sleep_state="awake"} 1.0)",
          R"(vllm:kv_cache_usage_perc{engine="0",model_name="acme/m-8b"} 0.8125)",
          R"(vllm:num_preemptions_created{engine="0",model_name="acme/m-8b"} 1.7881841745e+09)",
          R"(vllm:request_success_total{engine="0",finished_reason="abort",model_name="acme/m-8b"} 1.0)",
          R"(vllm:request_success_total{engine="0",finished_reason="repetition",model_name="acme/m-8b"} 0.0)",
          R"(vllm:time_to_first_token_seconds_bucket{engine="0",le="0.25",model_name="acme/m-8b"} 0.0)",
          R"(vllm:time_to_first_token_seconds_bucket{engine="0",le="0.5",model_name="acme/m-8b"} 1.0)",
          R"(vllm:time_to_first_token_seconds_bucket{engine="0",le="2560.0",model_name="acme/m-8b"} 1.0)",
          R"(vllm:inter_token_latency_seconds_bucket{engine="0",le="0.05",model_name="acme/m-8b"} 10.0)",
          R"(vllm:request_prompt_tokens_bucket{engine="0",le="5000.0",model_name="acme/m-8b"} 1.0)",
          R"(vllm:e2e_request_latency_seconds_sum{engine="0",model_name="acme/m-8b"} 2.4)",
          R"(vllm:prompt_tokens_by_source_total{engine="0",model_name="acme/m-8b",source="local_compute"} 740.0)",
          R"(vllm:iteration_tokens_total_count{engine="0",model_name="acme/m-8b"} 4.0)",
          R"(vllm:lora_requests_info{max_lora="4",running_lora_adapters="sql-v2,tone-a",waiting_lora_adapters=""} 1.7881842e+09)",
          R"(http_requests_total{handler="/v1/chat/completions",method="POST",status="2xx"} 1.0)",
      }) {
    EXPECT_THAT("\n" + page, HasSubstr("\n" + std::string(line) + "\n"));
  }
  EXPECT_THAT(page, HasSubstr("num_gpu_blocks=\"25000\""));
}

TEST(EngineMetrics, KeepsOldLoraSeriesUpToItsLimitAndTheNewestLast) {
  EngineMetrics m(options());
  std::string page;
  for (std::size_t i = 0; i <= EngineMetrics::kMaxLoraSeries; ++i) {
    PageView view{.running_adapters = "a" + std::to_string(i),
                  .now = WallTime::from_unix_nanos(static_cast<std::int64_t>(i) * 1'000'000'000)};
    page = m.page({}, view);
    std::size_t series = 0;
    for (std::size_t at = 0; (at = page.find("lora_requests_info{", at)) != page.npos; ++at)
      ++series;
    EXPECT_EQ(series, std::min(i + 1, EngineMetrics::kMaxLoraSeries));
  }
  EXPECT_THAT(page, testing::Not(HasSubstr("=\"a0\"")));
  EXPECT_THAT(page, HasSubstr("=\"a1\""));
}

TEST(EngineMetrics, PromtoolParsesThePage) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) GTEST_SKIP() << "no promtool here";
  char path[] = "/tmp/tidegate-metrics-XXXXXX";
  int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  std::string page = sample_page();
  ASSERT_EQ(write(fd, page.data(), page.size()), static_cast<ssize_t>(page.size()));
  close(fd);
  FILE* promtool = popen(("promtool check metrics <" + std::string(path) + " 2>&1").c_str(), "r");
  ASSERT_NE(promtool, nullptr);
  std::string said;
  for (int c; (c = std::fgetc(promtool)) != EOF;) said += static_cast<char>(c);
  int status = pclose(promtool);
  unlink(path);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 3) << said;  // 1: cannot be parsed; 3: lint
  // Only what vLLM's own names fail on.
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_THAT(line, testing::AnyOf(HasSubstr("should not contain ':'"),
                                     HasSubstr("vllm:iteration_tokens_total non-counter")));
  }
}

}  // namespace
}  // namespace tidegate::live
