#pragma once
// The fixture of the process actuator's tests: a directory, devices, ports, and engines that are
// stubs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "live/actuate/process/proc.h"
#include "live/actuate/process/process_actuator.h"
#include "live/actuate/test_world.h"

namespace tidegate::live {

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
    EXPECT_TRUE(actuator.replicas().empty());
  }
  std::size_t engines() { return processes_of(absolute_path(directory.path())).size(); }
  ~ProcessActuatorTest() override {
    for (const auto& left : processes_of(absolute_path(directory.path()))) {
      ::kill(left.pid, SIGKILL);
    }
  }

  TestDirectory directory;
  DevicePool devices = DevicePool::unbounded();
  PortPool ports;
  bool leave = false;
};

}  // namespace tidegate::live
