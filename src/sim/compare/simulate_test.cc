// Results: the same for the same seed, whatever the order asked, and comparable.

#include "sim/compare/simulate.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "format/spec_yaml.h"
#include "sim/compare/results.h"
#include "sim/sizing.h"
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
  spec::Model model = model_with(1, 8);
  model.slo.ttft = {{0.99, seconds(2)}};
  model.scaling.concurrency_target = 32;
  model.scaling.scale_down_delay = seconds(120);
  model.variants[0].cold_start.engine = {.p50 = seconds(40), .p90 = seconds(70)};
  options.models = {model};
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
       {Row{"an empty trace", "hpa", "time,prompt_tokens,output_tokens\n", "no request"},
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
  EXPECT_GT(result->initial[0][0], 1);
  EXPECT_LE(result->initial[0][0], 8);
  EXPECT_EQ(result->policies[1].totals.replicas_peak, result->policies[0].totals.replicas_peak)
      << "every policy starts with the same";
}

TEST(Simulate, AFewLongPromptsWithLongAnswersNeedMoreThanTheirMeanSays) {
  const spec::Model model = model_with(1, 64);
  FirstMinute alike, spread;
  for (int i = 0; i < 60; ++i) {
    workload::TraceRequest request;
    request.prompt = Tokens(10'250);
    request.output = Tokens(260);
    alike.add(request);
    request.prompt = Tokens(i % 2 == 0 ? 20'000 : 500);
    request.output = Tokens(i % 2 == 0 ? 500 : 20);
    spread.add(request);
  }
  EXPECT_GT(size_fleet(model, spread)[0], size_fleet(model, alike)[0]);
}

TEST(Simulate, TheOracleNeverLosesToAPolicyBesideItThatReachesItsLevel) {
  auto options = options_for({"oracle:0.9", "concurrency", "static:3", "static:8"}, csv());
  options.oracle_budget = 60'000;
  auto result = simulate(options);
  ASSERT_TRUE(result) << result.error().message;
  const PolicyResult& oracle = result->policies[0];
  ASSERT_TRUE(oracle.oracle.has_value());
  EXPECT_TRUE(oracle.oracle->reached);
  EXPECT_GE(oracle.totals.score.attainment(), 0.9);
  for (const PolicyResult& policy : result->policies) {
    if (policy.totals.score.attainment() < 0.9) continue;
    EXPECT_LE(oracle.totals.gpu_hours, policy.totals.gpu_hours) << policy.policy;
  }
  EXPECT_TRUE(to_json(oracle).contains("oracle"));
  EXPECT_NE(to_table(*result, options.models).find("oracle:0.9: reached"), std::string::npos);
}

TEST(Simulate, SeveralModelsAreOneResultWithAPartForEach) {
  std::string text = "time,prompt_tokens,output_tokens,model\n";
  for (int i = 0; i < 600; ++i)
    text += std::to_string(i) + (i % 3 == 0 ? ",50,50,a\n" : ",90,9,b\n");
  auto options = options_for({"concurrency"}, text + "600,1,1,c\n600,1,1,\n");
  options.models.push_back(options.models[0]);
  options.models[0].name = "a";
  options.models[1].name = "b";
  for (auto& model : options.models) model.served_names = {model.name};
  auto result = simulate(options);
  ASSERT_TRUE(result) << result.error().message;
  const PolicyResult& both = result->policies[0];
  ASSERT_EQ(both.models.size(), 2u);
  EXPECT_EQ(both.models[0].totals.score.requests, 200);
  EXPECT_EQ(both.models[1].totals.score.requests, 400);
  EXPECT_EQ(both.totals.score.requests, 600);
  EXPECT_EQ(both.totals.gpu_hours,
            both.models[0].totals.gpu_hours + both.models[1].totals.gpu_hours);
  EXPECT_EQ(result->other_models, 2) << "one for c, one that names nobody";
  EXPECT_EQ(to_json(both)["models"].size(), 2u);
}

TEST(Simulate, EveryPolicyCanStandBehindAPlainProxy) {
  auto options = options_for({"concurrency", "hpa", "keda:5", "kpa"}, csv());
  options.front = Front::kProxy;
  auto result = simulate(options);
  ASSERT_TRUE(result) << result.error().message;
  for (const PolicyResult& policy : result->policies) {
    EXPECT_EQ(policy.totals.queue_peak, 0) << policy.policy;
    EXPECT_GT(policy.totals.score.completed, 0) << policy.policy;
  }
}

TEST(Simulate, WhereClientsSayNothingOfTheirOutputsTheRouterLearnsThem) {
  auto options = options_for({"tide"}, csv());
  const auto exact = simulate(options);
  options.output_limit = OutputLimit::kUnsaid;
  const auto unsaid = simulate(options);
  ASSERT_TRUE(exact) << exact.error().message;
  ASSERT_TRUE(unsaid) << unsaid.error().message;
  const Totals &told = exact->policies[0].totals, &learned = unsaid->policies[0].totals;
  EXPECT_EQ(told.output_tokens, learned.output_tokens) << "they are as long as before";
  EXPECT_NE(told.gpu_hours, learned.gpu_hours);
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
  EXPECT_NE(to_table(*result, {model_with(1, 8)}).find("hpa"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::sim
