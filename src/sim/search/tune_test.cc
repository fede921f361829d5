// Tuning against trying everything, and a stopped one against one that was not.
#include "sim/search/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <nlohmann/json.hpp>

#include "sim/search/asked.h"
#include "sim/search/test_trace.h"
#include "sim/search/tune_log.h"
#include "sim/search/tune_report.h"

namespace tidegate::sim {
namespace {

using spec::PolicyKind;

const std::vector<double> kTwoDays = {1, 2, 6, 9, 8, 4, 9, 3, 1, 1, 2, 7, 8, 9, 4, 8, 4, 1};

TuneOptions two_days(std::vector<TunePolicy> policies, double attainment = 0.9) {
  return {.model = slow_world(1, 12, 1).model,
          .policies = std::move(policies),
          .open = opener(steps(kTwoDays, seconds(60), 5)),
          .attainment = attainment,
          .train = 0.5,
          .most_runs = 30};
}

TEST(Tune, FindsTheLeastStaticFleetThatTryingAllFinds) {
  for (double attainment : {0.5, 0.9, 0.99}) {
    TuneOptions options = two_days({{"static", {PolicyKind::kStatic, {}}}}, attainment);
    std::map<std::string, Outcome> runs;
    options.finished = [&](const std::string& run, const Outcome& outcome) { runs[run] = outcome; };
    auto result = tune(options);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    ASSERT_EQ(result->policies.size(), 1U);
    const Tuned& tuned = result->policies[0];
    EXPECT_TRUE(tuned.reached);
    // A fleet of one fewer, played by hand, does not reach it.
    auto n = static_cast<std::int64_t>(tuned.knobs[0].values[tuned.point[0]]);
    options.policies = {{"static", {PolicyKind::kStatic, static_cast<double>(n - 1)}}};
    options.most_runs = 1;
    auto fewer = tune(options);
    EXPECT_LT(fewer->policies[0].untuned.train.attainment(), attainment) << n;
    EXPECT_GE(tuned.tuned.train.attainment(), attainment) << n;
  }
}

TEST(Tune, NeverWorseThanUntunedAndBothPartsTogetherAreTheTrace) {
  auto requests = static_cast<std::int64_t>(steps(kTwoDays, seconds(60), 5).size());
  auto result = tune(two_days({{"hpa", {PolicyKind::kHpa, {}}},
                               {"keda:5", {PolicyKind::kKeda, 5}},
                               {"kpa", {PolicyKind::kKpa, {}}},
                               {"concurrency", {PolicyKind::kConcurrency, {}}},
                               {"targettracking", {PolicyKind::kTargetTracking, {}}}}));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  ASSERT_EQ(result->policies.size(), 6U);
  EXPECT_EQ(result->asked, 5U);
  EXPECT_EQ(result->policies[5].policy, "static");
  for (const Tuned& t : result->policies) {
    const Outcome &before = t.untuned.train, &after = t.tuned.train;
    EXPECT_EQ(before.requests + t.untuned.test.requests, requests) << t.text;
    EXPECT_EQ(after.requests + t.tuned.test.requests, requests) << t.text;
    EXPECT_EQ(t.reached, after.attainment() >= 0.9) << t.text;
    if (before.attainment() >= 0.9) {
      EXPECT_TRUE(t.reached) << t.text;
      EXPECT_LE(after.cost_dollars, before.cost_dollars) << t.text;
    } else {
      EXPECT_GE(after.met, before.met) << t.text;
    }
    EXPECT_LE(t.runs, 30) << t.text;
  }
}

TEST(Tune, WhatWasStoppedGoesOnToTheSameResult) {
  std::vector<TunePolicy> asked = {{"hpa", {PolicyKind::kHpa, {}}},
                                   {"kpa", {PolicyKind::kKpa, {}}}};
  TuneOptions options = two_days(asked);
  options.most_runs = 20;
  auto whole = tune(options);
  const std::string expected = to_table(*whole, 0.9);

  std::string file;
  for (int attempt = 0;; ++attempt) {
    TuneLog log(7);
    log.read(file);
    std::atomic<int> left{12};  // runs until somebody interrupts
    options.known = [&](const std::string& run) { return log.find(run); };
    options.finished = [&](const std::string& run, const Outcome& outcome) {
      file += log.add(run, outcome);
      --left;
    };
    options.stop = [&] { return left <= 0; };
    auto result = tune(options);
    ASSERT_TRUE(result.has_value());
    if (!result->stopped) {
      EXPECT_EQ(to_table(*result, 0.9), expected);
      EXPECT_GT(attempt, 1);
      break;
    }
    file.resize(file.size() - 20);  // the last line torn, as by a kill
    file += '\n';
    ASSERT_LT(attempt, 20);
  }
}

TEST(Tune, ThreadsChangeNothing) {
  TuneOptions one = two_days({{"kpa", {PolicyKind::kKpa, {}}}}), many = one;
  one.threads = 1;
  many.threads = 4;
  EXPECT_EQ(to_table(*tune(one), 0.9), to_table(*tune(many), 0.9));
}

TEST(Tune, RefusesWhatMakesNoSense) {
  std::vector<TunePolicy> hpa = {{"hpa", {PolicyKind::kHpa, {}}}};
  struct Row {
    const char* label;
    void (*change)(TuneOptions&);
    const char* says;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"nothing to reach", [](TuneOptions& o) { o.attainment = 0; }, "--attainment 0"},
           {"more than all", [](TuneOptions& o) { o.attainment = 1.01; }, "--attainment 1.01"},
           {"no rest to judge on", [](TuneOptions& o) { o.train = 1; }, "--train 1"},
           {"nothing to train on", [](TuneOptions& o) { o.train = 1e-9; }, "first part"},
           {"no requests", [](TuneOptions& o) { o.open = opener({}); }, "no request"},
           {"a bound, no policy",
            [](TuneOptions& o) {
              o.policies = {{"oracle", {PolicyKind::kOracle, {}}}};
            },
            "policy oracle cannot be tuned"}}) {
    TuneOptions options = two_days(hpa);
    row.change(options);
    auto result = tune(options);
    ASSERT_FALSE(result.has_value()) << row.label;
    EXPECT_THAT(result.error().message, testing::HasSubstr(row.says)) << row.label;
  }
}

TEST(Tune, ReportsOneResultAPolicyAndTheYamlOfTheBest) {
  TuneOptions options = two_days({{"hpa", {PolicyKind::kHpa, {}}}});
  options.most_runs = 10;
  auto result = tune(options);
  auto json = to_json(result->policies[0]);
  for (const char* key : {"policy", "reached", "tunedPolicy", "knobs", "runs", "yaml"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  for (const char* setting : {"untuned", "tuned"}) {
    for (const char* part : {"train", "test"}) {
      const auto& figures = json[setting][part];
      EXPECT_GT(figures["requests"], 0);
      EXPECT_GT(figures["gpuHours"], 0);
    }
  }
  EXPECT_THAT(to_yaml(*result, 0.9), testing::HasSubstr(result->policies[0].yaml));
}

TEST(TuneLog, TellsSearchesWithOtherInputsApart) {
  Outcome outcome{.requests = 10,
                  .met = 9,
                  .gpu_hours = 0.1,
                  .replica_hours = 0.1,
                  .cost_dollars = 1.0 / 3,
                  .ttft_p99_seconds = 2.5,
                  .replicas_peak = 3};
  TuneLog one(1);
  std::string file = one.add("train keda:5", outcome);
  TuneLog same(1), other(2);
  same.read(file);
  other.read(file);
  EXPECT_EQ(same.find("train keda:5"), outcome);
  EXPECT_EQ(same.find("test keda:5"), std::nullopt);
  EXPECT_EQ(other.find("train keda:5"), std::nullopt);
  EXPECT_EQ(other.size(), 0U);
}

TEST(TuneLog, SkipsAndCountsLinesThatCannotBeRead) {
  TuneLog writer(1);
  const std::string a = writer.add("a", {.requests = 1}), b = writer.add("b", {.requests = 2});
  for (std::size_t cut = 0; cut <= a.size(); ++cut) {
    TuneLog log(1);
    log.read(a.substr(0, cut) + "\n" + b);
    bool whole = cut + 1 >= a.size();
    EXPECT_EQ(log.find("a").has_value(), whole) << cut;
    EXPECT_TRUE(log.find("b").has_value()) << cut;
    EXPECT_EQ(log.unreadable(), whole || cut == 0 ? 0 : 1) << cut;
  }
  TuneLog log(1);
  log.read("{}\n[1]\n\"text\"\nnot json\n{\"inputs\": 3}\n\n");
  EXPECT_EQ(log.unreadable(), 5);
}

TEST(Asked, AModelGetsTheRequestsThatNameItOrNobody) {
  spec::Model model = model_with(1, 1);
  model.served_names = {"served"};
  model.adapters = {{"lora", "/x"}};
  Trace trace;
  for (const char* name : {"", "m", "served", "lora", "other", "another"}) {
    trace.push_back(request_at(seconds(1), 1, 1));
    trace.back().model = name;
  }
  auto stream = requests_of(opener(trace), model)();
  std::vector<std::string> names;
  for (workload::TraceRequest r; (*stream)->next(r);) names.push_back(r.model);
  EXPECT_THAT(names, testing::ElementsAre("", "m", "served", "lora"));
  EXPECT_THAT((*stream)->skipped(), testing::HasSubstr("2 requests name other models (\"other\")"));
}

}  // namespace
}  // namespace tidegate::sim
