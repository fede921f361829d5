// The model beside real engines: runs of vLLM 0.19 far over capacity (hundreds waiting, KV
// exhausted, preemptions), each with the five coefficients that fit it best. What is tested is that
// five numbers suffice for the law and the scheduler to give TTFT, TPOT and E2E of such a run, mean
// and tail.
//
// TIDEGATE_ENGINE_RUNS names a directory with one folder a run (format/engine_run.h). Skipped where
// unset.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/engine/replay.h"
#include "format/engine_run.h"

namespace tidegate::format {
namespace {

void expect_close(const std::string& name, const engine::Options& options) {
  const char* directory = std::getenv("TIDEGATE_ENGINE_RUNS");
  if (directory == nullptr) GTEST_SKIP() << "TIDEGATE_ENGINE_RUNS is not set";
  const std::string folder = std::string(directory) + "/" + name;
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder;
  const auto run = read_engine_run(folder);
  ASSERT_TRUE(run) << run.error().message;
  // The engine alone, from its scheduler on.
  engine::RunRequests real = run->requests;
  for (engine::RunRequest& r : real) r.arrival = r.queued;
  std::stable_sort(real.begin(), real.end(),
                   [](const auto& a, const auto& b) { return a.arrival < b.arrival; });
  const auto latencies = compare(real, replay(real, options).requests);
  for (std::size_t i = 0; i < latencies.size(); ++i) {
    EXPECT_GT(latencies[i].measured.count, 100) << engine::kLatencyNames[i];
    EXPECT_NEAR(latencies[i].error(0), 0, 0.03) << engine::kLatencyNames[i] << ", mean";
    EXPECT_NEAR(latencies[i].error(3), 0, 0.04) << engine::kLatencyNames[i] << ", p99";
  }
}

TEST(Fidelity, Llama8BOnAConsumerCardWithItsKvExhausted) {
  engine::Options o;
  o.profile.c0_fs = 17'145'000'000'000;
  o.profile.c1_fs = 97'906'000'000;
  o.profile.c2_fs = 25'476'000'000;
  o.profile.c3_fs = 155'210'000;
  o.profile.c4_fs = 4'745'000;
  o.profile.kv_tokens = 42'016;
  o.profile.async_scheduling = o.profile.reserve_full_prompt = 1;
  expect_close("rtx4090-llama-3.1-8b", o);
}

TEST(Fidelity, Qwen32BOnTwoCardsAtItsSequenceLimit) {
  engine::Options o;
  o.profile.c0_fs = 25'205'000'000'000;
  o.profile.c1_fs = 151'710'000'000;
  o.profile.c2_fs = 39'010'000'000;
  o.profile.c3_fs = 217'200'000;
  o.profile.c4_fs = 15'499'000;
  o.profile.kv_tokens = 350'000;
  o.max_num_seqs = 128;
  expect_close("rtxpro6000-qwen3-32b", o);
}

}  // namespace
}  // namespace tidegate::format
