// How many, and the life of one replica.

#include <functional>

#include "live/actuate/process/test_process.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<ReplicaState> states_of(const TestWorld& world, ReplicaId id) {
  std::vector<ReplicaState> out;
  for (const auto& info : world.reports) {
    if (info.id == id) out.push_back(info.state);
  }
  return out;
}

TEST_F(ProcessActuatorTest, a_replica_is_ordered_starts_is_ready_drains_and_is_gone) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant({"--delay-ms", "20"}));
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  ReplicaInfo info = actuator->replicas().at(0);
  EXPECT_GT(info.stages.total, Duration(0));
  EXPECT_GE(info.stages.procurement, Duration(0));
  EXPECT_LT(info.stages.weights, Duration(0)) << "the engine said nothing of its stages";
  EXPECT_LT(info.stages.engine, Duration(0)) << "so nobody knows how the rest is split";
  EXPECT_EQ(info.stages.from, control::StartFrom::kCold);
  EXPECT_FALSE(info.adopted);
  EXPECT_EQ(world.journal().replicas().value().at(0).pid, info.pid);

  actuator->apply({"h100", Replicas(0), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kDraining) == 1; }));
  world.settle();
  EXPECT_EQ(engines(), 1u) << "it holds requests until the router says otherwise";
  actuator->drained(info.id);
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kGone) == 1; }));
  EXPECT_THAT(states_of(world, info.id),
              ElementsAre(ReplicaState::kOrdered, ReplicaState::kStarting, ReplicaState::kReady,
                          ReplicaState::kDraining, ReplicaState::kGone));
  EXPECT_EQ(engines(), 0u);
  EXPECT_THAT(world.journal().replicas().value(), IsEmpty());
  EXPECT_THAT(world.capacity_failed, IsEmpty());
}

TEST_F(ProcessActuatorTest, an_engine_gets_its_port_environment_devices_and_a_log_of_its_own) {
  devices = DevicePool({"4", "5", "6"});
  auto v = variant();
  v.hardware.count = 2;
  auto& target = std::get<spec::ProcessTarget>(v.target);
  target.env["NAME_OF"] = "{model}/{gpus}/{replica}/{port}";
  ::setenv("TIDEGATE_ADMIN_TOKEN", "secret", 1);
  TestWorld world(directory.path());
  auto actuator = make(world, v);
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  ::unsetenv("TIDEGATE_ADMIN_TOKEN");
  ReplicaInfo info = actuator->replicas().at(0);
  auto env = [&](const std::string& name) {
    return world.ask(info.address, "GET", "/env?name=" + name).body;
  };
  EXPECT_EQ(env("NAME_OF"), "acme/m/2/1/" + std::to_string(info.address.port));
  EXPECT_EQ(env("CUDA_VISIBLE_DEVICES"), "4,5");
  EXPECT_EQ(env("TIDEGATE_REPLICA_ID"), "1");
  EXPECT_EQ(env("TIDEGATE_ENGINE_MODEL"), "acme/m");
  EXPECT_EQ(env("TIDEGATE_ADMIN_TOKEN"), "(unset)");
  EXPECT_TRUE(std::filesystem::exists(directory.path() + "/logs/m-h100-1.log"));
  EXPECT_EQ(read_stat(info.pid)->group, info.pid) << "its own process group";
  EXPECT_EQ(devices.free(), 1u);
  stop(world, *actuator);
  EXPECT_EQ(devices.free(), 3u);
}

TEST_F(ProcessActuatorTest, stages_are_what_the_engine_says_and_what_is_left) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant({"--say", "INFO Loading weights took 0.25 seconds", "--say",
                                       "torch.compile takes 0.10 s in total", "--delay-ms", "20"}));
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  const control::StageTimes stages = actuator->replicas().at(0).stages;
  EXPECT_EQ(stages.weights, millis(250));
  EXPECT_EQ(stages.compile, millis(100));
  EXPECT_LT(stages.graphs, Duration(0));
  EXPECT_LT(stages.image, Duration(0));
  EXPECT_EQ(stages.procurement + stages.weights + stages.engine, stages.total);
  stop(world, *actuator);
}

TEST_F(ProcessActuatorTest, a_stage_that_took_longer_than_the_start_is_not_believed) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant({"--say", "Loading weights took 86000 seconds"}));
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  EXPECT_LT(actuator->replicas().at(0).stages.weights, Duration(0));
  EXPECT_LT(actuator->replicas().at(0).stages.engine, Duration(0));
  stop(world, *actuator);
}

TEST_F(ProcessActuatorTest, the_wait_for_a_device_is_procurement) {
  devices = DevicePool({"0"});
  auto held = devices.lease({});
  ASSERT_TRUE(held.has_value());
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return !world.capacity_failed.empty(); }));
  const Instant before = world.clock().now();
  devices.release(*held);
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  const ReplicaInfo info = actuator->replicas().at(0);
  EXPECT_LE(info.ordered_at, before) << "it was wanted then already";
  EXPECT_GT(info.stages.procurement, Duration(0));
  EXPECT_LT(info.stages.procurement, info.stages.total);
  stop(world, *actuator);
}

TEST_F(ProcessActuatorTest, booting_replicas_are_cancelled_first_then_the_named_victims) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 3; }));
  actuator->apply({"h100", Replicas(4), {}});
  ASSERT_TRUE(world.until([&] { return world.reports.back().id == ReplicaId(4); }));
  ReplicaId victim(2);
  actuator->apply({"h100", Replicas(2), {victim}});
  ASSERT_TRUE(world.until([&] {
    for (const auto& info : actuator->replicas()) actuator->drained(info.id);
    return world.in_state(ReplicaState::kGone) == 2;
  }));
  EXPECT_TRUE(world.is(victim, ReplicaState::kGone));
  EXPECT_TRUE(world.is(ReplicaId(4), ReplicaState::kGone));
  EXPECT_EQ(world.in_state(ReplicaState::kReady), 2);
  stop(world, *actuator);
}

TEST_F(ProcessActuatorTest, an_engine_that_ignores_sigterm_is_killed_after_its_grace) {
  auto v = variant({"--ignore-term"});
  std::get<spec::ProcessTarget>(v.target).stop_grace = millis(20);
  TestWorld world(directory.path());
  auto actuator = make(world, v);
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  stop(world, *actuator);
  EXPECT_EQ(engines(), 0u);
}

TEST_F(ProcessActuatorTest, devices_stay_leased_while_a_worker_outlives_its_leader) {
  devices = DevicePool({"0"});
  auto v = variant({"--worker"});
  std::get<spec::ProcessTarget>(v.target).stop_grace = millis(300);
  TestWorld world(directory.path());
  auto actuator = make(world, v);
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  int leader = actuator->replicas()[0].pid;
  EXPECT_EQ(engines(), 2u);
  actuator->apply({"h100", Replicas(0), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kDraining) == 1; }));
  actuator->drained(ReplicaId(1));
  ASSERT_TRUE(world.until([&] { return !read_stat(leader); })) << "the leader obeys and is reaped";
  EXPECT_TRUE(engines() == 0 || devices.free() == 0);
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kGone) == 1; }));
  EXPECT_EQ(engines(), 0u);
  EXPECT_EQ(devices.free(), 1u);
}

TEST_F(ProcessActuatorTest, draining_ends_at_its_time_out_even_if_the_router_never_answers) {
  auto v = variant();
  std::get<spec::ProcessTarget>(v.target).drain_timeout = seconds(1);  // world
  TestWorld world(directory.path());
  auto actuator = make(world, v);
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  actuator->apply({"h100", Replicas(0), {}});
  EXPECT_TRUE(world.until([&] { return world.in_state(ReplicaState::kGone) == 1; }));
}

TEST_F(ProcessActuatorTest, a_second_shutdown_does_not_wait_for_requests) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant({"--ignore-term"}));
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 2; }));
  int done = 0;
  actuator->shutdown([&] { ++done; });
  world.settle();
  EXPECT_EQ(done, 0);
  EXPECT_EQ(engines(), 2u);
  actuator->shutdown([&] { ++done; });
  ASSERT_TRUE(world.until([&] { return done == 2; }));
  EXPECT_EQ(engines(), 0u);
}

TEST_F(ProcessActuatorTest, a_crashed_engine_is_told_and_replaced) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  ReplicaInfo first = actuator->replicas()[0];
  world.client().fetch({.address = first.address, .method = "POST", .path = "/crash"}, [](auto) {});
  ASSERT_TRUE(world.until([&] { return world.is(ReplicaId(2), ReplicaState::kReady); }));
  EXPECT_THAT(states_of(world, first.id),
              ElementsAre(ReplicaState::kOrdered, ReplicaState::kStarting, ReplicaState::kReady,
                          ReplicaState::kFailed, ReplicaState::kGone));
  EXPECT_THAT(world.last.at(first.id).detail, HasSubstr("exited with status 3"));
  EXPECT_THAT(world.capacity_failed, IsEmpty()) << "once is not a loop";
  stop(world, *actuator);
}

TEST_F(ProcessActuatorTest, an_engine_that_hangs_is_killed_and_replaced) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  world.ask(actuator->replicas()[0].address, "POST", "/sicken");
  ASSERT_TRUE(world.until([&] { return world.is(ReplicaId(2), ReplicaState::kReady); }));
  EXPECT_THAT(world.last.at(ReplicaId(1)).detail, HasSubstr("health failed 3 times in a row"));
  EXPECT_TRUE(world.is(ReplicaId(1), ReplicaState::kGone));
  stop(world, *actuator);
}

TEST_F(ProcessActuatorTest, a_crash_loop_backs_off_and_is_a_capacity_event) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant({"--exit", "7"}));
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(world.until([&] { return world.capacity_failed.size() >= 2; }));
  EXPECT_EQ(world.capacity_failed[0].variant, "h100");
  EXPECT_THAT(world.capacity_failed[0].detail, HasSubstr("exited with status 7"));
  EXPECT_GT(world.capacity_failed[1].retry_after, world.capacity_failed[0].retry_after);
  // Each start waits out the back-off of all failures before it: 1 s, 2 s, 4 s, ... of world time.
  std::vector<Instant> starts;
  for (const auto& info : world.reports) {
    if (info.state == ReplicaState::kOrdered) starts.push_back(info.ordered_at);
  }
  for (std::size_t i = 2; i < starts.size(); ++i) EXPECT_GE(starts[i] - starts[i - 2], seconds(1));
  stop(world, *actuator);
}

TEST_F(ProcessActuatorTest, a_command_that_does_not_exist_is_a_capacity_event_and_no_tight_loop) {
  auto v = variant();
  std::get<spec::ProcessTarget>(v.target).command = {"/no/such/engine", "{port}"};
  TestWorld world(directory.path());
  auto actuator = make(world, v);
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(world.until([&] { return !world.capacity_failed.empty(); }));
  EXPECT_THAT(world.capacity_failed[0].detail, HasSubstr("\"/no/such/engine\": no such command"));
  EXPECT_EQ(world.capacity_failed[0].limit, 0);
  EXPECT_EQ(world.capacity_failed[0].retry_after, seconds(1));
  EXPECT_EQ(world.last.size(), 1u) << "one try, then the back-off";
  ASSERT_TRUE(world.until([&] { return world.capacity_failed.size() == 3; }));
  EXPECT_EQ(world.capacity_failed[2].retry_after, seconds(4));
  EXPECT_THAT(world.journal().replicas().value(), IsEmpty());
  stop(world, *actuator);
}

TEST_F(ProcessActuatorTest, an_engine_that_never_gets_ready_fails_at_its_time_out) {
  auto v = variant({"--never-ready"});
  std::get<spec::ProcessTarget>(v.target).start_timeout = seconds(10);  // world
  TestWorld world(directory.path());
  auto actuator = make(world, v);
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return !world.capacity_failed.empty(); }));
  EXPECT_THAT(world.capacity_failed[0].detail, HasSubstr("not ready within 10 s"));
  stop(world, *actuator);
}

TEST_F(ProcessActuatorTest,
       no_free_device_is_a_capacity_event_with_the_limit_and_ends_when_one_is_freed) {
  devices = DevicePool({"0", "1", "2"});
  auto foreign = devices.lease({.count = 1});
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(world.until(
      [&] { return !world.capacity_failed.empty() && world.in_state(ReplicaState::kReady) == 2; }));
  EXPECT_EQ(world.capacity_failed[0].limit, 2);
  EXPECT_THAT(world.capacity_failed[0].detail,
              AllOf(HasSubstr("no free device"), HasSubstr("has 3")));
  EXPECT_EQ(world.capacity_failed.size(), 1u) << "said once a retry period";
  devices.release(*foreign);  // another model shrank
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 3; }));
  stop(world, *actuator);
  EXPECT_EQ(devices.free(), 3u);
}

}  // namespace
}  // namespace tidegate::live
