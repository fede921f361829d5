#include "core/control/observe.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/control/control_test_world.h"

namespace tidegate::control {
namespace {

signal::ReplicaSignals page(double running, Instant at) {
  signal::ReplicaSignals out;
  out.at = at;
  out.values[signal::index_of(signal::SignalId::kRunningRequests)] = running;
  return out;
}

TEST(Observe, PutsTogetherWhatGatewayAndReplicasSay) {
  spec::Model model = model_with(0, 9, 2);
  model.scaling.metrics.resize(3);
  const Instant now = at(10);
  const signal::ReplicaSignals heard = page(7, now);
  using S = ReplicaState;
  std::vector<ReplicaSight> sights = {
      {ReplicaId(1), 0, S::kReady, at(1), &heard, 7, 70},
      {ReplicaId(2), 0, S::kReady, at(2), nullptr, 1, 10},
      {ReplicaId(3), 0, S::kOrdered, at(3), nullptr, 0, 0},
      {ReplicaId(4), 1, S::kStarting, at(4), nullptr, 0, 0},
      {ReplicaId(5), 1, S::kDraining, at(5), &heard, 3, 30},
      {ReplicaId(6), 1, S::kSleeping, at(6), nullptr, 0, 0},
      {ReplicaId(7), 1, S::kFailed, at(7), nullptr, 0, 0},
      {ReplicaId(8), -1, S::kReady, at(8), &heard, 2, 20},
  };
  GatewaySight gateway{.demand = {.queued_requests = 4}, .ttft_p99_seconds = fresh(1.5)};
  Observed out = observe(model, gateway, sights, now, WallTime::from_unix_nanos(5), {});
  const signal::Observation& o = out.observation;
  EXPECT_EQ(o.model, "m");
  EXPECT_EQ(o.at, now);
  EXPECT_EQ(o.wall, WallTime::from_unix_nanos(5));
  EXPECT_TRUE(o.gateway.complete());
  EXPECT_EQ(o.demand.queued_requests, 4);
  EXPECT_EQ(o.ttft_p99_seconds.value, 1.5);
  EXPECT_TRUE(o.itl_p99_seconds.absent()) << "unknown is not zero";
  EXPECT_EQ(o.metrics.size(), 3U);
  ASSERT_EQ(o.variants.size(), 2U);
  EXPECT_EQ(o.variants[0].fleet.ready, Replicas(2));
  EXPECT_EQ(o.variants[0].fleet.ordered, Replicas(1));
  EXPECT_EQ(o.variants[0].running_requests.value, 7);
  EXPECT_EQ(o.variants[0].running_requests.coverage, 0.5) << "one of two ready was heard";
  EXPECT_EQ(o.variants[1].fleet.starting, Replicas(1));
  EXPECT_EQ(o.variants[1].fleet.draining, Replicas(1));
  EXPECT_EQ(o.variants[1].fleet.sleeping, Replicas(1));
  EXPECT_EQ(o.variants[1].fleet.failed, Replicas(1));
  EXPECT_EQ(o.variants[1].running_requests.value, 0) << "one that drains is not counted";
  std::vector<std::uint64_t> rows;
  for (const plan::ReplicaRow& row : out.replicas) rows.push_back(row.id.value());
  EXPECT_EQ(rows, (std::vector<std::uint64_t>{1, 2, 3, 4, 6})) << "those that may be stopped";
  EXPECT_EQ(out.replicas[0].in_flight_tokens, 70);
  EXPECT_EQ(out.replicas[2].booting, 1);
  EXPECT_EQ(out.replicas[4].booting, 0);
}

TEST(Observe, VariantsMeasuredInTwoWaysAgeInTwoWays) {
  const spec::Model model = model_with(0, 9, 2);
  signal::ReplicaSignals heard = page(7, at(10));
  heard.source = signal::Source::kPrometheus;
  const std::vector<ReplicaSight> sights = {
      {ReplicaId(1), 0, ReplicaState::kReady, at(1), &heard, 0, 0},
      {ReplicaId(2), 1, ReplicaState::kReady, at(1), &heard, 0, 0}};
  const signal::FreshnessRule quick{seconds(3), seconds(10)}, slow{seconds(60), seconds(60)};
  const signal::FreshnessRule rules[] = {quick, slow};
  Observed out = observe(model, {}, sights, at(30), {}, quick, rules);
  EXPECT_TRUE(out.observation.variants[0].running_requests.absent());
  const signal::Signal& running = out.observation.variants[1].running_requests;
  EXPECT_EQ(running.freshness, signal::Freshness::kFresh);
  EXPECT_EQ(running.source, signal::Source::kPrometheus);
  EXPECT_EQ(running.at, at(10));
}

}  // namespace
}  // namespace tidegate::control
