#include <gtest/gtest.h>

#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

spec::Model elastic() {
  spec::Model model = model_with(1, 6);
  model.scaling.policy = spec::PolicyKind::kConcurrency;
  model.scaling.concurrency_target = 16;
  model.scaling.scale_down_delay = seconds(60);
  model.slo.ttft = {{0.99, seconds(2)}};
  return model;
}

/// Two bursts with a calm between them: up, down, up.
std::vector<workload::TraceRequest> two_bursts() {
  auto trace = poisson(12, 1500, 500, 200);
  auto second = poisson(12, 1500, 500, 200, 7);
  const Duration gap = trace.back().at + seconds(400);
  for (auto& request : second) {
    request.at += gap;
    trace.push_back(request);
  }
  return trace;
}

TEST(Schedule, WhatAPolicyOrderedPlayedAgainGivesTheSameRequestsAndTheSameBill) {
  World policy = played(world_of(elastic(), engine::Profile{}, 1), two_bursts());
  ASSERT_GT(policy.totals().scale_ups, 1);
  ASSERT_GT(policy.totals().scale_downs, 0);
  WorldOptions options = world_of(elastic(), engine::Profile{}, 1);
  options.schedule = policy.realised();
  World again = played(std::move(options), two_bursts());
  EXPECT_EQ(again.realised(), policy.realised());
  EXPECT_EQ(again.totals().score.met, policy.totals().score.met);
  EXPECT_EQ(again.totals().gpu_hours, policy.totals().gpu_hours);
  EXPECT_EQ(again.totals().score.ttft.sum(), policy.totals().score.ttft.sum());
}

TEST(Schedule, NoPolicyIsAsked) {
  WorldOptions options = world_of(elastic(), engine::Profile{}, 1);
  options.schedule = Schedule{{seconds(10), 0, 3}, {seconds(100), 0, 1}};
  World world = played(std::move(options), two_bursts());
  EXPECT_EQ(world.totals().scale_ups, 1);
  EXPECT_EQ(world.totals().scale_downs, 1);
  EXPECT_EQ(world.totals().replicas_peak, 3);
}

TEST(Proxy, TheEnginesQueueAndNothingWaitsInFront) {
  spec::Model model = model_with(1, 1);
  model.scaling.concurrency_target = 4;  // a gateway would keep to it
  WorldOptions options = world_of(model, engine::Profile{}, 1);
  options.front = Front::kProxy;
  World world = played(std::move(options), poisson(50, 500, 100, 50));
  EXPECT_EQ(world.totals().score.completed, 500);
  EXPECT_EQ(world.totals().queue_peak, 0);
}

TEST(Proxy, WithNothingReadyItRefuses) {
  WorldOptions options = world_of(model_with(0, 1), engine::Profile{}, 0);
  options.front = Front::kProxy;
  World world = played(std::move(options), {request_at(seconds(1), 10, 10)});
  EXPECT_EQ(world.totals().score.rejected, 1);
}

TEST(Proxy, SpreadsByLeastRequests) {
  WorldOptions options = world_of(model_with(2, 2), engine::Profile{}, 2);
  options.front = Front::kProxy;
  struct Count : Recorder {
    std::int64_t by[3] = {};
    void request(const RequestRecord& r) override { ++by[r.replica.value()]; }
  } count;
  options.recorder = &count;
  played(std::move(options), poisson(10, 400, 500, 100));
  EXPECT_NEAR(static_cast<double>(count.by[1]), 200, 20);
  EXPECT_EQ(count.by[1] + count.by[2], 400);
}

TEST(Proxy, APolicyKnowsOnlyWhatTheEnginesSay) {
  spec::Model model = elastic();
  struct Seen : Recorder {
    bool gateway = false, engines = false;
    void decision(const control::Decision& d, std::int64_t) override {
      gateway = gateway || !d.observation.gateway.absent();
      engines = engines || d.observation.variants[0].running_requests.value > 0;
    }
  } seen;
  WorldOptions options = world_of(model, engine::Profile{}, 1);
  options.front = Front::kProxy;
  options.recorder = &seen;
  World world = played(std::move(options), two_bursts());
  EXPECT_FALSE(seen.gateway);
  EXPECT_TRUE(seen.engines);
  EXPECT_GT(world.totals().scale_ups, 0);
}

TEST(RecorderTest, IsToldEveryRequestOnceAndASampleATick) {
  struct Tally : Recorder {
    std::int64_t requests = 0, met = 0, samples = 0, ready = 0, decisions = 0;
    Sample last;
    void request(const RequestRecord& r) override {
      ++requests;
      met += r.met ? 1 : 0;
      EXPECT_LE(r.arrived, r.dispatched);
      EXPECT_LE(r.dispatched, r.first);
      EXPECT_LE(r.first, r.ended);
    }
    void replica(Instant, const Change& c) override {
      ready += c.state == control::ReplicaState::kReady ? 1 : 0;
    }
    void decision(const control::Decision&, std::int64_t) override { ++decisions; }
    void sample(const Sample& s) override {
      ++samples;
      EXPECT_GE(s.arrived_total, last.arrived_total);
      EXPECT_GE(s.cost_dollars, last.cost_dollars);
      last = s;
    }
  } tally;
  WorldOptions options = world_of(elastic(), engine::Profile{}, 1);
  options.recorder = &tally;
  World world = played(std::move(options), two_bursts());
  const Totals totals = world.totals();
  EXPECT_EQ(tally.requests, totals.score.requests);
  EXPECT_EQ(tally.met, totals.score.met);
  EXPECT_EQ(tally.ready, totals.cold_starts + 1);
  EXPECT_GT(tally.decisions, 0);
  EXPECT_EQ(tally.samples, (world.now() - Instant()).count() / seconds(1).count() + 1);
}

}  // namespace
}  // namespace tidegate::sim
