#pragma once
// What external.metrics.k8s.io offers: names, and values with their labels.
//
//   Samples samples = source("tidegate_desired_replicas", "serve");
//
// No value is no sample: HPA then holds, where a zero would scale down. Label values are written
// as Kubernetes allows them in a selector (label_value), so that an HPA can pick any model.
// Thread-safety: values and pure functions.

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "live/kube/selector.h"

namespace tidegate::live::external_metrics {

inline constexpr std::string_view kGroup = "external.metrics.k8s.io";
inline constexpr std::string_view kVersion = "v1beta1";

inline constexpr std::string_view kDesiredReplicas = "tidegate_desired_replicas";
inline constexpr std::string_view kWvaDesiredReplicas = "wva_desired_replicas";
inline constexpr std::string_view kWaitingRequests = "tidegate_waiting_requests";
inline constexpr std::string_view kQueueTokens = "tidegate_queue_tokens";
inline constexpr std::array<std::string_view, 4> kMetrics = {kDesiredReplicas, kWvaDesiredReplicas,
                                                             kWaitingRequests, kQueueTokens};
bool is_metric(std::string_view name);

struct Sample {
  kube::Labels labels;
  double value = 0;
  /// Why an HPA must not have it, with the fix; empty: it may.
  std::string withheld = {};
};
using Samples = std::vector<Sample>;
/// All of one metric in one namespace; `metric` is one of kMetrics.
using Source = std::function<Samples(std::string_view metric, std::string_view ns)>;

/// At most 63 of A-Z a-z 0-9 - _ . with others at both ends cut off; what else there was is '_'.
std::string label_value(std::string_view text);
/// "4", "12500m": to a thousandth, as Kubernetes writes quantities. Nothing for what is no number,
/// negative, or beyond 10^15.
std::optional<std::string> quantity(double value);

}  // namespace tidegate::live::external_metrics
