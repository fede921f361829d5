// Replicas that sleep, in the world: what they cost, how fast they are there, whom they leave
// devices to.

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "sim/cluster.h"
#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

using control::ReplicaState;

/// Cold in 60 s, awake in 3 s; one request at a time, 10 s each.
spec::Model model_with_pool(std::int64_t least, std::int64_t most, std::int64_t asleep) {
  spec::Model model = model_with(least, most);
  model.scaling.policy = spec::PolicyKind::kConcurrency;
  model.scaling.concurrency_target = 1;
  model.scaling.target_utilization = 1;
  model.scaling.window = seconds(1);
  model.scaling.scale_down_delay = seconds(5);
  spec::Variant& variant = model.variants[0];
  variant.warm_pool = {.min_replicas = Replicas(asleep), .max_replicas = Replicas(asleep)};
  variant.cold_start.wake_level1 = spec::Spread{seconds(3), seconds(3), {}};
  return model;
}

struct Log : Recorder {
  std::vector<std::pair<Instant, Change>> changes;
  std::vector<double> ttft_seconds;
  std::int64_t most_alive = 0;
  std::map<ReplicaId, ReplicaState> now;
  void replica(Instant at, const Change& change) override {
    changes.emplace_back(at, change);
    now[change.id] = change.state;
    if (change.state == ReplicaState::kGone) now.erase(change.id);
    most_alive = std::max(most_alive, static_cast<std::int64_t>(now.size()));
  }
  void request(const RequestRecord& r) override {
    ttft_seconds.push_back(to_seconds(r.first - r.arrived));
  }
};

struct StageSeconds {
  std::int64_t weights, engine;
};

TEST(WarmPoolWorld, ASleeperWakesForWhatComesIsRefilledAndTheRestCostsAsSaid) {
  struct Row {
    const char* label;
    bool holds;
    std::optional<double> price;
  };
  const Row rows[] = {{"holds its device at the price of a replica", true, {}},
                      {"holds its device, at a price of its own", true, 0.5},
                      {"holds none and costs nothing", false, {}},
                      {"holds none and costs the host's memory", false, 0.25}};
  for (const Row& row : rows) {
    spec::Model model = model_with_pool(1, 4, 1);
    model.variants[0].hardware.count = 2;
    model.variants[0].warm_pool.holds_device = row.holds;
    model.variants[0].warm_pool.cost_per_hour_dollars = row.price;
    Log log;
    WorldOptions options = world_of(model, one_at_a_time(seconds(10)), 1);
    options.recorder = &log;
    World world(options);
    world.offer(request_at(seconds(100), 1, 1));  // the one awake takes it
    world.offer(request_at(seconds(100), 1, 1));  // the sleeper does
    world.drain();
    world.finish(Instant() + seconds(3600));
    ASSERT_EQ(log.ttft_seconds.size(), 2u);
    EXPECT_NEAR(log.ttft_seconds[1], 13 + 1, 1.001) << row.label << ": a look, 3 s awake, served";
    const Totals t = world.totals();
    EXPECT_EQ(t.wakes, 1) << row.label;
    EXPECT_LE(t.cold_starts, 1) << row.label << ": the refill";
    EXPECT_GT(t.sleeper_hours, 0.9) << row.label;
    const double each = row.price.value_or(row.holds ? 2 : 0);
    EXPECT_NEAR(t.cost_dollars, t.replica_hours * 2 + t.sleeper_hours * each, 1e-9) << row.label;
    EXPECT_NEAR(t.gpu_hours, 2 * (t.replica_hours + (row.holds ? t.sleeper_hours : 0)), 1e-9)
        << row.label;
    std::int64_t asleep = 0, ready = 0;
    for (auto [id, state] : log.now) {
      asleep += state == ReplicaState::kSleeping ? 1 : 0;
      ready += state == ReplicaState::kReady ? 1 : 0;
    }
    EXPECT_EQ(asleep, 1) << row.label << ": at the end one sleeps again";
    EXPECT_EQ(ready, 1) << row.label;
    EXPECT_LE(log.most_alive, 3) << row.label;
  }
}

TEST(WarmPoolWorld, AStartTellsThatItCameFromSleep) {
  Log log;
  WorldOptions options = world_of(model_with_pool(1, 4, 1), one_at_a_time(seconds(10)), 1);
  options.recorder = &log;
  World world(options);
  for (int i = 0; i < 2; ++i) world.offer(request_at(seconds(100), 1, 1));
  world.drain();
  std::vector<ReplicaState> of_sleeper;
  for (const auto& [at, change] : log.changes) {
    if (change.id != ReplicaId(2)) continue;
    of_sleeper.push_back(change.state);
    if (change.state != ReplicaState::kReady) continue;
    EXPECT_EQ(change.stages.from, control::StartFrom::kSleeping);
    EXPECT_EQ(change.stages.total, seconds(3));
  }
  const std::vector<ReplicaState> life = {ReplicaState::kSleeping, ReplicaState::kStarting,
                                          ReplicaState::kReady};
  ASSERT_GE(of_sleeper.size(), life.size());
  EXPECT_TRUE(std::equal(life.begin(), life.end(), of_sleeper.begin()));
}

/// Cold in 60 + 10 + 60 s: a node, an image, and what it takes with weights of 30 GB from a hub at
/// 0.5 GB/s alone, or an engine from NVMe in 10 + 5 s.
spec::Model model_with_machines(spec::PoolState state, std::int64_t on_standby) {
  spec::Model model = model_with_pool(1, 1 + 2 * on_standby, on_standby);
  spec::Variant& variant = model.variants[0];
  variant.warm_pool.state = state;
  variant.warm_pool.cost_per_hour_dollars = 0.05;
  spec::ColdStart& cold = variant.cold_start;
  cold = {};
  cold.procurement = {seconds(60), seconds(60), {}};
  cold.image = {seconds(10), seconds(10), {}};
  cold.weights = {.bytes = 30'000'000'000, .from = spec::WeightSource::kHub, .time = {}};
  cold.engine = {seconds(15), seconds(15), {}};
  cold.engine_cached = spec::Spread{seconds(5), seconds(5), {}};
  return model;
}

TEST(WarmPoolWorld, AMachineOnStandbyStartsOnWhatItKept) {
  struct Row {
    const char* label;
    spec::PoolState state;
    std::int64_t on_standby;
    StageSeconds wake;
  };
  const Row rows[] = {
      {"weights at 3 GB/s from its disk", spec::PoolState::kCachedWeights, 1, {10, 5}},
      {"each from its own", spec::PoolState::kCachedWeights, 3, {10, 5}},
      {"weights from the hub", spec::PoolState::kCachedImage, 1, {60, 15}},
      {"which three share", spec::PoolState::kCachedImage, 3, {180, 15}},
  };
  for (const Row& row : rows) {
    Log log;
    WorldOptions options =
        world_of(model_with_machines(row.state, row.on_standby), one_at_a_time(seconds(10)), 1);
    options.recorder = &log;
    World world(options);
    for (std::int64_t i = 0; i <= row.on_standby; ++i) world.offer(request_at(seconds(100), 1, 1));
    world.run_until(Instant() + seconds(100 + 240));
    std::int64_t woken = 0;
    for (const auto& [at, change] : log.changes) {
      if (change.state != ReplicaState::kReady || change.adopted) continue;
      if (change.stages.from != control::StartFrom::kSleeping) continue;
      ++woken;
      EXPECT_EQ(change.stages.procurement, Duration(0)) << row.label;
      EXPECT_EQ(change.stages.image, Duration(0)) << row.label;
      EXPECT_NEAR(to_seconds(change.stages.weights), row.wake.weights, 1e-6) << row.label;
      EXPECT_EQ(change.stages.engine, seconds(row.wake.engine)) << row.label;
    }
    EXPECT_GE(woken, row.on_standby) << row.label;
    world.drain();
    world.finish(world.now());
    const Totals t = world.totals();
    EXPECT_NEAR(t.cost_dollars, t.replica_hours * 2 + t.sleeper_hours * 0.05, 1e-9) << row.label;
    EXPECT_NEAR(t.gpu_hours, t.replica_hours, 1e-9) << row.label << ": a machine holds no device";
  }
}

/// One device more than two models have awake: the sleeper that holds it keeps the other from
/// starting; the one that lends it must wait for the other to let it go.
TEST(WarmPoolWorld, ASleepersDeviceIsTheOthersOrNot) {
  for (bool holds : {true, false}) {
    workload::Faults faults;
    faults.pools.push_back({.accelerator = "h100", .devices = 3});
    Cluster cluster(faults);
    spec::Model sleepy = model_with_pool(1, 3, 1);
    sleepy.variants[0].warm_pool.holds_device = holds;
    spec::Model other = model_with_pool(1, 2, 0);
    other.name = "other";
    Log log;  // of the first
    for (spec::Model* model : {&sleepy, &other}) {
      model->variants[0].hardware.accelerator = "h100";
      WorldOptions options = world_of(*model, one_at_a_time(seconds(10)), 1);
      options.faults = faults;
      if (model == &sleepy) options.recorder = &log;
      cluster.add(std::move(options));
    }
    for (int i = 0; i < 30; ++i) cluster.offer(1, request_at(seconds(50 + i), 1, 1));
    for (int i = 0; i < 2; ++i) cluster.offer(0, request_at(seconds(130), 1, 1));
    cluster.drain();
    cluster.finish(cluster.now());
    const Totals mine = cluster.world(0).totals(), its = cluster.world(1).totals();
    EXPECT_EQ(its.replicas_peak, holds ? 1 : 2) << "holds " << holds;
    EXPECT_EQ(mine.score.completed + its.score.completed, 32);
    ASSERT_EQ(log.ttft_seconds.size(), 2u);
    const double slower = std::max(log.ttft_seconds[0], log.ttft_seconds[1]);
    // Awake within a look and 3 s; or not before the one that serves has done its first.
    EXPECT_NEAR(slower, holds ? 14 : 20, 1.001) << "holds " << holds;
  }
}

/// Same seed, same world; and a pool that nobody may use changes nothing at all.
TEST(WarmPoolWorld, IsDeterministicAndAWorldWithoutAPoolIsAsItWas) {
  auto trace = poisson(0.5, 2'000, 1, 1);
  auto digest = [&](spec::Model model) {
    World world = played(world_of(std::move(model), one_at_a_time(seconds(5)), 1), trace);
    const Totals t = world.totals();
    return std::tuple(t.cost_dollars, t.wakes, t.cold_starts, t.scale_ups,
                      t.score.ttft.quantile(0.99));
  };
  spec::Model pooled = model_with_pool(1, 9, 3), plain = model_with_pool(1, 9, 0);
  pooled.variants[0].cold_start.wake_level1 = spec::Spread{seconds(2), seconds(9), {}};
  EXPECT_EQ(digest(pooled), digest(pooled));
  EXPECT_GT(std::get<1>(digest(pooled)), 10);
  spec::Model without = plain;
  without.variants[0].cold_start.wake_level1.reset();
  EXPECT_EQ(digest(plain), digest(without));
  EXPECT_LT(std::get<4>(digest(pooled)), std::get<4>(digest(plain)))
      << "sleepers are there sooner than cold ones";
}

}  // namespace
}  // namespace tidegate::sim
