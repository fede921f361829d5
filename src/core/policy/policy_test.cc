#include "core/policy/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/rng.h"

namespace tidegate::policy {
namespace {

using signal::Freshness;
using spec::PolicyKind;

Instant at(double s) { return Instant::from_nanos(1'000'000'000'000) + seconds_f(s); }

signal::Signal fresh(double value, double coverage = 1) {
  signal::Signal out;
  out.value = value;
  out.source = signal::Source::kGateway;
  out.freshness = Freshness::kFresh;
  out.coverage = coverage;
  return out;
}

spec::Model model_with(PolicyKind policy, std::vector<double> costs = {1}) {
  spec::Model model;
  model.name = "m";
  model.scaling.policy = policy;
  model.scaling.environment = spec::Environment::kCost;
  model.scaling.concurrency_target = 10;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    spec::Variant variant;
    variant.name = "v" + std::to_string(i);
    variant.cost_per_hour_dollars = costs[i];
    variant.max_replicas = Replicas(100);
    model.variants.push_back(variant);
  }
  return model;
}

struct World {
  std::int64_t ready = 0, booting = 0;
  std::int64_t queued = 0, dispatched = 0;
  double kv = 0;
  std::int64_t arrived = 0;
  bool gateway = true;
};

signal::Observation observe(const spec::Model& model, const World& world) {
  signal::Observation seen;
  seen.model = model.name;
  if (world.gateway) seen.gateway = fresh(0);
  seen.demand.queued_requests = world.queued;
  seen.demand.dispatched_requests = world.dispatched;
  seen.demand.arrived_total = world.arrived;
  for (std::size_t i = 0; i < model.variants.size(); ++i) {
    signal::VariantObservation variant;
    variant.variant = model.variants[i].name;
    if (i == 0) {
      variant.fleet.ready = Replicas(world.ready);
      variant.fleet.starting = Replicas(world.booting);
      if (world.ready > 0) {
        variant.kv_usage = fresh(world.kv);
        variant.running_requests = fresh(static_cast<double>(world.dispatched));
        variant.engine_waiting_requests = fresh(0);
      }
    }
    seen.variants.push_back(variant);
  }
  return seen;
}

std::int64_t total(const Recommendation& recommended) {
  std::int64_t sum = 0;
  for (const VariantReplicas& one : recommended.replicas) sum += one.replicas.value();
  return sum;
}

/// Runs the policy each second from `from` to `to` in the same world; the last recommendation.
Recommendation hold_world(const spec::Model& model, const World& world, State& state, double from,
                          double to) {
  Recommendation last;
  for (double t = from; t <= to; t += 1) {
    std::tie(last, state) = decide(model, observe(model, world), state, at(t));
  }
  return last;
}

TEST(Policy, KnowsExactlyThoseThatAreBuilt) {
  for (PolicyKind kind : {PolicyKind::kStatic, PolicyKind::kConcurrency, PolicyKind::kHpa,
                          PolicyKind::kKeda, PolicyKind::kKpa, PolicyKind::kTargetTracking,
                          PolicyKind::kSaturation, PolicyKind::kPlanner, PolicyKind::kTide}) {
    EXPECT_TRUE(is_built(kind)) << token(kind);
  }
  for (PolicyKind kind : {PolicyKind::kOracle}) {
    EXPECT_FALSE(is_built(kind)) << token(kind);
    spec::Model model = model_with(kind);
    auto [held, state] = decide(model, observe(model, World{3, 1}), {}, at(0));
    EXPECT_EQ(total(held), 4) << token(kind);
    EXPECT_EQ(held.reasons.front().code, ReasonCode::kNoChange);
  }
}

struct LawRow {
  const char* says;
  PolicyKind policy;
  World world;
  double seconds;  ///< how long the world has been like this
  std::int64_t replicas;
};

TEST(Policy, LawsGiveThePublishedNumbers) {
  const LawRow rows[] = {
      {"static without a knob is minReplicas", PolicyKind::kStatic, {7, 0, 50, 50}, 0, 0},
      {"70 in flight at 10 * 0.7 are ten replicas, without rounding up the noise",
       PolicyKind::kConcurrency,
       {1, 0, 35, 35},
       60,
       10},
      {"71 in flight are one more", PolicyKind::kConcurrency, {1, 0, 36, 35}, 60, 11},
      {"nothing in flight, known at the gateway, is none", PolicyKind::kConcurrency, {3}, 60, 0},
      {"what is queued at zero starts what holds all of it",
       PolicyKind::kConcurrency,
       {0, 0, 50, 0},
       0,
       8},
      {"hpa shares in-flight over target, ceil(50 / 7)", PolicyKind::kHpa, {2, 0, 25, 25}, 0, 8},
      {"hpa keeps within a tenth of the target", PolicyKind::kHpa, {10, 0, 0, 76}, 0, 10},
      {"hpa goes up past the tenth", PolicyKind::kHpa, {10, 0, 0, 78}, 0, 12},
      {"hpa counts what is booting and does not order it again",
       PolicyKind::kHpa,
       {2, 6, 25, 25},
       0,
       8},
      {"keda from zero wakes one, however many wait", PolicyKind::kKeda, {0, 0, 50, 0}, 0, 1},
      {"keda shares what waits by five", PolicyKind::kKeda, {2, 0, 50, 20, 0.1}, 0, 10},
      {"keda takes the larger of queue and KV", PolicyKind::kKeda, {4, 0, 1, 20, 1.0}, 0, 5},
      {"keda stays at one while nothing waits", PolicyKind::kKeda, {3, 0, 0, 0, 0.0}, 0, 1},
      {"keda goes to zero after the cool-down of 300 s", PolicyKind::kKeda, {1}, 330, 0},
      {"keda stays before it", PolicyKind::kKeda, {1}, 290, 1},
      {"kpa panics on six seconds", PolicyKind::kKpa, {1, 0, 70, 0}, 6, 10},
      {"kpa halves at most", PolicyKind::kKpa, {8, 0, 0, 7}, 200, 4},
      {"kpa keeps the last for the grace of 30 s", PolicyKind::kKpa, {1}, 29, 1},
      {"kpa lets it go after", PolicyKind::kKpa, {1}, 31, 0},
      {"target tracking waits for three datapoints",
       PolicyKind::kTargetTracking,
       {2, 0, 0, 70},
       119,
       2},
      {"and then takes one step to what is needed",
       PolicyKind::kTargetTracking,
       {2, 0, 0, 70},
       120,
       10},
      {"target tracking goes in after fifteen", PolicyKind::kTargetTracking, {8, 0, 0, 14}, 841, 2},
      {"and not before", PolicyKind::kTargetTracking, {8, 0, 0, 14}, 839, 8},
      {"target tracking rests between 0.9 and 1 of the target",
       PolicyKind::kTargetTracking,
       {10, 0, 0, 66},
       1200,
       10},
  };
  for (const LawRow& row : rows) {
    spec::Model model = model_with(row.policy);
    State state;
    Recommendation last = hold_world(model, row.world, state, 0, row.seconds);
    EXPECT_EQ(total(last), row.replicas) << row.says;
    EXPECT_TRUE(last.complete) << row.says;
  }
}

TEST(Policy, TheKnobIsTheMainNumberOfEach) {
  struct Row {
    const char* says;
    PolicyKind policy;
    double knob;
    std::int64_t replicas;
  };
  const Row rows[] = {
      {"static:4 is four", PolicyKind::kStatic, 4, 4},
      {"concurrency:5 holds 40 with ceil(40 / 3.5)", PolicyKind::kConcurrency, 5, 12},
      {"hpa:20 is twenty a replica", PolicyKind::kHpa, 20, 2},
      {"keda:10 is ten waiting a replica", PolicyKind::kKeda, 10, 2},
  };
  for (const Row& row : rows) {
    spec::Model model = model_with(row.policy);
    model.scaling.policy_knob = row.knob;
    State state;
    EXPECT_EQ(total(hold_world(model, World{1, 0, 20, 20}, state, 0, 0)), row.replicas) << row.says;
  }
}

TEST(Policy, ConcurrencyAveragesOverItsWindow) {
  spec::Model model = model_with(PolicyKind::kConcurrency);
  State state;
  hold_world(model, World{2, 0, 0, 14}, state, 0, 60);
  Recommendation burst = hold_world(model, World{2, 0, 0, 140}, state, 61, 61);
  EXPECT_EQ(total(burst), 2);  // the burst has lasted no time yet
  Recommendation half = hold_world(model, World{2, 0, 0, 140}, state, 62, 91);
  EXPECT_EQ(total(half), 11);  // half a window at 14, half at 140: 77 / 7
  Recommendation whole = hold_world(model, World{2, 0, 0, 140}, state, 92, 125);
  EXPECT_EQ(total(whole), 20);
}

TEST(Policy, KpaDoesNotLowerInPanicAndLeavesItAfterOneWindow) {
  spec::Model model = model_with(PolicyKind::kKpa);
  State state;
  hold_world(model, World{1, 0, 0, 5}, state, 0, 60);
  EXPECT_EQ(total(hold_world(model, World{1, 0, 70, 5}, state, 61, 67)), 11);
  EXPECT_EQ(total(hold_world(model, World{11, 0, 0, 5}, state, 68, 120)), 11);
  EXPECT_EQ(total(hold_world(model, World{11, 0, 0, 5}, state, 121, 200)), 5);  // floor(11 / 2)
}

TEST(Policy, MissingDataHoldsAndSaysSo) {
  for (PolicyKind kind : {PolicyKind::kConcurrency, PolicyKind::kHpa, PolicyKind::kKeda,
                          PolicyKind::kKpa, PolicyKind::kTargetTracking, PolicyKind::kSaturation}) {
    spec::Model model = model_with(kind);
    signal::Observation nothing = observe(model, World{});
    nothing.gateway = {};
    nothing.variants[0].fleet.ready = Replicas(5);
    auto [held, state] = decide(model, nothing, {}, at(0));
    EXPECT_EQ(total(held), 5) << token(kind);
    EXPECT_FALSE(held.complete) << token(kind);
  }
}

TEST(Policy, StaleDataIsUsedAndMarked) {
  for (PolicyKind kind : {PolicyKind::kConcurrency, PolicyKind::kHpa, PolicyKind::kKpa}) {
    spec::Model model = model_with(kind);
    signal::Observation seen = observe(model, World{1, 0, 70, 0});
    seen.gateway.freshness = Freshness::kStale;
    auto [asked, state] = decide(model, seen, {}, at(0));
    EXPECT_GT(total(asked), 1) << token(kind);
    EXPECT_FALSE(asked.complete) << token(kind);
  }
}

TEST(Policy, WithoutAGatewayTheLastReplicaStays) {
  spec::Model model = model_with(PolicyKind::kConcurrency);
  State state;
  World idle{2};
  idle.gateway = false;
  EXPECT_EQ(total(hold_world(model, idle, state, 0, 120)), 1);
}

TEST(Policy, AnyMetricCombinesByMaximum) {
  spec::Model model = model_with(PolicyKind::kHpa);
  spec::MetricSpec rate, tokens, prom;
  rate.signal = spec::SignalName::kRequestRate;
  rate.target = 2;
  tokens.signal = spec::SignalName::kQueueTokens;
  tokens.target = 1000;
  prom.promql = "sum(up)";
  prom.target = 3;
  model.scaling.metrics = {rate, tokens, prom};
  signal::Observation seen = observe(model, World{2});
  seen.demand.queued_tokens = 4500;
  seen.metrics = {{}, {}, fresh(33)};
  auto [first, state] = decide(model, seen, {}, at(0));
  EXPECT_EQ(total(first), 11);
  EXPECT_FALSE(first.complete);  // a rate needs two readings
  seen.demand.arrived_total = 20 * 20;
  auto [second, after] = decide(model, seen, state, at(20));
  EXPECT_TRUE(second.complete);
  EXPECT_EQ(total(second), 11);
  EXPECT_EQ(second.reasons.size(), 3u);
  seen.metrics[2] = {};  // one metric is gone, the rest would go up to 10: up is allowed
  seen.demand.arrived_total += 20 * 20;
  auto [third, last] = decide(model, seen, after, at(40));
  EXPECT_EQ(total(third), 10);
  EXPECT_FALSE(third.complete);
  seen.variants[0].fleet.ready = Replicas(20);  // and down is not
  auto [fourth, end] = decide(model, seen, last, at(60));
  EXPECT_EQ(total(fourth), 20);
  EXPECT_FALSE(fourth.complete);
}

/// Two histories alike up to the last moment; there one has more load.
TEST(PolicyProperty, MoreLoadNeverRecommendsFewer) {
  for (PolicyKind kind : {PolicyKind::kStatic, PolicyKind::kConcurrency, PolicyKind::kHpa,
                          PolicyKind::kKeda, PolicyKind::kKpa, PolicyKind::kTargetTracking}) {
    Rng rng(11, token(kind));
    for (int round = 0; round < 300; ++round) {
      spec::Model model = model_with(
          kind, rng.below(2) == 0 ? std::vector<double>{1} : std::vector<double>{2, 1, 5});
      State less, more;
      Recommendation a, b;
      std::int64_t extra = static_cast<std::int64_t>(rng.below(60));
      double start = 0;
      for (int step = 0; step < 12; ++step) {
        World world{static_cast<std::int64_t>(rng.below(9)),
                    static_cast<std::int64_t>(rng.below(3)),
                    static_cast<std::int64_t>(rng.below(80)),
                    static_cast<std::int64_t>(rng.below(80)),
                    rng.uniform(),
                    step * 10};
        World loaded = world;
        loaded.queued += extra;
        loaded.dispatched += extra / 2;
        loaded.kv = std::min(1.0, world.kv + 0.01 * static_cast<double>(extra));
        start += static_cast<double>(rng.below(40) + 1);
        auto before = less;
        std::tie(a, less) = decide(model, observe(model, world), before, at(start));
        std::tie(b, more) = decide(model, observe(model, loaded), before, at(start));
        ASSERT_GE(total(b), total(a)) << token(kind) << " round " << round << " step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace tidegate::policy
