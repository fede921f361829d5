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
       true, "spec.variants[0].warmPool.level", "add coldStart.wakeLevel1: 1s"},
      {"nor from the other level", [](Variant& v) { v.warm_pool.level = 2; }, true,
       "spec.variants[0].warmPool.level", "add coldStart.wakeLevel2: 8s"},
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
       false, "spec.variants[0].warmPool.level", "sleepers save nothing"},
      {"no room for it", [](Variant& v) { v.max_replicas = Replicas(1); }, false,
       "spec.variants[0].warmPool.minReplicas", "at most 0 can sleep"},
      {"vLLM that cannot sleep",
       [](Variant& v) {
         v.target = ProcessTarget{.command = {"vllm", "serve"}};
       },
       false, "spec.variants[0].target.process.command", "--enable-sleep-mode"},
  };
  EXPECT_TRUE(validate(sound(), {}).empty());
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

}  // namespace
}  // namespace tidegate::spec
