// The numbers of the first two tests are those of upstream's own: internal/saturation/
// analyzer_test.go of llm-d's workload-variant-autoscaler.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/base/rng.h"
#include "core/policy/policy.h"
#include "core/signal/aggregate.h"

namespace tidegate::policy {
namespace {

Instant at(double s) { return Instant::from_nanos(1'000'000'000'000) + seconds_f(s); }

struct Engine {
  double kv = 0, queue = 0;
};
struct Part {
  double cost = 1;
  std::vector<Engine> engines;
  std::int64_t booting = 0;
};

spec::Model model_of(const std::vector<Part>& parts) {
  spec::Model model;
  model.name = "m";
  model.scaling.policy = spec::PolicyKind::kSaturation;
  model.scaling.environment = spec::Environment::kCost;
  for (const Part& part : parts) {
    spec::Variant variant;
    variant.name = "v" + std::to_string(model.variants.size());
    variant.cost_per_hour_dollars = part.cost;
    variant.max_replicas = Replicas(20);
    model.variants.push_back(variant);
  }
  return model;
}

/// As live and simulator build it: the engines' pages through the one aggregate.
signal::Observation observe(const spec::Model& model, const std::vector<Part>& parts, Instant now,
                            std::int64_t queued = 0, std::int64_t arrived = 1) {
  signal::Observation seen;
  seen.model = model.name;
  seen.gateway = {1, now, signal::Source::kGateway, signal::Freshness::kFresh, 1};
  seen.demand.queued_requests = queued;
  seen.demand.dispatched_requests = 1;
  seen.demand.arrived_total = arrived;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::vector<signal::ReplicaSignals> pages;
    for (const Engine& engine : parts[i].engines) {
      signal::ReplicaSignals page;
      page.at = now;
      page.values[signal::index_of(signal::SignalId::kKvUsage)] = engine.kv;
      page.values[signal::index_of(signal::SignalId::kWaitingRequests)] = engine.queue;
      page.kv_usage_peak = engine.kv;
      page.waiting_peak = engine.queue;
      pages.push_back(page);
    }
    std::vector<const signal::ReplicaSignals*> ready;
    for (const auto& page : pages) ready.push_back(&page);
    signal::Fleet fleet;
    fleet.ready = Replicas(static_cast<std::int64_t>(ready.size()));
    fleet.starting = Replicas(parts[i].booting);
    seen.variants.push_back(signal::aggregate(model.variants[i].name, fleet, ready, now, {},
                                              signal::saturation_rule(model.scaling)));
  }
  return seen;
}

std::vector<std::int64_t> counts(const Recommendation& r) {
  std::vector<std::int64_t> out;
  for (const VariantReplicas& one : r.replicas) out.push_back(one.replicas.value());
  return out;
}
using Counts = std::vector<std::int64_t>;

TEST(Saturation, DecidesAsUpstreamsOwnExamples) {
  struct Row {
    const char* says;
    std::vector<Part> parts;
    Counts replicas;
    ReasonCode why;
  };
  const Row rows[] = {
      {"spare KV 0.045 is under 0.1: one more",
       {{1, {{0.75, 2}, {0.76, 2}}}},
       {3},
       ReasonCode::kSaturation},
      {"spare queue 2 is under 3: one more",
       {{1, {{0.5, 3}, {0.5, 3}}}},
       {3},
       ReasonCode::kSaturation},
      {"room in both, but not for one fewer",
       {{1, {{0.5, 1}, {0.5, 1}}}},
       {2},
       ReasonCode::kWithinTolerance},
      {"three lightly loaded hold as two",
       {{1, {{0.2, 1}, {0.3, 1}, {0.25, 1}}}},
       {2},
       ReasonCode::kConsolidation},
      {"one alone is never taken away", {{1, {{0.1, 0}}}}, {1}, ReasonCode::kWithinTolerance},
      {"all saturated is no spare at all",
       {{1, {{0.85, 2}, {0.5, 6}, {0.9, 7}}}},
       {4},
       ReasonCode::kSaturation},
      {"only the one with room counts: spare KV 0.2, queue 3",
       {{1, {{0.85, 2}, {0.5, 6}, {0.6, 2}}}},
       {3},
       ReasonCode::kWithinTolerance},
      {"up goes to the cheapest",
       {{20, {{0.75, 2}, {0.75, 2}}}, {5, {{0.75, 2}, {0.75, 2}}}, {15, {{0.75, 2}, {0.75, 2}}}},
       {2, 3, 2},
       ReasonCode::kSaturation},
      {"down takes the dearest",
       {{20, {{0.1, 0}, {0.1, 0}}}, {5, {{0.1, 0}, {0.1, 0}}}, {15, {{0.1, 0}, {0.1, 0}}}},
       {1, 2, 2},
       ReasonCode::kConsolidation},
      {"the dearest that has more than one",
       {{20, {{0.1, 0}}}, {5, {{0.1, 0}, {0.1, 0}}}},
       {1, 1},
       ReasonCode::kConsolidation},
      {"one on its way blocks the whole model",
       {{20, {{0.75, 2}, {0.75, 2}}, 1}, {5, {{0.75, 2}, {0.75, 2}}}},
       {3, 2},
       ReasonCode::kScalingInProgress},
      {"the first name on a tie up",
       {{5, {{0.75, 2}}}, {5, {{0.75, 2}}}},
       {2, 1},
       ReasonCode::kSaturation},
      {"the last name on a tie down",
       {{5, {{0.1, 0}, {0.1, 0}}}, {5, {{0.1, 0}, {0.1, 0}}}},
       {2, 1},
       ReasonCode::kConsolidation},
      {"a trigger just met is not missed: 0.8 - 0.7",
       {{1, {{0.7, 0}}}},
       {1},
       ReasonCode::kWithinTolerance},
  };
  for (const Row& row : rows) {
    spec::Model model = model_of(row.parts);
    auto [got, state] = decide(model, observe(model, row.parts, at(0)), {}, at(0));
    EXPECT_EQ(counts(got), row.replicas) << row.says;
    EXPECT_EQ(got.reasons.front().code, row.why)
        << row.says << ": " << token(got.reasons.front().code);
  }
}

TEST(Saturation, DecidesOnceAMinuteAndThenStandsByIt) {
  const std::vector<Part> hot = {{1, {{0.79, 0}, {0.79, 0}}}};
  spec::Model model = model_of(hot);
  State state;
  Recommendation got;
  for (double t = 0; t < 60; ++t) {
    std::tie(got, state) = decide(model, observe(model, hot, at(t)), state, at(t));
    EXPECT_EQ(counts(got), Counts{3}) << t;
  }
  const std::vector<Part> booting = {{1, {{0.79, 0}, {0.79, 0}}, 1}};
  std::tie(got, state) = decide(model, observe(model, booting, at(60)), state, at(60));
  EXPECT_EQ(counts(got), Counts{3}) << "one a minute, and none while one boots";
  const std::vector<Part> still = {{1, {{0.79, 0}, {0.79, 0}, {0.79, 0}}}};
  std::tie(got, state) = decide(model, observe(model, still, at(119)), state, at(119));
  EXPECT_EQ(counts(got), Counts{3});
  std::tie(got, state) = decide(model, observe(model, still, at(120)), state, at(120));
  EXPECT_EQ(counts(got), Counts{4});
}

TEST(Saturation, WhatWaitsAtTheGatewayIsSharedOutForAMinute) {
  const std::vector<Part> calm = {{1, {{0.3, 0}, {0.3, 0}}}};
  spec::Model model = model_of(calm);
  struct Row {
    const char* says;
    std::int64_t queued;
    double seconds_ago;
    std::int64_t replicas;
  };
  for (const Row& row : {
           Row{"4 on 2 leave a spare of 3: room, but not for one fewer", 4, 0, 2},
           Row{"5 on 2 leave 2.5: one more", 5, 0, 3},
           Row{"100 on 2 saturate both", 100, 0, 3},
           Row{"within the minute they count", 100, 55, 3},
           Row{"after it they do not, and one fewer would do", 100, 61, 1},
       }) {
    State state;
    Recommendation got;
    std::tie(got, state) = decide(model, observe(model, calm, at(0), row.queued), {}, at(0));
    double now = row.seconds_ago;
    for (double t = 1; t <= now; ++t) {
      std::tie(got, state) = decide(model, observe(model, calm, at(t)), state, at(t));
    }
    state.saturation->last_cycle = at(now - 60);
    std::tie(got, state) =
        decide(model, observe(model, calm, at(now), now > 0 ? 0 : row.queued), state, at(now));
    EXPECT_EQ(counts(got), Counts{row.replicas}) << row.says;
    EXPECT_LE(state.saturation->queued.size(), 16U) << "state stays small";
  }
}

TEST(Saturation, TheKnobIsTheKvLimit) {
  const std::vector<Part> parts = {{1, {{0.5, 0}}}};
  spec::Model model = model_of(parts);
  model.scaling.policy_knob = 0.55;
  EXPECT_EQ(counts(decide(model, observe(model, parts, at(0)), {}, at(0)).first), Counts{2});
  model.scaling.policy_knob = 0.65;
  EXPECT_EQ(counts(decide(model, observe(model, parts, at(0)), {}, at(0)).first), Counts{1});
}

TEST(Saturation, GoesToZeroAfterTenMinutesAndWakesOneAtOnce) {
  const std::vector<Part> idle = {{1, {{0, 0}}}};
  spec::Model model = model_of(idle);
  State state;
  Recommendation got;
  auto step = [&](double t, const std::vector<Part>& parts, std::int64_t arrived,
                  std::int64_t queued) {
    signal::Observation seen = observe(model, parts, at(t), queued, arrived);
    seen.demand.dispatched_requests = 0;
    std::tie(got, state) = decide(model, seen, state, at(t));
    return counts(got);
  };
  EXPECT_EQ(step(0, idle, 7, 0), Counts{1});
  EXPECT_EQ(step(540, idle, 7, 0), Counts{1});
  EXPECT_EQ(step(600, idle, 7, 0), Counts{0});
  EXPECT_EQ(got.reasons.front().code, ReasonCode::kNoTraffic);
  EXPECT_EQ(step(601, {{1, {}}}, 7, 0), Counts{0});
  EXPECT_EQ(step(602, {{1, {}}}, 8, 40), Counts{1}) << "one, however many wait";
  EXPECT_EQ(got.reasons.front().code, ReasonCode::kActivation);
}

TEST(Saturation, AReplicaThatIsSilentHolds) {
  const std::vector<Part> hot = {{1, {{0.79, 4}, {0.79, 4}}}};
  spec::Model model = model_of(hot);
  signal::Observation seen = observe(model, hot, at(0));
  seen.variants[0].unsaturated_replicas.coverage = 0.5;
  auto [got, state] = decide(model, seen, {}, at(0));
  EXPECT_EQ(counts(got), Counts{2});
  EXPECT_FALSE(got.complete);
  EXPECT_EQ(got.reasons.front().code, ReasonCode::kMissingData);
}

TEST(Saturation, AFullVariantGivesWayToTheNext) {
  const std::vector<Part> parts = {{5, {{0.79, 0}}}, {20, {}}};
  spec::Model model = model_of(parts);
  model.variants[0].max_replicas = Replicas(1);
  EXPECT_EQ(counts(decide(model, observe(model, parts, at(0)), {}, at(0)).first), (Counts{1, 1}));
}

TEST(Saturation, AVariantAtItsMinimumGivesWayToTheNextDearest) {
  const std::vector<Part> parts = {{5, {{0.1, 0}, {0.1, 0}}}, {20, {{0.1, 0}, {0.1, 0}}}};
  spec::Model model = model_of(parts);
  model.variants[1].min_replicas = Replicas(2);
  EXPECT_EQ(counts(decide(model, observe(model, parts, at(0)), {}, at(0)).first), (Counts{1, 2}));
}

/// The law as upstream writes it, replica by replica, against the aggregates.
TEST(SaturationProperty, TheAggregatesSayWhatTheReplicasDo) {
  Rng rng(3, "saturation");
  int ups = 0, downs = 0;
  for (int round = 0; round < 3'000; ++round) {
    const double calm = rng.uniform();
    std::vector<Part> parts = {{1, {}}};
    const std::uint64_t size = 1 + rng.below(6);
    double kv = 0, queue = 0, n = 0;
    for (std::uint64_t i = 0; i < size; ++i) {
      Engine e{rng.uniform() * calm, static_cast<double>(rng.below(calm < 0.5 ? 2 : 7))};
      parts[0].engines.push_back(e);
      if (e.kv >= 0.8 || e.queue >= 5) continue;
      kv += 0.8 - e.kv;
      queue += 5 - e.queue;
      ++n;
    }
    if (n > 0) kv /= n, queue /= n;
    std::int64_t expected = static_cast<std::int64_t>(size);
    if (kv < 0.1 || queue < 3) {
      ++expected, ++ups;
    } else if (n >= 2 && size > 1) {
      double f = n / (n - 1);
      if (0.8 - (0.8 - kv) * f >= 0.1 && 5 - (5 - queue) * f >= 3) --expected, ++downs;
    }
    spec::Model model = model_of(parts);
    auto [got, state] = decide(model, observe(model, parts, at(0)), {}, at(0));
    ASSERT_EQ(counts(got), Counts{expected}) << round;
  }
  EXPECT_GT(ups, 300);
  EXPECT_GT(downs, 300);
}

}  // namespace
}  // namespace tidegate::policy
