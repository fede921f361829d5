#include "core/policy/tide_play.h"

#include <gtest/gtest.h>

#include "core/policy/tide_bench_for_test.h"
#include "core/policy/tide_fleet.h"
#include "core/policy/tide_forecast.h"

namespace tidegate::policy {
namespace {

/// Requests late of a minute of `rate` on ten requests/s, in a world five minutes old.
double late_share(const spec::Model& model, double rate, double minutes) {
  signal::Observation seen;
  seen.gateway = fresh(1, Instant());
  TideState s;
  s.last = s.tick_requests = rate;
  s.tick_seconds = 1;
  const Stay stay = stay_of({model, seen, Instant()}, 5, 1, s);
  double flight = 0, late = 0, came = 0;
  for (int t = 0; t < static_cast<int>(minutes * 60); ++t) {
    late += play(10, stay, s, flight);
    came += s.tick_requests;
  }
  return late / came;
}

TEST(TidePlay, WhoIsLateOfTooMuchIsTheGatewaysDoing) {
  spec::Model in_time = tide_model();
  in_time.queue.max_wait = seconds(600);
  spec::Model short_waits = in_time, arrival = in_time, no_bound = in_time;
  short_waits.queue.max_wait = seconds(4);
  arrival.queue.order = spec::QueueOrder::kArrival;
  no_bound.slo.ttft.reset();
  struct Row {
    const char* label;
    const spec::Model& model;
    double rate, least, most;
  };
  const Row rows[] = {
      {"what fits is not late", in_time, 9, 0, 0},
      {"a fifth too much: what is beyond seven eighths of what is served", in_time, 12.5, 0.25,
       0.35},
      {"in plain order nobody is in time", arrival, 12.5, 0.8, 1},
      {"without a bound to be late for the order is plain", no_bound, 12.5, 0.8, 1},
      {"a backlog that takes three quarters of maxWait goes first", short_waits, 12.5, 0.6, 1},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.label);
    const double late = late_share(row.model, row.rate, 5);
    EXPECT_GE(late, row.least);
    EXPECT_LE(late, row.most);
  }
}

TEST(TidePlay, WithoutAGatewayEnginesQueueInPlainOrder) {
  const spec::Model model = tide_model();
  TideState s;
  s.tick_seconds = 1;
  EXPECT_EQ(stay_of({model, signal::Observation(), Instant()}, 5, 1, s).aside_seconds, 0);
}

TEST(TideMisses, WhatIsSaidIsBelievedUntilItIsKnownWhatIsMissed) {
  struct Row {
    const char* label;
    double said, really, judged, trust, spent, aimed;
  };
  // A lead time of 100 s at 10/s: 1,000 requests, of which a hundredth may be missed.
  const Row rows[] = {
      {"nothing is known: the budget is as it is aimed at", 0, 0, 0, 1, 0.8, 0.99},
      {"nothing was missed: three times as much may be", 0, 0, 200'000, 1, 0.03, 0.97},
      {"nothing was missed for a while: some more may be", 0, 0, 8'000, 1, 0.4, 0.98},
      {"as much as is aimed at", 1'600, 1'600, 200'000, 1, 0.8, 0.99},
      {"half of what was said came", 10'000, 5'000, 1'000'000, 0.5, 0.5, 0.984},
      {"nothing came of it: no less than a tenth is believed", 10'000, 0, 1'000'000, 0.11, 0, 0.97},
      {"more than was said, within what the SLO allows", 100, 1'000, 200'000, 1, 0.51, 0.9844},
      {"twice as much as the SLO allows", 4'000, 4'000, 200'000, 1, 1.95, 0.9959},
      {"far more: a third of what the SLO allows is the least", 90'000, 90'000, 200'000, 1, 43.3,
       0.9967},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.label);
    TideState s;
    s.slow = 10;
    s.said_missed = row.said;
    s.really_missed = row.really;
    s.judged = row.judged;
    EXPECT_NEAR(miss_trust(seconds(100), 0.99, s), row.trust, 0.02);
    EXPECT_NEAR(budget_spent(seconds(100), 0.99, s), row.spent, 0.01 + row.spent / 100);
    EXPECT_NEAR(aimed_share(seconds(100), 0.99, s), row.aimed, 0.0001);
  }
}

TEST(TideMisses, NobodyAimsAtLessThanHalf) {
  TideState s;
  s.slow = 10;
  s.judged = 200'000;
  EXPECT_EQ(aimed_share(seconds(100), 0.5, s), 0.5);
  Bench bench;
  bench.model.slo.ttft = spec::LatencyBound{0.5, seconds(2)};
  bench.model.slo.itl.reset();
  EXPECT_NEAR(static_cast<double>(asked(bench.run(60, 600))), 60 / 7.7, 3);
}

TEST(TideMisses, AreCountedOnceALeadTimeAndNotAcrossATotalThatGoesBack) {
  Bench bench;
  signal::Demand& d = bench.seen.demand;
  auto judge = [&](int steps, double missed) {
    for (int i = 0; i < steps; ++i) {
      d.judged_total += 20;
      d.met_total += 20 - static_cast<std::int64_t>(20 * missed);
      bench.step(20);
    }
  };
  judge(1'200, 0.1);
  const double judged = bench.state.tide->judged, missed = bench.state.tide->really_missed;
  EXPECT_GT(judged, 10'000);
  EXPECT_NEAR(missed, judged / 10, judged / 1'000);
  d.judged_total = d.met_total = 0;
  judge(150, 0.1);
  EXPECT_LE(bench.state.tide->really_missed, missed + 0.1 * 20 * 150);
  EXPECT_LE(bench.state.tide->judged, judged + 20 * 150);
}

TEST(TideFleet, AsARuleAStartTakesItsMedian) {
  Bench bench;
  const Input in{bench.model, bench.seen, bench.now};
  EXPECT_EQ(usual_lead(in, 0), seconds(100));
  bench.model.variants[0].cold_start.engine = {seconds(100), seconds(200), {}};
  EXPECT_EQ(lead_time(in, 0), seconds(200));
  EXPECT_EQ(usual_lead(in, 0), seconds(100));
  // Measured starts move both: how they spread is what the spec says.
  bench.seen.variants[0].cold_starts = 16;
  bench.seen.variants[0].cold_start_p90_seconds = 400;
  EXPECT_NEAR(to_seconds(usual_lead(in, 0)), to_seconds(lead_time(in, 0)) / 2, 1e-6);
  bench.model.variants[0].cold_start.engine = {};
  EXPECT_EQ(usual_lead(in, 0), lead_time(in, 0));
}

}  // namespace
}  // namespace tidegate::policy
