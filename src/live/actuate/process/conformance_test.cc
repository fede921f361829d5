#include "live/actuate/conformance.h"

#include "live/actuate/process/proc.h"
#include "live/actuate/process/process_actuator.h"

namespace tidegate::live {
namespace {

struct ProcessHarness {
  static constexpr bool kOurs = true;
  static constexpr std::int64_t kStart = 0;
  static constexpr bool kSleeps = true;

  std::unique_ptr<Actuator> make() {
    spec::Variant variant;
    variant.name = "h100";
    spec::ProcessTarget target;
    target.command = {TIDEGATE_STUB_ENGINE, "--port", "{port}"};
    variant.target = target;
    spec::Model model;
    model.name = "m";
    ProcessOptions options;
    options.state_dir = directory.path();
    options.boot_poll = millis(2);
    options.gone_poll = millis(1);
    return std::make_unique<ProcessActuator>(
        ProcessWorld{world.loop(), world.client(), world.clock(), world.journal(), devices, ports},
        options, model, variant, world.sink());
  }
  std::int64_t outside() const {
    return static_cast<std::int64_t>(processes_of(absolute_path(directory.path())).size());
  }

  TestDirectory directory;
  TestWorld world{directory.path()};
  DevicePool devices = DevicePool::unbounded();
  PortPool ports;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Process, ActuatorConformance, ProcessHarness);

}  // namespace
}  // namespace tidegate::live
