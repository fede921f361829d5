// tide beside its pool, decision by decision: what sleeps in the place of replicas awake, and what
// is held for a while because it was let go too early before.

#include <gtest/gtest.h>

#include "core/policy/tide_bench_for_test.h"

namespace tidegate::policy {
namespace {

/// A bench with a pool of ten, asleep at `share` of the price of one awake.
Bench with_pool(double share) {
  Bench bench;
  spec::Variant& v = bench.model.variants[0];
  v.warm_pool.max_replicas = Replicas(10);
  v.warm_pool.cost_per_hour_dollars = share * v.cost_per_hour_dollars;
  v.cold_start.wake_level1 = spec::Spread{seconds(5), seconds(5), {}};
  return bench;
}
std::int64_t asleep(const Recommendation& r) { return r.replicas.at(0).asleep.value(); }

/// Crowds of 160 requests/s every quarter of an hour, then calm: what a lead time may bring is more
/// than what is there. The fleet is what was asked for.
Recommendation after_crowds(Bench& bench) {
  Recommendation out;
  auto follow = [&](double rate, int seconds) {
    for (int i = 0; i < seconds; ++i) {
      out = bench.step(rate);
      bench.seen.variants[0].fleet.ready = std::max(out.replicas[0].replicas, Replicas(1));
    }
  };
  for (int i = 0; i < 4; ++i) {
    follow(25, 700);
    follow(160, 200);
  }
  follow(25, 400);
  return out;
}

/// What is asked for next where there is no pool.
std::int64_t needed() {
  Bench bench;
  after_crowds(bench);
  return asked(bench.step(25));
}

TEST(TideDozing, WhatOnlyAColdStartFromNowMayNeedSleeps) {
  Bench none_yet = with_pool(0.1), some = with_pool(0.1);
  after_crowds(none_yet);
  EXPECT_EQ(asked(none_yet.step(25)), needed()) << "nothing is asleep yet that could stand in";
  after_crowds(some);
  some.seen.variants[0].fleet.sleeping = Replicas(10);
  const Recommendation r = some.step(25);
  EXPECT_TRUE(gives(r, ReasonCode::kWarmPool));
  EXPECT_LT(asked(r), needed()) << "the crowds are remembered, and sleep";
  EXPECT_GE(asked(r), 2) << "the load of now, and chance";
  EXPECT_GE(asked(r) + asleep(r), needed());
}

TEST(TideDozing, NoMoreThanSleepsAlready) {
  Bench bench = with_pool(0.1);
  after_crowds(bench);
  bench.seen.variants[0].fleet.sleeping = Replicas(1);
  EXPECT_EQ(asked(bench.step(25)), needed() - 1);
}

TEST(TideDozing, ASleeperAtThePriceOfOneAwakeStandsInForNone) {
  Bench bench = with_pool(1);
  after_crowds(bench);
  bench.seen.variants[0].fleet.sleeping = Replicas(10);
  EXPECT_EQ(asked(bench.step(25)), needed());
}

TEST(TideDozing, WhoWakesNoSoonerThanAStartStandsInForNone) {
  Bench bench = with_pool(0.1);
  bench.model.variants[0].cold_start.wake_level1 = spec::Spread{seconds(100), seconds(100), {}};
  after_crowds(bench);
  bench.seen.variants[0].fleet.sleeping = Replicas(10);
  const Recommendation r = bench.step(25);
  EXPECT_EQ(asked(r), needed());
  EXPECT_EQ(asleep(r), 0);
}

TEST(TideDozing, MissingDataStopsNoSleeper) {
  Bench bench = with_pool(0.1);
  after_crowds(bench);
  bench.seen.variants[0].fleet.sleeping = Replicas(9);
  bench.seen.gateway.freshness = signal::Freshness::kStale;
  EXPECT_GE(asleep(bench.again()), 9);
}

TEST(TideDozing, ACrowdIsMetByWakingNotByOrderingItAgain) {
  Bench bench = with_pool(0.1);
  after_crowds(bench);
  signal::Fleet& fleet = bench.seen.variants[0].fleet;
  fleet.ready = Replicas(3);
  fleet.sleeping = Replicas(10);
  bench.run(25, 5);
  const std::int64_t first = asked(bench.run(160, 8));
  ASSERT_GT(first, 6);
  fleet.starting = Replicas(first - 3);
  fleet.sleeping = Replicas(13 - first);
  bench.seen.demand.queued_requests = 100;
  for (int i = 0; i < 4; ++i) EXPECT_LE(asked(bench.step(160)), first + 4) << "second " << i;
}

}  // namespace
}  // namespace tidegate::policy
