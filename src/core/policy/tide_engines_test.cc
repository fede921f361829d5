// tide without a gateway: demand from what engines count, and what of it may be missing.

#include "core/policy/tide_engines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <vector>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/policy/tide_bench_for_test.h"

namespace tidegate::policy {
namespace {

constexpr double kPrompt = 500, kOutput = 200, kLife = 10, kWindow = 10;

/// Engines that serve each request for ten seconds, and say so: rates over the last ten.
struct Engines {
  Bench bench;
  Rng rng{7, "arrivals"};
  std::deque<double> ends;  ///< of those that run, soonest first
  std::deque<double> ended, began;
  double at = 0, next = 0;
  bool tell_ends = true, tell_kv = true, tell_tokens = true;

  explicit Engines(std::int64_t ready) { bench.seen.variants[0].fleet.ready = Replicas(ready); }
  Recommendation second(double rate) {
    at += 1;
    for (; next < at; next += -log(1 - rng.uniform()) / rate) {
      if (next > 0) ends.push_back(next + kLife), began.push_back(next);
    }
    for (; !ends.empty() && ends.front() <= at; ends.pop_front()) ended.push_back(ends.front());
    for (; !ended.empty() && ended.front() <= at - kWindow;) ended.pop_front();
    for (; !began.empty() && began.front() <= at - kWindow;) began.pop_front();
    bench.now += seconds(1);
    const Instant now = bench.now;
    signal::VariantObservation& v = bench.seen.variants[0];
    const auto running = static_cast<double>(ends.size());
    v.running_requests = fresh(running, now);
    v.engine_waiting_requests = fresh(0, now);
    const auto tokens = [&](double each) {
      return tell_tokens ? fresh(each, now) : signal::Signal{};
    };
    v.prompt_tokens_per_second = tokens(static_cast<double>(began.size()) / kWindow * kPrompt);
    v.output_tokens_per_second = tokens(running * kOutput / kLife);
    v.finished_requests_per_second =
        tell_ends ? fresh(static_cast<double>(ended.size()) / kWindow, now) : signal::Signal{};
    const double held = running * (kPrompt + kOutput / 2);
    v.kv_usage = tell_kv ? fresh(held / 400'000 / static_cast<double>(v.fleet.ready.value()), now)
                         : signal::Signal{};
    return bench.again();
  }
  Recommendation run(double rate, int count) {
    Recommendation out;
    for (int i = 0; i < count; ++i) out = second(rate);
    return out;
  }
  const TideState& tide() const { return *bench.state.tide; }
};

TEST(TideEngines, TheRateAndTheLengthsAreFoundByEndsOrByKv) {
  struct Row {
    const char* says;
    bool ends, kv;
    double rate;
    double near;
  };
  for (const Row& row :
       {Row{"vLLM: both", true, true, 20, 0.05}, Row{"TGI: no KV", true, false, 20, 0.05},
        Row{"no ends counted", false, true, 20, 0.05},
        Row{"a request in ten seconds, no KV", true, false, 0.1, 0.25}}) {
    Engines engines(3);
    engines.tell_ends = row.ends;
    engines.tell_kv = row.kv;
    const Recommendation r = engines.run(row.rate, 3'600);
    EXPECT_TRUE(r.complete) << row.says;
    EXPECT_TRUE(gives(r, ReasonCode::kForecast)) << row.says;
    EXPECT_NEAR(engines.tide().slow / row.rate, 1, row.near) << row.says;
    EXPECT_NEAR(engines.tide().lengths.prompt_tokens / kPrompt, 1, 0.1) << row.says;
    EXPECT_NEAR(engines.tide().lengths.output_tokens / kOutput, 1, 0.1) << row.says;
  }
}

TEST(TideEngines, WhatIsNotToldIsNotNoDemand) {
  for (const bool tokens : {true, false}) {
    Engines engines(5);
    engines.run(20, 600);
    engines.tell_ends = false;
    engines.tell_kv = !tokens;
    engines.tell_tokens = tokens;
    const Recommendation r = engines.run(20, 600);
    EXPECT_FALSE(r.complete) << tokens;
    EXPECT_EQ(asked(r), 5) << tokens;
    EXPECT_TRUE(gives(r, ReasonCode::kMissingData)) << tokens;
  }
}

TEST(TideEngines, AQueueInFrontCountsAndIsMissedWhereItIsNotTold) {
  Engines engines(5);
  engines.bench.model.front = {spec::Front::kProxy, "http://epp:9090/metrics"};
  EXPECT_TRUE(gives(engines.run(20, 300), ReasonCode::kMissingData)) << "not told yet";
  auto waits = [&](double requests) {
    engines.bench.seen.front_waiting_requests = fresh(requests, engines.bench.now);
  };
  waits(0);
  EXPECT_TRUE(engines.run(20, 600).complete);
  const double before = engines.tide().fast;
  for (int i = 1; i <= 20; ++i) {  // as many again come and wait there
    waits(20.0 * i);
    engines.second(20);
  }
  EXPECT_GT(engines.tide().fast, before * 1.4);
  engines.bench.seen.front_waiting_requests = {};
  EXPECT_FALSE(engines.second(20).complete);
}

TEST(TideEngines, AQueueInFrontEndsAZero) {
  Bench bench;
  bench.model.front = {spec::Front::kProxy, "http://epp:9090/metrics"};
  signal::VariantObservation& v = bench.seen.variants[0];
  v.fleet.ready = Replicas(0);
  v.running_requests = v.engine_waiting_requests = fresh(0, bench.now);  // over no replicas
  bench.seen.front_waiting_requests = fresh(0, bench.now);
  EXPECT_EQ(asked(bench.again()), 0);
  bench.seen.front_waiting_requests = fresh(3, bench.now);
  EXPECT_EQ(asked(bench.again()), 1);
}

TEST(TideEngines, AReplicaThatLeavesTakesNoDemandWithIt) {
  Engines engines(4);
  engines.run(20, 900);
  const double before = engines.tide().fast;
  engines.bench.seen.variants[0].fleet.ready = Replicas(3);
  engines.ends.erase(engines.ends.begin(), engines.ends.begin() + 50);  // a quarter, unfinished
  engines.run(20, 5);
  EXPECT_GT(engines.tide().fast, before * 0.7);
}

TEST(TideEngines, AStepIsSeenWithinSecondsAndNotTwice) {
  Engines engines(30);
  engines.run(5, 900);
  engines.next = engines.at;  // the draw of the slower rate is over
  engines.run(50, 20);
  EXPECT_GT(engines.tide().fast, 30);
  engines.run(50, 300);
  EXPECT_NEAR(engines.tide().last / 50, 1, 0.1);
  EXPECT_NEAR(engines.tide().lengths.prompt_tokens / kPrompt, 1, 0.15)
      << "lengths are of those that came";
}

}  // namespace
}  // namespace tidegate::policy
