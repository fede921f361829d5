// Results: the same for the same seed, whatever the order asked, and comparable.

#include "sim/simulate.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "format/spec_yaml.h"
#include "sim/report.h"
#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

/// Tidegate's own CSV: a quiet quarter of an hour, a burst, quiet again.
std::string csv() {
  std::ostringstream out;
  out << "time,prompt_tokens,output_tokens\n";
  Rng rng(4, "trace");
  double at = 0;
  while (at < 2400) {
    at += rng.exponential(at > 600 && at < 1200 ? 1 / 30.0 : 1 / 2.0);
    out << at << ',' << 100 + rng.below(800) << ',' << 20 + rng.below(300) << '\n';
  }
  return out.str();
}

SimulateOptions options_for(const std::vector<std::string>& policies, const std::string& text) {
  SimulateOptions options;
  options.model = model_with(1, 8);
  options.model.slo.ttft = {{0.99, seconds(2)}};
  options.model.scaling.concurrency_target = 32;
  options.model.scaling.scale_down_delay = seconds(120);
  options.model.variants[0].cold_start.engine = {.p50 = seconds(40), .p90 = seconds(70)};
  for (const auto& policy : policies) {
    options.policies.push_back({policy, *format::parse_policy(policy)});
  }
  options.open = [text] {
    return format::TraceReader::read(std::make_unique<std::istringstream>(text), "trace.csv", 0,
                                     {});
  };
  options.clock = [] { return Instant(); };
  return options;
}

std::string bytes(const SimulateOptions& options) {
  auto result = simulate(options);
  if (!result) return result.error().message;
  std::string out;
  for (const auto& policy : result->policies) out += to_json(policy).dump() + "\n";
  return out;
}

TEST(Simulate, TheSameSeedGivesTheSameBytes) {
  auto options = options_for({"concurrency", "hpa", "keda:5", "kpa"}, csv());
  std::string once = bytes(options);
  EXPECT_EQ(once, bytes(options));
  EXPECT_NE(once.find("\"policy\":\"keda:5\""), std::string::npos) << once;
  options.seed = 2;
  EXPECT_NE(once, bytes(options)) << "cold starts are drawn from the seed";
}

TEST(Simulate, ResultsDoNotDependOnTheOrderAsked) {
  const std::string text = csv();
  auto forth = simulate(options_for({"hpa", "static:4", "concurrency"}, text));
  auto back = simulate(options_for({"concurrency", "static:4", "hpa"}, text));
  ASSERT_TRUE(forth && back);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(to_json(forth->policies[i]).dump(), to_json(back->policies[2 - i]).dump());
  }
}

TEST(Simulate, AllAreBilledToTheSameInstant) {
  auto result = simulate(options_for({"static:1", "static:8", "concurrency"}, csv()));
  ASSERT_TRUE(result) << result.error().message;
  const auto& policies = result->policies;
  for (const auto& policy : policies) {
    EXPECT_EQ(policy.simulated, policies[0].simulated);
    EXPECT_EQ(policy.totals.score.requests, policies[0].totals.score.requests);
    EXPECT_LE(to_seconds(policy.totals.busy) / 3600, policy.totals.replica_hours);
  }
  EXPECT_GT(policies[0].simulated, seconds(2400)) << "one replica drains long after the trace";
  EXPECT_GE(policies[1].totals.score.attainment(), policies[0].totals.score.attainment());
  EXPECT_GT(policies[1].totals.replica_hours, policies[2].totals.replica_hours);
  EXPECT_GT(policies[2].totals.scale_ups, 0);
  EXPECT_GT(policies[2].totals.scale_downs, 0);
}

TEST(Simulate, RefusesWhatItCannotDo) {
  struct Row {
    const char* label;
    std::string policy, trace, says;
  };
  for (const Row& row :
       {Row{"a policy that is to come", "tide", csv(), "not built yet"},
        Row{"an empty trace", "hpa", "time,prompt_tokens,output_tokens\n", "no request"},
        Row{"a trace for others", "hpa", "time,prompt_tokens,output_tokens,model\n1,5,5,other\n",
            "\"other\""},
        Row{"no trace at all", "hpa", "a,b\n1,2\n", "trace.csv"}}) {
    auto result = simulate(options_for({row.policy}, row.trace));
    ASSERT_FALSE(result) << row.label;
    EXPECT_NE(result.error().message.find(row.says), std::string::npos) << result.error().message;
  }
}

TEST(Simulate, RequestsForOtherModelsAreLeftOutAndCounted) {
  auto result = simulate(options_for(
      {"hpa"}, "time,prompt_tokens,output_tokens,model\n1,5,5,m\n2,5,5,other\n3,5,5,m\n"));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->policies[0].totals.score.requests, 2);
  EXPECT_EQ(result->other_models, 1);
  EXPECT_EQ(result->other_model, "other");
}

TEST(Simulate, StartsWithWhatTheFirstMinuteNeeds) {
  // 20 requests/s of 500 + 100: far more than one reference replica sustains.
  std::string text = "time,prompt_tokens,output_tokens\n";
  for (int i = 0; i < 2400; ++i) text += std::to_string(i * 0.05) + ",500,100\n";
  auto result = simulate(options_for({"static:1", "hpa"}, text));
  ASSERT_TRUE(result);
  ASSERT_EQ(result->initial.size(), 1U);
  EXPECT_GT(result->initial[0], 1);
  EXPECT_LE(result->initial[0], 8);
  EXPECT_EQ(result->policies[1].totals.replicas_peak, result->policies[0].totals.replicas_peak)
      << "every policy starts with the same";
}

TEST(Report, HasTheKeysThatAreApi) {
  auto result = simulate(options_for({"hpa"}, csv()));
  ASSERT_TRUE(result);
  auto json = to_json(result->policies[0]);
  std::string keys;
  for (const auto& [key, value] : json.items()) keys += key + " ";
  EXPECT_EQ(keys,
            "policy requests completed rejected timedOut lost sloAttainment ttft itl e2e gpuHours "
            "replicaHours cost replicasPeak replicasMean scaleUps scaleDowns coldStarts queuePeak "
            "simulatedSeconds wallSeconds requestsPerSecond ");
  EXPECT_EQ(json["ttft"].size(), 3U);
  EXPECT_NE(to_table(*result, model_with(1, 8)).find("hpa"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::sim
