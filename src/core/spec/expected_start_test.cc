#include "core/spec/expected_start.h"

#include <gtest/gtest.h>

namespace tidegate::spec {
namespace {

TEST(ExpectedStart, IsWhatTheSpecSaysOfWhatTheNodeLacks) {
  ColdStart cold;
  cold.procurement = {seconds(60), seconds(63), {}};
  cold.image = {seconds(40), seconds(44), {}};
  cold.weights = {.bytes = 6'000'000'000,
                  .from = WeightSource::kHub,
                  .bandwidth_bytes_per_second = 1'000'000'000,
                  .time = {}};
  cold.engine = {seconds(30), seconds(30), {}};
  cold.engine_cached = Spread{seconds(10), seconds(10), {}};
  struct Row {
    const char* label;
    NodeState node;
    std::int64_t p50, p90, weights;
  };
  for (const Row& row : {
           Row{"no node: every stage; 3 s and 4 s late are 5 s late together",
               {.node_exists = 0},
               136,
               141,
               6},
           Row{"a node with nothing on it", {}, 76, 80, 6},
           Row{"with the image", {.image_cached = 1}, 36, 36, 6},
           Row{"with the weights on NVMe, at its bandwidth, not the hub's",
               {.image_cached = 1, .weights_cached = 1},
               32,
               32,
               2},
           Row{"with the compiled engine as well",
               {.image_cached = 1, .weights_cached = 1, .engine_cached = 1},
               12,
               12,
               2},
       }) {
    SCOPED_TRACE(row.label);
    const ExpectedStart start = expected_start(cold, row.node);
    EXPECT_EQ(start.total, (ExpectedTime{seconds(row.p50), seconds(row.p90)}));
    EXPECT_EQ(start.weights, (ExpectedTime{seconds(row.weights), seconds(row.weights)}));
  }
  cold.weights.time = Spread{seconds(1), seconds(2), {}};
  EXPECT_EQ(expected_start(cold, {}).weights, (ExpectedTime{seconds(1), seconds(2)}));
  EXPECT_EQ(expected_start({}, {}).total, ExpectedTime{}) << "a spec that says nothing";
}

TEST(ExpectedWake, IsSaidOfAnEngineThatSleepsAndARestOfAStartOfAMachine) {
  struct Row {
    PoolState state;
    std::int64_t p50, p90, weights;
  };
  Variant variant;
  ColdStart& cold = variant.cold_start;
  cold.procurement = {seconds(60), seconds(120), {}};
  cold.image = {seconds(40), seconds(44), {}};
  cold.weights = {.bytes = 6'000'000'000, .from = WeightSource::kHub, .time = {}};
  cold.engine = {seconds(30), seconds(33), {}};
  cold.engine_cached = Spread{seconds(10), seconds(12), {}};
  cold.wake_level1 = Spread{seconds(1), seconds(2), {}};
  cold.wake_level2 = Spread{seconds(8), seconds(9), {}};
  for (const Row& row : {
           Row{PoolState::kLevel1, 1, 2, 0}, Row{PoolState::kLevel2, 8, 9, 0},
           Row{PoolState::kCachedWeights, 12, 14, 2},  // 3 GB/s, and the compiled engine
           Row{PoolState::kCachedImage, 42, 45, 12},   // the hub's 0.5 GB/s
       }) {
    SCOPED_TRACE(token(row.state));
    variant.warm_pool.state = row.state;
    const auto wake = expected_wake(variant);
    ASSERT_TRUE(wake);
    EXPECT_EQ(wake->total, (ExpectedTime{seconds(row.p50), seconds(row.p90)}));
    EXPECT_EQ(wake->weights.p50, seconds(row.weights));
    EXPECT_EQ(wake->procurement, ExpectedTime{});
    EXPECT_EQ(wake->image, ExpectedTime{});
  }
  cold.wake_level2.reset();
  variant.warm_pool.state = PoolState::kLevel2;
  EXPECT_FALSE(expected_wake(variant)) << "nobody says how long";
}

}  // namespace
}  // namespace tidegate::spec
