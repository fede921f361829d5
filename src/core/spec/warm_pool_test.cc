// What validate says of a warm pool: errors where it cannot be, warnings where it buys nothing.

#include <gtest/gtest.h>

#include <functional>

#include "core/spec/validate.h"

namespace tidegate::spec {
namespace {

/// One sleeper that costs a tenth of a replica and wakes in a second.
Model sound() {
  Model model;
  model.name = "m";
  model.served_names = {"m"};
  Variant variant;
  variant.name = "a";
  variant.cost_per_hour_dollars = 4;
  variant.min_replicas = Replicas(1);
  variant.max_replicas = Replicas(4);
  variant.cold_start.engine = {seconds(60), seconds(60), {}};
  variant.cold_start.wake_level1 = Spread{seconds(1), seconds(1), {}};
  variant.warm_pool = {
      .min_replicas = Replicas(1), .max_replicas = Replicas(2), .cost_per_hour_dollars = 0.4};
  model.variants = {variant};
  return model;
}

/// The same with a machine on standby that a node has to be got for otherwise.
Variant machine() {
  Variant variant = sound().variants[0];
  variant.cold_start.procurement = {seconds(60), seconds(60), {}};
  variant.warm_pool.state = PoolState::kCachedWeights;
  return variant;
}

Target group(AwsPoolState state) {
  return AwsAutoScalingGroupTarget{.name = "g", .region = "eu-central-1", .warm_pool_state = state};
}

TEST(WarmPool, IsCheckedWhereItIsWritten) {
  struct Row {
    const char* label;
    std::function<void(Variant&)> spoil;
    bool error;
    const char* path;
    const char* message;
  };
  const Row rows[] = {
      {"more at least than at most", [](Variant& v) { v.warm_pool.min_replicas = Replicas(3); },
       true, "spec.variants[0].warmPool.minReplicas", "minReplicas (3) is above maxReplicas (2)"},
      {"nobody knows how long waking takes", [](Variant& v) { v.cold_start.wake_level1.reset(); },
       true, "spec.variants[0].warmPool.state", "add coldStart.wakeLevel1: 1s"},
      {"nor from the other level", [](Variant& v) { v.warm_pool.state = PoolState::kLevel2; }, true,
       "spec.variants[0].warmPool.state", "add coldStart.wakeLevel2: 8s"},
      {"engines that are not ours",
       [](Variant& v) { v.target = EndpointsTarget{{"http://a:8000"}}; }, true,
       "spec.variants[0].warmPool.maxReplicas", "not ours to put to sleep"},
      {"a command that knows the number alone", [](Variant& v) { v.target = ExecTarget{{"x"}}; },
       true, "spec.variants[0].warmPool.maxReplicas", "cannot put a replica to sleep"},
      {"pods whose accelerators others are said to use",
       [](Variant& v) {
         v.target = KubernetesTarget{.name = "n"};
         v.warm_pool.holds_device = false;
       },
       false, "spec.variants[0].warmPool.holdsDevice", "a pod keeps the accelerator"},
      {"a sleeper as dear as a replica, by default",
       [](Variant& v) { v.warm_pool.cost_per_hour_dollars.reset(); }, false,
       "spec.variants[0].warmPool.holdsDevice", "it buys nothing that one more awake would not"},
      {"a sleeper as dear as a replica, as said",
       [](Variant& v) { v.warm_pool.cost_per_hour_dollars = 5; }, false,
       "spec.variants[0].warmPool.costPerHour", "it buys nothing that one more awake would not"},
      {"waking is no faster than starting",
       [](Variant& v) {
         v.cold_start.wake_level1 = Spread{seconds(60), seconds(60), {}};
       },
       false, "spec.variants[0].warmPool.state", "sleepers save nothing"},
      {"a machine whose wake is all of a start",
       [](Variant& v) { v.warm_pool.state = PoolState::kCachedWeights; }, false,
       "spec.variants[0].warmPool.state",
       "waking takes 1m (p90), no less than a cold start (1m): sleepers save nothing"},
      {"a machine at no price",
       [](Variant& v) {
         v = machine();
         v.warm_pool.cost_per_hour_dollars.reset();
       },
       false, "spec.variants[0].warmPool.costPerHour", "say what its disk costs"},
      {"weights on the disk of a machine that has none",
       [](Variant& v) {
         v = machine();
         v.warm_pool.state = PoolState::kCachedImage;
         v.cold_start.weights = {.bytes = 1'000'000'000, .from = WeightSource::kNvme, .time = {}};
       },
       false, "spec.variants[0].warmPool.state", "or write cachedWeights"},
      {"machines without an engine among local processes",
       [](Variant& v) {
         v = machine();
         v.target = ProcessTarget{.command = {"vllm", "serve"}};
       },
       false, "spec.variants[0].warmPool.state",
       "target.process puts engines to sleep and keeps no machine without one: write level1 or "
       "level2 in the place of cachedWeights"},
      {"machines without an engine among pods",
       [](Variant& v) {
         v = machine();
         v.target = KubernetesTarget{.name = "n"};
       },
       false, "spec.variants[0].warmPool.state", "`run` refuses it"},
      {"an engine asleep on an instance that is stopped",
       [](Variant& v) { v.target = group(AwsPoolState::kStopped); }, false,
       "spec.variants[0].warmPool.state",
       "no engine sleeps at level1 on an instance that is Stopped"},
      {"a stopped instance that holds a device",
       [](Variant& v) {
         v = machine();
         v.target = group(AwsPoolState::kStopped);
         v.warm_pool.holds_device = true;
       },
       false, "spec.variants[0].warmPool.holdsDevice", "holds no accelerator"},
      {"no room for it", [](Variant& v) { v.max_replicas = Replicas(1); }, false,
       "spec.variants[0].warmPool.minReplicas", "at most 0 can sleep"},
      {"vLLM that cannot sleep",
       [](Variant& v) {
         v.target = ProcessTarget{.command = {"vllm", "serve"}};
       },
       false, "spec.variants[0].target.process.command", "--enable-sleep-mode"},
  };
  EXPECT_TRUE(validate(sound(), {}).empty());
  for (AwsPoolState state : {AwsPoolState::kStopped, AwsPoolState::kHibernated}) {
    Model model = sound();
    model.variants[0] = machine();
    EXPECT_TRUE(validate(model, {}).empty()) << "without a target, for simulate";
    model.variants[0].target = group(state);
    EXPECT_TRUE(validate(model, {}).empty());
    model.variants[0].warm_pool.state = PoolState::kLevel1;
    EXPECT_EQ(validate(model, {}).empty(), state == AwsPoolState::kHibernated);
  }
  for (const Row& row : rows) {
    Model model = sound();
    model.scaling.scale_down_delay = seconds(900);
    row.spoil(model.variants[0]);
    std::vector<Finding> found = validate(model, {});
    ASSERT_FALSE(found.empty()) << row.label;
    bool said = false;
    for (const Finding& one : found) {
      EXPECT_EQ(one.error, row.error) << row.label << ": " << one.message;
      said = said || (one.path == row.path && one.message.find(row.message) != std::string::npos);
    }
    EXPECT_TRUE(said) << row.label << ": " << found[0].path << ": " << found[0].message;
  }
}

TEST(WarmPool, ASleeperCostsWhatIsSaidElseItsDevice) {
  Variant v;
  v.cost_per_hour_dollars = 4;
  EXPECT_EQ(sleeper_cost_dollars(v), 4);
  v.warm_pool.holds_device = false;
  EXPECT_EQ(sleeper_cost_dollars(v), 0);
  v.warm_pool.cost_per_hour_dollars = 0.5;
  EXPECT_EQ(sleeper_cost_dollars(v), 0.5);
}

TEST(WarmPool, AnEngineThatSleepsHoldsItsDeviceUnlessSaidAndAMachineWithoutOneDoesNot) {
  struct Row {
    PoolState state;
    bool holds;
    std::int64_t level;
  };
  for (const Row& row :
       {Row{PoolState::kLevel1, true, 1}, Row{PoolState::kLevel2, true, 2},
        Row{PoolState::kCachedWeights, false, 0}, Row{PoolState::kCachedImage, false, 0}}) {
    WarmPool pool{.state = row.state};
    EXPECT_EQ(holds_device(pool), row.holds) << token(row.state);
    EXPECT_EQ(sleep_level(row.state), row.level) << token(row.state);
    pool.holds_device = !row.holds;
    EXPECT_EQ(holds_device(pool), !row.holds) << "as said, " << token(row.state);
  }
}

TEST(WarmPool, OnlyTargetsThatPutEnginesToSleepRefuseMachines) {
  Variant v = machine();
  EXPECT_EQ(cannot_stand_by(v), "");
  v.target = group(AwsPoolState::kStopped);
  EXPECT_EQ(cannot_stand_by(v), "");
  v.target = ProcessTarget{.command = {"vllm"}};
  EXPECT_NE(cannot_stand_by(v), "");
  v.warm_pool.state = PoolState::kLevel2;
  EXPECT_EQ(cannot_stand_by(v), "");
  v.warm_pool = {.state = PoolState::kCachedImage};
  EXPECT_EQ(cannot_stand_by(v), "") << "there is no pool";
}

}  // namespace
}  // namespace tidegate::spec
