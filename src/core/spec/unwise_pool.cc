// Warm pools that cost more than they buy, or are not what their target can hold.

#include <algorithm>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/spec/expected_start.h"
#include "core/spec/options.h"
#include "core/spec/unwise.h"

namespace tidegate::spec {
namespace {

/// What a sleeper costs, against what it is worth.
void advise_pool_price(const Case& c, Warnings& warnings) {
  const WarmPool& pool = c.variant.warm_pool;
  double asleep = sleeper_cost_dollars(c.variant), awake = c.variant.cost_per_hour_dollars;
  if (awake > 0 && asleep >= awake) {
    warnings.add(
        c.path + ".warmPool." + (pool.cost_per_hour_dollars ? "costPerHour" : "holdsDevice"),
        "a sleeper costs $" + number_text(asleep) +
            " an hour, as much as a replica that "
            "serves ($" +
            number_text(awake) +
            "): it buys nothing that one more awake would not, and has to be woken "
            "first. Raise minReplicas instead, or free the device (holdsDevice: false), "
            "or say what a sleeper really costs (costPerHour)");
  }
  if (!engine_sleeps(pool.state) && !holds_device(pool) && !pool.cost_per_hour_dollars) {
    warnings.add(
        c.path + ".warmPool.costPerHour",
        "a machine on standby is taken to cost nothing, so as many are kept as may be: say "
        "what its disk costs (costPerHour, such as 0.05)");
  }
}

/// How fast it wakes, against a start from nothing.
void advise_wake(const Case& c, Warnings& warnings) {
  const PoolState state = c.variant.warm_pool.state;
  const std::string path = c.path + ".warmPool.state";
  // Either way both are the same kind of sum.
  const Duration cold = engine_sleeps(state)
                            ? c.cold_start
                            : expected_start(c.variant.cold_start, {.node_exists = 0}).total.p90;
  if (const auto wake = expected_wake(c.variant); wake && wake->total.p90 >= cold) {
    warnings.add(path, "waking takes " + duration_text(wake->total.p90) +
                           " (p90), no less than a cold start (" + duration_text(cold) +
                           "): sleepers save nothing");
  }
  const Weights& weights = c.variant.cold_start.weights;
  if (state == PoolState::kCachedImage && weights.from == WeightSource::kNvme && !weights.time &&
      weights.bytes > 0) {
    warnings.add(
        path,
        "cachedImage has no weights on its disk, and coldStart.weights come from nvme; say "
        "where they come from (weights.from: hub, objectStore or datacentre), or write "
        "cachedWeights");
  }
}

/// What instances of the group's own warm pool can be.
void advise_aws_pool(const Case& c, const AwsAutoScalingGroupTarget& group, Warnings& warnings) {
  const WarmPool& pool = c.variant.warm_pool;
  if (group.warm_pool_state != AwsPoolState::kStopped) return;
  if (engine_sleeps(pool.state)) {
    warnings.add(
        c.path + ".warmPool.state",
        "no engine sleeps at " + std::string(token(pool.state)) +
            " on an instance that is Stopped (target.awsAutoScalingGroup.warmPoolState); "
            "write cachedWeights where its volumes keep the weights, else cachedImage: how "
            "long a wake takes then follows from coldStart");
  } else if (holds_device(pool)) {
    warnings.add(c.path + ".warmPool.holdsDevice",
                 "an instance that is Stopped holds no accelerator; say false");
  }
}

void advise_pool_target(const Case& c, Warnings& warnings) {
  const WarmPool& pool = c.variant.warm_pool;
  if (auto* group = std::get_if<AwsAutoScalingGroupTarget>(&c.variant.target)) {
    return advise_aws_pool(c, *group, warnings);
  }
  if (std::string why = cannot_stand_by(c.variant); !why.empty()) {
    return warnings.add(c.path + ".warmPool.state", why +
                                                        "; `run` refuses it, simulate does not "
                                                        "look at the target");
  }
  if (!engine_sleeps(pool.state)) return;
  if (std::holds_alternative<KubernetesTarget>(c.variant.target) && !holds_device(pool)) {
    warnings.add(c.path + ".warmPool.holdsDevice",
                 "a pod keeps the accelerator it was given while it sleeps, so others run on it "
                 "only where accelerators are shared (time-slicing, MPS); else say true");
  }
  auto* process = std::get_if<ProcessTarget>(&c.variant.target);
  if (process == nullptr || c.variant.engine.type != EngineType::kVllm) return;
  const std::vector<std::string>& words = process->command;
  if (!words.empty() && !words[0].ends_with("tidegate") &&
      std::find(words.begin(), words.end(), "--enable-sleep-mode") == words.end()) {
    warnings.add(c.path + ".target.process.command",
                 "the warm pool puts engines to sleep, and vLLM refuses that without "
                 "--enable-sleep-mode; add it to the command");
  }
}

}  // namespace

void advise_warm_pool(const Case& c, Warnings& warnings) {
  const WarmPool& pool = c.variant.warm_pool;
  if (pool.max_replicas <= Replicas(0)) return;
  advise_pool_price(c, warnings);
  advise_wake(c, warnings);
  if (std::int64_t room = c.variant.max_replicas.value() - c.floor;
      pool.min_replicas.value() > room) {
    warnings.add(c.path + ".warmPool.minReplicas",
                 "at most " + std::to_string(room) +
                     " can sleep beside minReplicas within the "
                     "variant's maxReplicas (" +
                     std::to_string(c.variant.max_replicas.value()) + ")");
  }
  advise_pool_target(c, warnings);
}

}  // namespace tidegate::spec
