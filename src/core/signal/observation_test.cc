#include "core/signal/observation.h"

#include <gtest/gtest.h>

#include "core/signal/aggregate.h"

namespace tidegate::signal {
namespace {

Instant at(std::int64_t s) { return Instant::from_nanos(s * 1'000'000'000); }
constexpr FreshnessRule kRule{seconds(3), seconds(10)};

Signal engine(double value, double coverage = 1.0, Freshness f = Freshness::kFresh) {
  return {value, at(5), Source::kEngine, f, coverage};
}
Signal gateway() { return {1, at(6), Source::kGateway, Freshness::kFresh, 1.0}; }
VariantObservation variant(int ready, Signal waiting, Signal running) {
  VariantObservation v;
  v.fleet.ready = Replicas(ready);
  v.engine_waiting_requests = waiting;
  v.running_requests = running;
  return v;
}

struct Row {
  const char* sentence;
  Signal gateway;
  std::vector<VariantObservation> variants;
  Signal waiting, in_flight;  // value, freshness and coverage are compared
};

TEST(Observation, WaitingAndInFlightAreWhatTheHeaderSays) {
  const Demand demand{.queued_requests = 20, .dispatched_requests = 50};
  const Signal none;
  const Row rows[] = {
      {"nobody knows anything", none, {variant(2, none, none)}, none, none},
      {"no variants, no gateway", none, {}, none, none},
      {"engines alone: their waiting, and running beside it",
       none,
       {variant(2, engine(3), engine(40))},
       engine(3),
       engine(43)},
      {"variants add up",
       none,
       {variant(1, engine(3), engine(4)), variant(1, engine(5), engine(6))},
       engine(8),
       engine(18)},
      {"a variant nobody heard takes its share of coverage",
       none,
       {variant(1, engine(3), engine(4)), variant(3, none, none)},
       engine(3, 0.25),
       engine(7, 0.25)},
      {"a variant without replicas says nothing either way",
       none,
       {variant(1, engine(3), engine(4)), variant(0, none, none)},
       engine(3),
       engine(7)},
      {"the staler part makes the whole stale",
       none,
       {variant(1, engine(3), engine(4)), variant(1, engine(1, 1, Freshness::kStale), engine(1))},
       engine(4, 1, Freshness::kStale),
       engine(9, 1, Freshness::kStale)},
      {"running unknown: a lower bound without coverage",
       none,
       {variant(1, engine(3), none)},
       engine(3),
       engine(3, 0)},
      {"gateway in front: engines' waiting is added to the queue, not to in-flight",
       gateway(),
       {variant(2, engine(3), engine(40))},
       engine(23),
       engine(70)},
      {"gateway in front, engines unheard: the queue is a lower bound of waiting",
       gateway(),
       {variant(2, none, none)},
       engine(20, 0),
       engine(70)},
      {"gateway in front, no engines: the queue is all that waits",
       gateway(),
       {variant(0, none, none)},
       engine(20),
       engine(70)},
      {"gateway in front, half of the replicas heard",
       gateway(),
       {variant(2, engine(3, 0.5), none)},
       engine(23, 0.5),
       engine(70)},
  };
  for (const Row& row : rows) {
    Observation o;
    o.gateway = row.gateway;
    o.demand = demand;
    o.variants = row.variants;
    for (auto [got, expected] : {std::pair(waiting_requests(o), row.waiting),
                                 std::pair(in_flight_requests(o), row.in_flight)}) {
      EXPECT_EQ(got.freshness, expected.freshness) << row.sentence;
      EXPECT_EQ(got.value, expected.value) << row.sentence;
      EXPECT_DOUBLE_EQ(got.coverage, expected.coverage) << row.sentence;
    }
  }
}

TEST(Observation, WhatAnotherFrontQueuesWaitsAndIsInFlight) {
  Observation o;
  o.variants = {variant(2, engine(3), engine(40))};
  o.front_waiting_requests = engine(7);
  EXPECT_EQ(waiting_requests(o).value, 10);
  EXPECT_EQ(in_flight_requests(o).value, 50);
  EXPECT_TRUE(in_flight_requests(o).complete());
  o.variants = {variant(0, {}, {})};
  EXPECT_EQ(waiting_requests(o).value, 7);
  EXPECT_EQ(in_flight_requests(o).value, 7);
  EXPECT_TRUE(waiting_requests(o).complete()) << "there are no engines that could queue";
  o.variants = {variant(2, {}, {})};
  EXPECT_EQ(waiting_requests(o).coverage, 0) << "a lower bound";
}

ReplicaSignals replica(Instant heard, double running, double waiting, double kv) {
  ReplicaSignals s;
  s.at = heard;
  s.values[index_of(SignalId::kRunningRequests)] = running;
  s.values[index_of(SignalId::kWaitingRequests)] = waiting;
  s.values[index_of(SignalId::kKvUsage)] = kv;
  s.kv_usage_peak = kv;
  s.waiting_peak = waiting;
  s.rates[index_of(SignalId::kPreemptions) - kGaugeCount] = 2;
  return s;
}

TEST(Aggregate, SumsMeansAndMaximaOverTheReplicasHeard) {
  ReplicaSignals a = replica(at(9), 10, 1, 0.25), b = replica(at(6), 20, 2, 0.75);
  b.values[index_of(SignalId::kWaitingAsideRequests)] = 4;
  const ReplicaSignals* both[] = {&a, &b};
  VariantObservation v = aggregate("h100", {.ready = Replicas(2)}, both, at(10), kRule);
  EXPECT_EQ(v.variant, "h100");
  EXPECT_EQ(v.running_requests, (Signal{30, at(6), Source::kEngine, Freshness::kStale, 1.0}));
  EXPECT_EQ(v.engine_waiting_requests.value, 7);
  EXPECT_EQ(v.kv_usage.value, 0.5);
  EXPECT_EQ(v.kv_usage_max.value, 0.75);
  EXPECT_EQ(v.preemptions_per_second.value, 4);
  EXPECT_TRUE(v.output_tokens_per_second.absent());
}

TEST(Aggregate, SaysHowManyWereHeardAndNeverFillsIn) {
  ReplicaSignals a = replica(at(10), 10, 1, 0.25), old = replica(at(0), 99, 99, 0.99);
  const ReplicaSignals* some[] = {&a, nullptr, &old, nullptr};
  VariantObservation v = aggregate("h100", {.ready = Replicas(4)}, some, at(10), kRule);
  EXPECT_EQ(v.running_requests, (Signal{10, at(10), Source::kEngine, Freshness::kFresh, 0.25}));
  EXPECT_FALSE(v.running_requests.complete());
  EXPECT_EQ(v.kv_usage.value, 0.25);
  const ReplicaSignals* nobody[] = {nullptr, nullptr};
  EXPECT_TRUE(aggregate("h100", {}, nobody, at(10), kRule).running_requests.absent());
}

TEST(Aggregate, OverNoReplicasASumIsATrueZeroAndAMeanIsUnknown) {
  VariantObservation v = aggregate("h100", {}, {}, at(10), kRule);
  EXPECT_TRUE(v.running_requests.complete());
  EXPECT_EQ(v.running_requests.value, 0);
  EXPECT_TRUE(v.kv_usage.absent());
}

TEST(Aggregate, PrefixHitsAreWhatTheEngineServedElseWhatItsCacheCounted) {
  struct Row {
    const char* label;
    std::vector<std::pair<SignalId, double>> counters;  ///< rates of both replicas
    double query, hit;                                  ///< negative: absent
  };
  using S = SignalId;
  const Row rows[] = {
      {"an engine that says neither", {{S::kPromptTokens, 100}}, -1, -1},
      {"the cache's own look-ups and hits",
       {{S::kPrefixQueryTokens, 90}, {S::kPrefixHitTokens, 30}},
       180,
       60},
      {"prompts served, and what of them was cached, win",
       {{S::kPromptTokens, 100},
        {S::kCachedPromptTokens, 40},
        {S::kPrefixQueryTokens, 130},
        {S::kPrefixHitTokens, 70}},
       200,
       80},
  };
  for (const Row& row : rows) {
    ReplicaSignals r = replica(at(10), 1, 0, 0.5);
    for (auto [id, rate] : row.counters) {
      r.values[index_of(id)] = 1e6;
      r.rates[index_of(id) - kGaugeCount] = rate;
    }
    const ReplicaSignals* both[] = {&r, &r};
    VariantObservation v = aggregate("h100", {.ready = Replicas(2)}, both, at(10), kRule);
    for (const auto& [got, expected] : {std::pair(v.prefix_query_tokens_per_second, row.query),
                                        std::pair(v.prefix_hit_tokens_per_second, row.hit)}) {
      EXPECT_EQ(got.absent(), expected < 0) << row.label;
      if (!got.absent()) {
        EXPECT_EQ(got.value, expected) << row.label;
      }
    }
  }
}

TEST(Aggregate, SpareIsTheMeanOverReplicasThatHaveRoom) {
  ReplicaSignals calm = replica(at(10), 1, 0, 0.5), busy = replica(at(10), 9, 4, 0.7);
  ReplicaSignals full = replica(at(10), 9, 0, 0.8), queued = replica(at(10), 9, 5, 0.1);
  ReplicaSignals was_full = replica(at(10), 0, 0, 0.1);
  was_full.kv_usage_peak = 0.95;
  struct Row {
    const char* sentence;
    std::vector<const ReplicaSignals*> ready;
    double unsaturated, coverage, spare_kv, spare_waiting;  ///< spare_kv < 0: absent
  };
  const Row rows[] = {
      {"two have room", {&calm, &busy}, 2, 1, 0.2, 3},
      {"KV at its limit is no room", {&calm, &full}, 1, 1, 0.3, 5},
      {"a queue at its limit is no room", {&calm, &queued}, 1, 1, 0.3, 5},
      {"nor is what was over it within the minute", {&calm, &was_full}, 1, 1, 0.3, 5},
      {"none has room", {&full, &queued}, 0, 1, -1, -1},
      {"one was never heard", {&calm, nullptr}, 1, 0.5, 0.3, 5},
      {"none there", {}, 0, 1, -1, -1},
  };
  for (const Row& row : rows) {
    VariantObservation v = aggregate("h100", {}, row.ready, at(10), kRule);
    EXPECT_EQ(v.unsaturated_replicas.value, row.unsaturated) << row.sentence;
    EXPECT_EQ(v.unsaturated_replicas.coverage, row.coverage) << row.sentence;
    EXPECT_EQ(v.spare_kv_usage.absent(), row.spare_kv < 0) << row.sentence;
    if (row.spare_kv < 0) continue;
    EXPECT_DOUBLE_EQ(v.spare_kv_usage.value, row.spare_kv) << row.sentence;
    EXPECT_DOUBLE_EQ(v.spare_waiting.value, row.spare_waiting) << row.sentence;
  }
  const ReplicaSignals* three[] = {&calm, &busy, &full};
  VariantObservation v = aggregate("h100", {}, three, at(10), kRule, {0.6, 5});
  EXPECT_EQ(v.unsaturated_replicas.value, 1) << "the limit is the policy's knob";
  EXPECT_EQ(v.kv_usage_min.value, 0.5);
  EXPECT_EQ(v.engine_waiting_min.value, 0);
  EXPECT_EQ(v.engine_waiting_max.value, 4);
}

TEST(KvCapacity, IsWhatTheEngineSaysOrNothing) {
  ReplicaSignals page;
  EXPECT_FALSE(kv_capacity_tokens(page)) << "unknown is not zero";
  page.values[index_of(SignalId::kKvTotalBlocks)] = 2588;
  EXPECT_FALSE(kv_capacity_tokens(page)) << "blocks of unknown size";
  page.values[index_of(SignalId::kKvBlockTokens)] = 16;
  EXPECT_EQ(kv_capacity_tokens(page), 41408);
  page.values[index_of(SignalId::kKvTotalTokens)] = 40000;
  EXPECT_EQ(kv_capacity_tokens(page), 40000) << "the engine's own total wins";
  page.values[index_of(SignalId::kKvTotalTokens)] = 0;
  EXPECT_FALSE(kv_capacity_tokens(page)) << "a capacity of nothing is a lie";
}

}  // namespace
}  // namespace tidegate::signal
