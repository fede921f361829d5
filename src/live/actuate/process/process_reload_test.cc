// Reload: a new command replaces what runs.

#include <functional>

#include "live/actuate/process/test_process.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;

TEST_F(ProcessActuatorTest, a_new_command_replaces_replicas_one_by_one_the_new_ready_first) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 3; }));
  std::int64_t fewest_ready = 3, most = 0;
  world.on_change = [&](const ReplicaInfo&) {
    fewest_ready = std::min(fewest_ready, world.in_state(ReplicaState::kReady));
    most = std::max(most,
                    world.in_state(ReplicaState::kReady) + world.in_state(ReplicaState::kStarting));
    for (const auto& [id, info] : world.last) {
      if (info.state == ReplicaState::kDraining) actuator->drained(id);
    }
  };
  actuator->reload(model(), variant({"--delay-ms", "5"}));
  ASSERT_TRUE(world.until([&] {
    return world.in_state(ReplicaState::kGone) == 3 && world.in_state(ReplicaState::kReady) == 3;
  }));
  for (std::uint64_t old = 1; old <= 3; ++old)
    EXPECT_TRUE(world.is(ReplicaId(old), ReplicaState::kGone));
  EXPECT_EQ(fewest_ready, 3);
  EXPECT_EQ(most, 4) << "one more at a time";
  std::size_t reports = world.reports.size();
  actuator->reload(model(), variant({"--delay-ms", "5"}));
  world.settle();
  EXPECT_EQ(world.reports.size(), reports) << "the same command changes nothing";
  stop(world, *actuator);
}

TEST_F(ProcessActuatorTest, only_what_an_engine_is_started_with_replaces_it) {
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  struct Row {
    const char* label;
    std::function<void(spec::Model&, spec::Variant&)> change;
    std::int64_t replaced;
  };
  const Row rows[] = {
      {"a name that its command does not hold",
       [](auto& m, auto&) {
         m.served_names = {"b", "c"};
       },
       0},
      {"an estimate of its cold start",
       [](auto&, auto& v) { v.cold_start.engine.p50 = seconds(9); }, 0},
      {"a longer patience",
       [](auto&, auto& v) {
         std::get<spec::ProcessTarget>(v.target).start_timeout = seconds(9'000);
       },
       0},
      {"its environment",
       [](auto&, auto& v) { std::get<spec::ProcessTarget>(v.target).env["A"] = "b"; }, 1},
      {"its number of devices", [](auto&, auto& v) { v.hardware.count = 2; }, 1},
  };
  std::int64_t gone = 0;
  for (const auto& row : rows) {
    spec::Model m = model();
    spec::Variant v = variant();
    row.change(m, v);
    actuator->reload(m, v);
    world.settle();
    gone += row.replaced;
    EXPECT_TRUE(world.until([&] {
      for (const auto& info : actuator->replicas()) actuator->drained(info.id);
      return world.in_state(ReplicaState::kGone) == gone &&
             world.in_state(ReplicaState::kReady) == 1;
    })) << row.label;
    EXPECT_EQ(actuator->replicas().size(), 1u) << row.label;
  }
  stop(world, *actuator);
}

TEST_F(ProcessActuatorTest, a_new_command_on_a_full_box_makes_room_first) {
  devices = DevicePool({"0", "1"});
  TestWorld world(directory.path());
  auto actuator = make(world, variant());
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 2; }));
  actuator->reload(model(), variant({"--delay-ms", "5"}));
  ASSERT_TRUE(world.until([&] {
    for (const auto& info : actuator->replicas()) actuator->drained(info.id);
    return world.in_state(ReplicaState::kGone) == 2 && world.in_state(ReplicaState::kReady) == 2;
  }));
  stop(world, *actuator);
}

}  // namespace
}  // namespace tidegate::live
