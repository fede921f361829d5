// Sleep and wake-up: drained first, counted as replicas, devices lent where the pool says so.

#include "live/actuate/process/test_process.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;

class SleepTest : public ProcessActuatorTest {
 protected:
  /// `n` replicas, ready.
  std::vector<ReplicaInfo> run(TestWorld& world, ProcessActuator& actuator, std::int64_t n) {
    actuator.apply({"h100", Replicas(n), {}});
    EXPECT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == n; }));
    return actuator.replicas();
  }
  static bool put_to_sleep(TestWorld& world, ProcessActuator& actuator, ReplicaId id) {
    const auto before = world.in_state(ReplicaState::kSleeping);
    actuator.sleep(id, 1);
    actuator.drained(id);
    return world.until([&] { return world.in_state(ReplicaState::kSleeping) == before + 1; });
  }
  static spec::Variant lending() {
    spec::Variant out = variant();
    out.warm_pool = {.max_replicas = Replicas(2), .holds_device = false};
    return out;
  }
};

TEST_F(SleepTest, sleep_and_wake_speak_vllms_routes_in_the_order_of_their_level) {
  struct Row {
    const char* label;
    int level;
    const char* calls;
  };
  const Row rows[] = {
      {"level 1 keeps the weights", 1, "/sleep?level=1 \n/wake_up \n"},
      {"level 2 reloads them before the cache comes back", 2,
       "/sleep?level=2 \n/wake_up?tags=weights \n/collective_rpc {\"method\":\"reload_weights\"}\n"
       "/wake_up?tags=kv_cache \n/reset_prefix_cache \n"},
  };
  for (const auto& row : rows) {
    TestDirectory own;
    TestWorld world(own.path());
    auto actuator = make(world, variant());
    ReplicaInfo info = run(world, *actuator, 1).at(0);
    EXPECT_EQ(info.stages.from, control::StartFrom::kCold);
    actuator->sleep(info.id, row.level);
    ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kDraining) == 1; }));
    EXPECT_EQ(world.ask(info.address, "GET", "/calls").body, "") << "it drains first";
    actuator->drained(info.id);
    ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kSleeping) == 1; }))
        << row.label;
    world.settle();
    EXPECT_EQ(world.last.size(), 1u) << "a sleeper counts: no other is started";
    EXPECT_EQ(engines(), 1u) << "and it is not surplus";
    actuator->wake(info.id);
    actuator->wake(info.id);
    ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }))
        << row.label;
    EXPECT_EQ(world.ask(info.address, "GET", "/calls").body, row.calls) << row.label;
    const control::StageTimes stages = actuator->replicas().at(0).stages;
    EXPECT_EQ(stages.from, control::StartFrom::kSleeping);
    EXPECT_GT(stages.total, Duration(0));
    EXPECT_EQ(stages.engine, stages.total);
    stop(world, *actuator);
  }
}

TEST_F(SleepTest, one_that_never_drains_sleeps_when_its_time_is_over) {
  TestWorld world(directory.path());
  spec::Variant v = variant();
  std::get<spec::ProcessTarget>(v.target).drain_timeout = seconds(1);
  auto actuator = make(world, v);
  actuator->sleep(run(world, *actuator, 1).at(0).id, 1);
  EXPECT_TRUE(world.until([&] { return world.in_state(ReplicaState::kSleeping) == 1; }));
  stop(world, *actuator);
}

TEST_F(SleepTest, a_sleeper_is_stopped_before_one_that_serves_and_after_who_is_named) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  auto replicas = run(world, *actuator, 3);
  ASSERT_TRUE(put_to_sleep(world, *actuator, replicas[0].id));
  actuator->apply({"h100", Replicas(2), {replicas[1].id}});
  ASSERT_TRUE(
      world.until([&] { return world.last[replicas[1].id].state == ReplicaState::kDraining; }));
  actuator->drained(replicas[1].id);
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kGone) == 1; }));
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kGone) == 2; }));
  ASSERT_EQ(actuator->replicas().size(), 1u);
  EXPECT_EQ(actuator->replicas()[0].id, replicas[2].id);
  stop(world, *actuator);
}

TEST_F(SleepTest, one_on_its_way_to_sleep_can_still_be_stopped) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  auto replicas = run(world, *actuator, 2);
  actuator->sleep(replicas[0].id, 1);
  actuator->apply({"h100", Replicas(1), {replicas[0].id}});
  world.settle();
  actuator->drained(replicas[0].id);
  ASSERT_TRUE(world.until([&] { return world.last[replicas[0].id].state == ReplicaState::kGone; }));
  EXPECT_EQ(actuator->replicas().at(0).state, ReplicaState::kReady);
  stop(world, *actuator);
}

TEST_F(SleepTest, an_engine_that_refuses_to_sleep_serves_on_and_is_not_asked_again_at_once) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  ReplicaInfo info = run(world, *actuator, 1).at(0);
  world.ask(info.address, "POST", "/deaf");
  actuator->sleep(info.id, 1);
  actuator->drained(info.id);
  ASSERT_TRUE(world.until([&] {
    return world.was(info.id, ReplicaState::kDraining) && world.is(info.id, ReplicaState::kReady);
  }));
  EXPECT_LT(world.last[info.id].stages.total, Duration(0)) << "that is no start";
  actuator->sleep(info.id, 1);
  world.settle();
  EXPECT_EQ(world.last[info.id].state, ReplicaState::kReady);
  EXPECT_EQ(world.ask(info.address, "GET", "/calls").body, "/deaf \n/sleep?level=1 \n");
  stop(world, *actuator);
}

TEST_F(SleepTest, a_wake_up_that_fails_ends_the_replica_and_another_is_started) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  ReplicaInfo info = run(world, *actuator, 1).at(0);
  ASSERT_TRUE(put_to_sleep(world, *actuator, info.id));
  world.ask(info.address, "POST", "/deaf");
  actuator->wake(info.id);
  ASSERT_TRUE(world.until([&] { return world.last[info.id].state == ReplicaState::kGone; }));
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  EXPECT_NE(actuator->replicas().at(0).id, info.id);
  stop(world, *actuator);
}

TEST_F(SleepTest, a_sleeper_lends_its_device_and_has_it_back_or_says_why_not) {
  devices = DevicePool({"0"});
  TestWorld world(directory.path());
  auto actuator = make(world, lending());
  ReplicaInfo info = run(world, *actuator, 1).at(0);
  EXPECT_EQ(devices.free(), 0u);
  ASSERT_TRUE(put_to_sleep(world, *actuator, info.id));
  ASSERT_EQ(devices.free(), 1u);
  auto other = devices.lease({});
  actuator->wake(info.id);
  ASSERT_TRUE(world.until([&] { return !world.capacity_failed.empty(); }));
  EXPECT_EQ(world.capacity_failed[0].limit, 0);
  EXPECT_EQ(world.last[info.id].state, ReplicaState::kSleeping);
  devices.release(*other);
  actuator->wake(info.id);
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  EXPECT_EQ(devices.free(), 0u);
  stop(world, *actuator);
  EXPECT_EQ(devices.free(), 1u);
}

TEST_F(SleepTest, where_its_device_is_taken_and_another_free_a_fresh_one_is_started) {
  devices = DevicePool({"0", "1"});
  TestWorld world(directory.path());
  auto actuator = make(world, lending());
  ReplicaInfo info = run(world, *actuator, 1).at(0);
  ASSERT_TRUE(put_to_sleep(world, *actuator, info.id));
  auto other = devices.lease({});  // the lowest: the one it slept on
  actuator->wake(info.id);
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  EXPECT_NE(actuator->replicas().at(0).id, info.id);
  EXPECT_EQ(devices.free(), 0u);
  devices.release(*other);
  stop(world, *actuator);
  EXPECT_EQ(devices.free(), 2u);
}

}  // namespace
}  // namespace tidegate::live
