#pragma once
// Targets: what holds the replicas of a variant. Part of core/spec/model.h, which is what to
// include.
//
// Plain values with every default in place; units as there. Thread-safety: values.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/fields.h"
#include "core/base/time.h"

namespace tidegate::spec {

/// Local processes, started and stopped by us. {port} {model} {gpus} are replaced in each word.
struct ProcessTarget {
  std::vector<std::string> command;
  std::map<std::string, std::string> env;
  std::string health_path = "/health";
  Duration start_timeout = seconds(1800);
  Duration drain_timeout = seconds(120);  ///< in-flight requests may finish
  Duration stop_grace = seconds(30);      ///< SIGTERM to SIGKILL
  bool operator==(const ProcessTarget&) const = default;
};
/// Engines that already run; we recommend and route, we do not start.
struct EndpointsTarget {
  std::vector<std::string> urls;
  bool operator==(const EndpointsTarget&) const = default;
};
/// Anything else: a command that is told the number ({replicas}); `list` prints the engines' URLs.
struct ExecTarget {
  std::vector<std::string> scale_to;
  std::vector<std::string> list;  ///< optional: prints one URL a line
  Duration timeout = seconds(60);
  bool operator==(const ExecTarget&) const = default;
};
struct KubernetesTarget {
  std::string api_version = "apps/v1";
  std::string kind = "Deployment";
  std::string name;
  std::string ns = "default";
  std::int64_t port = 8000;  ///< of the engine's HTTP API in each pod
  std::string selector;      ///< of its pods; empty: as its scale says
  Duration pending_timeout = seconds(60);
  std::string kubeconfig;  ///< empty: the environment's, or the pod's own account
  std::string context;     ///< empty: the kubeconfig's current one
  bool operator==(const KubernetesTarget&) const = default;
};
/// What an instance of an AWS warm pool is between boots.
enum class AwsPoolState : std::uint8_t { kStopped, kHibernated, kRunning };
struct AwsAutoScalingGroupTarget {
  std::string name;
  std::string region;
  std::int64_t port = 8000;  ///< of the engine's HTTP API on each instance
  std::string health_path = "/health";
  Duration pending_timeout = seconds(300);
  Duration drain_timeout = seconds(120);
  std::string termination_hook;  ///< completed once an instance is drained; empty: none
  bool protect_from_scale_in = false;
  AwsPoolState warm_pool_state = AwsPoolState::kStopped;
  bool publish_metrics = false;  ///< to CloudWatch
  std::string profile;           ///< empty: the environment's
  std::string endpoint;          ///< of every service, for tests; empty: AWS's own
  bool operator==(const AwsAutoScalingGroupTarget&) const = default;
};
using Target = std::variant<std::monostate, ProcessTarget, EndpointsTarget, ExecTarget,
                            KubernetesTarget, AwsAutoScalingGroupTarget>;

}  // namespace tidegate::spec

namespace tidegate {
template <>
struct EnumTokens<spec::AwsPoolState> {
  static constexpr std::string_view kTokens[] = {"Stopped", "Hibernated", "Running"};
};
}  // namespace tidegate
