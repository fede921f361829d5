#include "live/run/targets.h"

#include <fmt/format.h>

#include "live/actuate/aws/aws_actuator.h"
#include "live/actuate/endpoints/endpoints_actuator.h"
#include "live/actuate/exec/exec_actuator.h"
#include "live/actuate/kubernetes/kubernetes_actuator.h"
#include "live/actuate/process/process_actuator.h"
#include "live/emulator/options.h"
#include "live/weights/names.h"
#include "live/weights/node_labels.h"

namespace tidegate::live {
namespace {

/// What an emulated engine reads from its environment; a real one passes it over.
EnvironmentList engine_env(const RunOptions& options, const spec::Model& model,
                           const spec::Variant& variant, ReplicaId id) {
  EnvironmentList env = {
      {"TIDEGATE_ENGINE_MODEL", model.served_names.front()},
      {"TIDEGATE_ENGINE_PROFILE", variant.engine.profile},
      {"TIDEGATE_ENGINE_COLD_START", format_cold_start(variant.cold_start)},
      {"TIDEGATE_ENGINE_TIME_SCALE", fmt::format("{}", options.time_scale)},
  };
  if (variant.engine.max_num_seqs) {
    env.emplace_back("TIDEGATE_ENGINE_MAX_NUM_SEQS", std::to_string(*variant.engine.max_num_seqs));
  }
  if (variant.warm_pool.max_replicas > Replicas(0)) {
    env.emplace_back("VLLM_SERVER_DEV_MODE", "1");  // has the routes; for a real engine as well
    env.emplace_back("TIDEGATE_ENGINE_SLEEP_MODE", "1");
  }
  if (id) {
    env.emplace_back("TIDEGATE_ENGINE_SEED", std::to_string(options.seed * 1'000'003 + id.value()));
  }
  return env;
}

Result<std::unique_ptr<Actuator>> process(const RunParts& parts, const spec::Model& model,
                                          const spec::Variant& variant, ActuatorSink sink) {
  if (auto same = check_time_scale(parts.journal, model.name, parts.options.time_scale); !same) {
    return fail(same.error().within("variant " + variant.name));
  }
  ProcessOptions options;
  options.state_dir = parts.options.state_dir;
  options.leave = parts.options.leave;
  options.engine_env = [run = parts.options](const spec::Model& m, const spec::Variant& v,
                                             ReplicaId id) { return engine_env(run, m, v, id); };
  ProcessWorld world{parts.loop,    parts.client,  parts.clock,
                     parts.journal, parts.devices, parts.ports};
  return std::make_unique<ProcessActuator>(world, std::move(options), model, variant,
                                           std::move(sink));
}

}  // namespace

Result<std::unique_ptr<Actuator>> make_actuator(const RunParts& parts, const spec::Model& model,
                                                const spec::Variant& variant, ActuatorSink sink) {
  if (std::holds_alternative<spec::ProcessTarget>(variant.target)) {
    return process(parts, model, variant, std::move(sink));
  }
  const EndpointWorld world{parts.loop, parts.client, parts.clock, parts.journal};
  if (std::holds_alternative<spec::EndpointsTarget>(variant.target)) {
    return EndpointsActuator::create(world, model, variant, std::move(sink));
  }
  if (std::holds_alternative<spec::ExecTarget>(variant.target)) {
    ExecOptions options;
    options.state_dir = parts.options.state_dir;
    return ExecActuator::create(world, std::move(options), model, variant, std::move(sink));
  }
  if (std::holds_alternative<spec::KubernetesTarget>(variant.target)) {
    KubernetesOptions options;
    options.informer.seed = parts.options.seed;
    options.weights_label = [](const spec::Variant& v) {
      const std::string& source = v.cold_start.weights.source;
      return source.empty() ? "" : weights::kLabelPrefix + weights::set_name(source);
    };
    return KubernetesActuator::create(
        {parts.loop, parts.clock, parts.journal, parts.clusters, parts.client}, options, model,
        variant, std::move(sink));
  }
  if (std::holds_alternative<spec::AwsAutoScalingGroupTarget>(variant.target)) {
    AwsOptions options;
    options.seed = parts.options.seed;
    return AwsActuator::create(
        {parts.loop, parts.client, parts.clock, parts.journal, parts.accounts}, options, model,
        variant, std::move(sink));
  }
  return fail(
      "variant " + variant.name +
      ": no target: give it process, endpoints, exec, kubernetes or awsAutoScalingGroup (a spec "
      "without one is for simulation)");
}

}  // namespace tidegate::live
