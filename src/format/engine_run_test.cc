// Recorded runs: what is read, what is assumed, what is refused with its place.

#include "format/engine_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/engine/fit.h"
#include "format/csv_table.h"

namespace tidegate::format {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class EngineRunFiles : public testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        std::filesystem::path(testing::TempDir()) /
        ("engine_run_" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) +
         testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name, std::ios::binary) << text;
  }
  Result<EngineRun> read() { return read_engine_run(directory_.string()); }

  std::filesystem::path directory_;
  const std::string meta_ =
      R"({"model": "m", "vllm_version": "0.19.0", "engine_kwargs": {"max_num_seqs": 64,
      "max_num_batched_tokens": 4096, "tensor_parallel_size": 2, "data_parallel_size": 3,
      "max_model_len": null}, "kv_cache": {"num_gpu_blocks": 100, "block_size": 32}})";
  const std::string rows_ =
      R"({"input_toks": 10, "output_toks": 3, "arrival_time": 1000.5, "queued_ts": 7.75, "first_token_ts": 8, "last_token_ts": 9}
{"input_toks": 20, "output_toks": 2, "arrival_time": 1000.25, "queued_ts": 7.5, "scheduled_ts": 7.75, "first_token_ts": 8.5, "last_token_ts": 9}
)";
};

TEST_F(EngineRunFiles, AreReadInOrderOfArrivalOnOneClock) {
  write("meta.json", meta_);
  write("requests.jsonl", rows_);
  write("timeseries.csv", "t,running,waiting,kv_cache_pct\n1,2,0,12.5\n");
  auto run = read();
  ASSERT_TRUE(run.has_value()) << run.error().message;
  ASSERT_EQ(run->requests.size(), 2u);
  EXPECT_EQ(run->requests[0].prompt, 20) << "arrived first, written second";
  EXPECT_EQ(run->requests[0].arrival, Duration(0));
  EXPECT_EQ(run->requests[0].queued, Duration(0)) << "the least way to the queue is the offset";
  EXPECT_EQ(run->requests[0].chosen, millis(250));
  EXPECT_EQ(run->requests[1].arrival, millis(250));
  EXPECT_EQ(run->requests[1].first, millis(500));
  EXPECT_EQ(run->options.max_num_seqs, 64);
  EXPECT_EQ(run->options.data_parallel_size, 3);
  EXPECT_EQ(run->tensor_parallel_size, 2);
  EXPECT_TRUE(run->kv_recorded);
  EXPECT_EQ(run->options.profile.kv_tokens, 3'200);
  EXPECT_EQ(run->options.profile.block_size, 32);
  EXPECT_EQ(run->options.profile.async_scheduling, 1);
  EXPECT_EQ(run->options.profile.reserve_full_prompt, 1);
  EXPECT_EQ(run->engine, "vLLM 0.19.0");
  ASSERT_EQ(run->samples.size(), 1u);
  EXPECT_TRUE(run->samples_have_kv);
  EXPECT_EQ(run->samples[0].kv_usage, 0.125);
  EXPECT_THAT(run->assumed, ElementsAre());
}

TEST_F(EngineRunFiles, WhatIsNotRecordedIsAssumedAndSaid) {
  write("meta.json", R"({"engine": "another", "engine_kwargs": {"max_num_seqs": null}})");
  write(
      "requests.jsonl",
      R"({"input_toks": 10, "output_toks": 3, "queued_ts": 7, "first_token_ts": 8, "last_token_ts": 9}
{"input_toks": 10, "output_toks": 0, "queued_ts": 7, "first_token_ts": null, "last_token_ts": null}
{"input_toks": 10, "output_toks": 5, "queued_ts": 7, "first_token_ts": 8, "last_token_ts": 9, "error": "aborted"}

)");
  auto run = read();
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_EQ(run->requests.size(), 1u);
  EXPECT_EQ(run->failed, 2);
  EXPECT_FALSE(run->kv_recorded);
  EXPECT_TRUE(run->samples.empty());
  EXPECT_EQ(run->engine, "another");
  EXPECT_THAT(run->assumed,
              ElementsAre("max_num_seqs is not recorded; 256",
                          "max_num_batched_tokens is not recorded; 2048",
                          "arrival_time is not recorded; a request arrives as queued"));
}

TEST_F(EngineRunFiles, OlderVersionsScheduleOtherwiseAndFlagsOverrule) {
  struct Row {
    const char* label;
    const char* meta;
    int async, reserve;
  };
  const Row rows[] = {
      {"before both", R"({"vllm_version": "0.11.2"})", 0, 0},
      {"between them", R"({"vllm_version": "v0.15.1rc2"})", 1, 0},
      {"after both", R"({"vllm_version": "1.0"})", 1, 1},
      {"a flag overrules",
       R"({"vllm_version": "0.19.0", "engine_kwargs": {"async_scheduling": false}})", 0, 1}};
  write("requests.jsonl", rows_);
  for (const Row& row : rows) {
    write("meta.json", row.meta);
    auto run = read();
    ASSERT_TRUE(run.has_value()) << row.label;
    EXPECT_EQ(run->options.profile.async_scheduling, row.async) << row.label;
    EXPECT_EQ(run->options.profile.reserve_full_prompt, row.reserve) << row.label;
  }
}

TEST_F(EngineRunFiles, FaultsNameFileAndLine) {
  struct Row {
    const char* label;
    std::string requests, samples, message;
  };
  const Row rows[] = {
      {"no JSON", rows_ + "{\n", "", "requests.jsonl:3: is not a JSON object"},
      {"no length", "\n{\"output_toks\": 1}\n", "", "requests.jsonl:2: has no number input_toks"},
      {"a negative length", R"({"input_toks": -1})", "", "requests.jsonl:1: input_toks is out of"},
      {"times in the wrong order",
       R"({"input_toks": 1, "output_toks": 1, "queued_ts": 9, "first_token_ts": 8, "last_token_ts": 9})",
       "", "requests.jsonl:1: times run backwards"},
      {"nothing succeeded", R"({"input_toks": 1, "output_toks": 0})", "",
       "no request has all its times"},
      {"a column is missing", rows_, "t,running\n1,2\n",
       "timeseries.csv:1: has no column \"waiting\""},
      {"a sample is no number", rows_, "t,running,waiting\n1,2,x\n",
       "timeseries.csv:2: t, running"},
      {"a row is short", rows_, "t,running,waiting\n1,2\n", "timeseries.csv:2: expected 3 fields"},
      {"time goes back", rows_, "t,running,waiting\n2,0,0\n1,0,0\n",
       "timeseries.csv:3: t goes back"},
  };
  write("meta.json", "{}");
  for (const Row& row : rows) {
    write("requests.jsonl", row.requests);
    std::filesystem::remove(directory_ / "timeseries.csv");
    if (!row.samples.empty()) write("timeseries.csv", row.samples);
    auto run = read();
    ASSERT_FALSE(run.has_value()) << row.label;
    EXPECT_THAT(run.error().message, HasSubstr(row.message)) << row.label;
  }
  std::filesystem::remove(directory_ / "meta.json");
  EXPECT_THAT(read().error().message, HasSubstr("meta.json: cannot be read: No such file"));
  EXPECT_THAT(read_engine_run("/nowhere").error().message, HasSubstr("is not a directory"));
}

TEST(CsvTable, QuotesAndFaults) {
  auto table = CsvTable::parse("a,b\r\n\"x, \"\"y\"\"\",1.5\n\n,\n", "t.csv");
  ASSERT_TRUE(table.has_value());
  ASSERT_EQ(table->rows(), 2u);
  EXPECT_EQ(table->text(0, "a"), "x, \"y\"");
  EXPECT_EQ(table->number(0, "b"), 1.5);
  EXPECT_EQ(table->number(0, "a"), std::nullopt);
  EXPECT_EQ(table->number(1, "b"), std::nullopt) << "empty is not zero";
  EXPECT_EQ(table->line(1), 4);
  EXPECT_THAT(CsvTable::parse("", "t.csv").error().message, HasSubstr("is empty"));
  EXPECT_THAT(CsvTable::parse("a,a\n", "t.csv").error().message, HasSubstr("twice"));
  EXPECT_THAT(CsvTable::parse("a\n\"b\n", "t.csv").error().message, HasSubstr("t.csv:2: a quote"));
}

/// The bounds real runs are held to: fitted on the first 100 requests, replaying all.
void expect_fidelity(const std::string& name, double bound) {
  const char* runs = std::getenv("TIDEGATE_ENGINE_RUNS");
  if (runs == nullptr) GTEST_SKIP() << "TIDEGATE_ENGINE_RUNS is not set";
  auto run = read_engine_run(std::string(runs) + "/" + name);
  if (!run) GTEST_SKIP() << run.error().message;
  auto fit = engine::fit_run(run->requests, run->options,
                             {.first = 100,
                              .evaluations = 2'000,
                              .kv_recorded = run->kv_recorded,
                              .samples = run->samples});
  auto model = engine::replay(run->requests, fit.options, {}, fit.warm_up);
  auto all = engine::compare(run->requests, model.requests);
  for (std::size_t which = 0; which < all.size(); ++which) {
    EXPECT_EQ(all[which].measured.count, static_cast<std::int64_t>(run->requests.size()));
    for (std::size_t i = 0; i < engine::Figures::kNames.size(); ++i) {
      EXPECT_NEAR(all[which].error(i), 0, bound)
          << engine::kLatencyNames[which] << " " << engine::Figures::kNames[i];
    }
  }
}

TEST(EngineRunFidelity, SequencesBind) { expect_fidelity("rtxpro6000-qwen3-32b", 0.03); }
TEST(EngineRunFidelity, KvBinds) { expect_fidelity("rtx4090-llama-3.1-8b", 0.05); }

}  // namespace
}  // namespace tidegate::format
