#include "live/actuate/process/process_actuator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <set>

#include "live/actuate/process/proc.h"
#include "live/actuate/test_world.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ProcessActuatorTest : public ::testing::Test {
 protected:
  static spec::Variant variant(std::vector<std::string> extra = {}) {
    spec::Variant v;
    v.name = "h100";
    spec::ProcessTarget target;
    target.command = {TIDEGATE_STUB_ENGINE, "--port", "{port}"};
    target.command.insert(target.command.end(), extra.begin(), extra.end());
    target.drain_timeout = seconds(2'000);  // world: 20 s of wall, longer than any test is patient
    target.stop_grace = seconds(20);
    v.target = target;
    return v;
  }
  static spec::Model model() {
    spec::Model m;
    m.name = "m";
    m.served_names = {"acme/m"};
    return m;
  }
  std::unique_ptr<ProcessActuator> make(TestWorld& world, const spec::Variant& v) {
    ProcessOptions options;
    options.state_dir = directory.path();
    options.engine_env = [](const spec::Model& m, const spec::Variant&, ReplicaId) {
      return EnvironmentList{{"TIDEGATE_ENGINE_MODEL", m.served_names[0]}};
    };
    options.boot_poll = millis(2);
    options.probe_period = millis(5);
    options.gone_poll = millis(1);
    options.leave = leave;
    return std::make_unique<ProcessActuator>(
        ProcessWorld{world.loop(), world.client(), world.clock(), world.journal(), devices, ports},
        options, model(), v, world.sink());
  }
  static void stop(TestWorld& world, ProcessActuator& actuator) {
    bool done = false;
    actuator.shutdown([&] { done = true; });
    for (const auto& info : actuator.replicas()) actuator.drained(info.id);
    EXPECT_TRUE(world.until([&] { return done; }));
    EXPECT_THAT(actuator.replicas(), IsEmpty());
  }
  std::size_t engines() {
    return processes_of(std::filesystem::weakly_canonical(directory.path())).size();
  }
  ~ProcessActuatorTest() override {
    for (const auto& left : processes_of(std::filesystem::weakly_canonical(directory.path()))) {
      ::kill(left.pid, SIGKILL);
    }
  }

  TestDirectory directory;
  DevicePool devices = DevicePool::unbounded();
  PortPool ports;
  bool leave = false;
};

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
  EXPECT_EQ(info.stages.engine, info.stages.total) << "a process shows one stage";
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

}  // namespace
}  // namespace tidegate::live
