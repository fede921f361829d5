// tide, decision by decision: its parts by closed forms, and its promises on worlds made by hand.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/policy/tide_bench_for_test.h"
#include "core/policy/tide_capacity.h"
#include "core/policy/tide_staffing.h"
#include "core/spec/cron.h"

namespace tidegate::policy {
namespace {

double each(const spec::Model& model) {
  return tide_capacity(model, model.variants[0], {}, {500, 200}, 0.99).requests_per_second;
}

TEST(TideStaffing, NormalDistributionInvertsItsQuantile) {
  for (double p = 0.01; p < 1; p += 0.01) EXPECT_NEAR(normal_cdf(normal_quantile(p)), p, 1e-6);
}

TEST(TideStaffing, WhereNobodyMayWaitItIsTheSquareRootRule) {
  // 100 in service on average, deviation 10, 8.4 of a mean over a life: 119.5 places.
  EXPECT_NEAR(staffed_rate({.rate = 10, .service_seconds = 10, .share = 0.99}), 11.954, 0.001);
}

TEST(TideStaffing, GrowsWithRateErrorDispersionAndShareAndFallsWithPatience) {
  StaffingAsk ask{
      .rate = 5, .error = 0.5, .dispersion = 1, .service_seconds = 8, .wait_seconds = 1};
  const double base = staffed_rate(ask);
  EXPECT_GT(base, ask.rate);
  struct Row {
    const char* says;
    StaffingAsk more;
  };
  std::vector<Row> rows(5, Row{"", ask});
  rows[0] = {"more load", ask}, rows[0].more.rate = 5.1;
  rows[1] = {"a worse forecast", ask}, rows[1].more.error = 0.6;
  rows[2] = {"burstier arrivals", ask}, rows[2].more.dispersion = 1.5;
  rows[3] = {"a higher percentile", ask}, rows[3].more.share = 0.995;
  rows[4] = {"less patience", ask}, rows[4].more.wait_seconds = 0.5;
  for (const Row& row : rows) EXPECT_GT(staffed_rate(row.more), base) << row.says;
}

TEST(Tide, HoldsUntilItHasSeenABinAndThenSizesForTheRate) {
  Bench bench;
  EXPECT_EQ(asked(bench.step(40)), 1) << "one reading says nothing";
  bench.seen.variants[0].fleet.ready = Replicas(5);  // else what waits by then is ordered for, too
  const Recommendation later = bench.run(40, 600);
  EXPECT_TRUE(gives(later, ReasonCode::kForecast));
  const double least = 40 / each(bench.model);
  EXPECT_GE(static_cast<double>(asked(later)), least);
  EXPECT_LE(static_cast<double>(asked(later)), 1.6 * least + 1);
}

TEST(Tide, ABurstIsOrderedForWithinSecondsAndAJumpIsAnyNumber) {
  Bench bench;
  bench.run(8, 600);
  const std::int64_t before = asked(bench.step(8));
  EXPECT_GE(asked(bench.run(160, 10)), before + 5);
}

TEST(Tide, ARiseIsOrderedForBeforeItIsThereAndWithoutAForecastWhenItIs) {
  auto climbed = [](spec::TidePart without) {
    Bench bench;
    bench.model.scaling.tide_without = without;
    bench.seen.variants[0].fleet.ready = Replicas(100);  // what is asked is the forecast's alone
    bench.run(40, 1'800);
    for (int i = 0; i < 1'200; ++i) bench.step(40 + 0.1 * i);
    return evidence_of(bench.step(160), "last_forecast_requests_per_second");
  };
  EXPECT_LT(climbed(spec::TidePart::kForecast), 160) << "the mean of the last minute";
  const double ahead = climbed(spec::TidePart::kNone);
  EXPECT_GT(ahead, 160) << "a lead time of 100 s from now it will be 170";
  EXPECT_LE(ahead, 171);
}

TEST(Tide, PendingCapacityIsNotOrderedAgain) {
  Bench bench;
  bench.run(20, 600);
  bench.seen.demand.queued_requests = 500;
  const std::int64_t first = asked(bench.step(20));
  ASSERT_GT(first, 2);
  bench.seen.variants[0].fleet.starting = Replicas(first - 1);
  for (int i = 0; i < 20; ++i) EXPECT_LE(asked(bench.step(20)), first) << "second " << i;
}

TEST(Tide, StaysUntilTheLoadOfTwoLeadTimesFitsIntoFewer) {
  Bench bench;
  bench.seen.variants[0].fleet.ready = Replicas(20);
  const Recommendation calm = bench.run(60, 900);
  EXPECT_TRUE(calm.complete);
  EXPECT_LT(asked(calm), 20);
  bench.seen.variants[0].fleet.ready = calm.replicas[0].replicas;
  EXPECT_EQ(asked(bench.run(60, 600)), asked(calm)) << "and then it rests";
}

TEST(Tide, ZeroIsForSilenceKnownAtTheGateway) {
  Bench bench;
  bench.run(5, 300);
  EXPECT_GE(asked(bench.run(0, 60)), 1);
  const Recommendation silent = bench.run(0, 200);
  EXPECT_EQ(asked(silent), 0);
  EXPECT_TRUE(gives(silent, ReasonCode::kNoTraffic));
  bench.seen.gateway.freshness = signal::Freshness::kStale;
  const Recommendation stale = bench.again();
  EXPECT_FALSE(stale.complete);
  EXPECT_EQ(asked(stale), 1) << "what is not known lowers nothing";
}

TEST(Tide, AMeasuredStartTakesOverFromTheSpec) {
  Bench bench;
  bench.run(10, 100);
  auto lead = [](const Recommendation& r) { return evidence_of(r, "lead_time_seconds"); };
  EXPECT_DOUBLE_EQ(lead(bench.step(10)), 100) << "the spec's, until one was measured";
  bench.seen.variants[0].cold_starts = 16;
  bench.seen.variants[0].cold_start_p90_seconds = 300;
  EXPECT_NEAR(lead(bench.step(10)), (2 * 100 + 16 * 300) / 18.0, 0.01);
}

TEST(Tide, TripsOnceALeadTimeOnFullReplicasOnly) {
  Bench bench;
  bench.run(10, 600);
  auto& v = bench.seen.variants[0];
  v.kv_usage = fresh(0.99, bench.now);
  v.fleet.ready = Replicas(3);
  EXPECT_FALSE(gives(bench.step(10), ReasonCode::kTripwire)) << "they are not full";
  bench.seen.demand.queued_requests = 300;
  const Recommendation first = bench.again();
  ASSERT_TRUE(gives(first, ReasonCode::kTripwire));
  EXPECT_EQ(asked(first), 4);
  EXPECT_EQ(asked(bench.again()), 4) << "once";
  v.fleet.starting = Replicas(1);
  EXPECT_LE(asked(bench.step(10, 101)), 4) << "what is on its way comes first";
}

TEST(Tide, LateRequestsTripWhereMoreOfThemAreMissedThanIsAimedAt) {
  struct Row {
    const char* label;
    std::int64_t judged, missed;
    bool trips;
  };
  for (const Row& row :
       {Row{"nobody judged", 0, 0, true}, Row{"within the budget", 1'000, 5, false},
        Row{"beyond it", 1'000, 80, true}}) {
    SCOPED_TRACE(row.label);
    Bench bench;
    bench.run(20, 600);
    bench.seen.variants[0].fleet.ready = Replicas(3);
    bench.seen.ttft_p99_seconds = fresh(5, bench.now);
    bench.seen.demand.queued_requests = 300;
    bench.seen.demand.judged_total += row.judged;
    bench.seen.demand.met_total += row.judged - row.missed;
    EXPECT_EQ(gives(bench.step(20), ReasonCode::kTripwire), row.trips);
  }
}

TEST(Tide, MoreLoadNeverAsksForFewer) {
  Rng rng(11, "monotone");
  for (int round = 0; round < 30; ++round) {
    Bench few, many;
    const double rate = 1 + rng.uniform() * 60;
    std::int64_t a = 0, b = 0;
    for (int i = 0; i < 300; ++i) {
      a = asked(few.step(rate));
      b = asked(many.step(rate * 1.5));
    }
    EXPECT_LE(a, b) << rate;
    many.state = few.state;
    many.seen = few.seen;
    many.now = few.now;
    many.seen.demand.queued_requests += 200;
    EXPECT_LE(asked(few.again()), asked(many.again())) << rate << ", queued";
  }
}

TEST(Tide, NonsenseStaysWithinBoundsAndNeverThrows) {
  Rng rng(12, "nonsense");
  for (int round = 0; round < 40; ++round) {
    Bench bench;
    auto wild = [&] { return (rng.uniform() - 0.3) * pow(10, rng.uniform() * 18); };
    if (round % 3 == 0) {
      spec::Profile& p = bench.model.variants[0].profile;
      p.c0_fs = p.c1_fs = p.c2_fs = p.c3_fs = p.c4_fs =
          round % 2 == 0 ? 0 : 1'000'000'000'000'000'000;
      p.kv_tokens = round % 2;
    }
    for (int i = 0; i < 200; ++i) {
      bench.now += seconds_f(rng.below(10) == 0 ? wild() / 1e9 : 1);
      signal::Observation& o = bench.seen;
      o.gateway = fresh(1, bench.now);
      if (rng.below(5) == 0) o.gateway.coverage = rng.uniform();
      o.demand.arrived_total = static_cast<std::int64_t>(wild());
      o.demand.expected_output_tokens_total = static_cast<std::int64_t>(wild());
      o.demand.expected_kv_token_steps_total = static_cast<std::int64_t>(wild());
      o.demand.finished_total = static_cast<std::int64_t>(wild());
      o.demand.queued_requests = static_cast<std::int64_t>(std::max(0.0, wild()));
      signal::VariantObservation& v = o.variants[0];
      v.fleet.ready = Replicas(static_cast<std::int64_t>(rng.below(50)));
      v.fleet.starting = Replicas(static_cast<std::int64_t>(rng.below(50)));
      v.kv_usage = fresh(wild(), bench.now);
      v.running_requests = fresh(wild(), bench.now);
      v.output_tokens_per_second = v.prompt_tokens_per_second = fresh(wild(), bench.now);
      v.cold_starts = static_cast<std::int64_t>(rng.below(17));
      v.cold_start_p90_seconds = wild();
      const Recommendation answer = bench.again();
      ASSERT_GE(asked(answer), 0);
      ASSERT_LE(asked(answer), 1'000'000);
      const TideVariant& learned = bench.state.tide->variants.at(0);
      ASSERT_GE(learned.decode, 0.5);
      ASSERT_LE(learned.decode, 3);
      ASSERT_LE(bench.state.tide->orders.size(), kMostTideOrders);
      ASSERT_LE(bench.state.tide->forecasts.size(), kMostTideForecasts);
    }
  }
}

TEST(Tide, ResetCountersAndClocksThatJumpSayNothingOfTheRate) {
  Bench bench;
  bench.seen.variants[0].fleet.ready = Replicas(asked(bench.run(30, 900)));
  const std::int64_t calm = asked(bench.run(30, 900));
  bench.arrived = 0;  // the gateway was restarted
  EXPECT_EQ(asked(bench.run(30, 5)), calm);
  bench.now = bench.now - seconds(3600);
  EXPECT_EQ(asked(bench.step(30)), calm) << "an hour back";
  bench.now += seconds(86'400);
  EXPECT_EQ(asked(bench.step(0)), calm) << "a day ahead";
}

TEST(Tide, WhatWasLearnedOutlivesARestartAndNoRateDoes) {
  Bench bench;
  for (int i = 0; i < 4'000; ++i) {
    bench.seen.wall = bench.seen.wall + seconds(1);
    bench.step(60);
  }
  const State kept = carried_over(bench.state);
  ASSERT_TRUE(kept.tide);
  EXPECT_NEAR(kept.tide->lengths.output_tokens, 200, 1);
  EXPECT_FALSE(kept.tide->season.empty());
  EXPECT_EQ(kept.tide->last, 0);
  EXPECT_TRUE(kept.tide->orders.empty());
  EXPECT_EQ(carried_over(kept), kept);
  Bench again;
  again.state = kept;
  again.now = Instant::from_nanos(5);  // another process, another clock
  again.seen.variants[0].fleet.ready = Replicas(8);
  const Recommendation later = again.run(60, 300);
  EXPECT_NEAR(static_cast<double>(asked(later)), 60 / each(again.model), 3);
}

TEST(Tide, AScheduledFloorIsOrderedALeadTimeBefore) {
  Bench bench;
  spec::ScheduleWindow window;
  window.min_replicas = Replicas(12);
  window.fields = spec::parse_cron("0 8 * * *").value();
  bench.model.scaling.schedule.push_back(window);
  bench.run(5, 100);
  auto at = [&](std::int64_t second) {  // of 1 January 2024
    bench.seen.wall = WallTime::from_unix_nanos((1'704'067'200 + second) * 1'000'000'000);
    return bench.step(5);
  };
  const std::int64_t open = 8 * 3'600;
  EXPECT_LT(asked(at(open - 150)), 12) << "a cold start takes 100 s";
  const Recommendation early = at(open - 80);
  EXPECT_GE(asked(early), 12);
  EXPECT_TRUE(gives(early, ReasonCode::kSchedule));
}

TEST(TideCapacity, LearnsFromManyReadingsAndNotFromOne) {
  Bench bench;
  auto& v = bench.seen.variants[0];
  bench.run(10, 100);
  auto report = [&](double slower) {
    // 40 sequences of 600 tokens decode, in steps `slower` times as long as the profile says.
    const double batch = 40, held = 600, prefilled = batch * 500 / 200;
    const double step =
        0.01 + batch * (100e-6 + 0.12e-6 * held) + prefilled * (25e-6 + 0.2e-9 * 250);
    v.running_requests = fresh(batch, bench.now);
    v.output_tokens_per_second = fresh(batch / (step * slower), bench.now);
    v.prompt_tokens_per_second = fresh(batch / (step * slower) * 500 / 200, bench.now);
    v.kv_usage = fresh(batch * held / 400'000, bench.now);
  };
  report(3);
  bench.step(10);
  EXPECT_LT(bench.state.tide->variants[0].decode, 1.02);
  for (int i = 0; i < 3'000; ++i) {
    report(1.5);
    bench.step(10);
  }
  const TideVariant& learned = bench.state.tide->variants[0];
  TideVariant truth{.decode = 1.5, .prefill = 1.5};
  const auto chat = engine::LengthMoments::of({500, 200});
  const auto believed = tide_capacity(bench.model, bench.model.variants[0], learned, chat, 0.99);
  const auto right = tide_capacity(bench.model, bench.model.variants[0], truth, chat, 0.99);
  EXPECT_NEAR(believed.requests_per_second / right.requests_per_second, 1, 0.03);
}

TEST(Tide, NamesWhatBindsAReplica) {
  auto binding = [](std::int64_t sequences, std::int64_t kv, Duration itl) {
    spec::Model model = tide_model();
    model.slo.itl->bound = itl;
    model.variants[0].engine.max_num_seqs = sequences;
    model.variants[0].profile.kv_tokens = kv;
    const auto chat = engine::LengthMoments::of({500, 200});
    return tide_capacity(model, model.variants[0], {}, chat, 0.99).binding;
  };
  EXPECT_EQ(binding(16, 400'000, millis(60)), engine::Binding::kSequences);
  EXPECT_EQ(binding(256, 6'000, millis(60)), engine::Binding::kKv);
  EXPECT_EQ(binding(256, 400'000, millis(20)), engine::Binding::kItl);
}

}  // namespace
}  // namespace tidegate::policy
