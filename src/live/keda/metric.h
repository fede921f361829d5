#pragma once
// What HPA is told, so that its arithmetic ends at the decided number.
//
// One replica is one unit: target 1, type AverageValue. HPA leaves things alone while
// total / (target * current) is within its tolerance (10 %), and else scales to ceil(total /
// target). Any total in (n - 1, n] means n, so the end of that range which is farther from what
// runs now carries small steps over the tolerance: n on the way up, just above n - 1 on the way
// down. Source: replica_calculator.go (GetExternalPerPodMetricReplicas) of Kubernetes.

#include <cstdint>
#include <string_view>

#include "live/keda/number_board.h"

namespace tidegate::live::keda {

/// Without the prefix (`s0-`) that KEDA gives it.
inline constexpr std::string_view kMetricName = "tidegate-desired-replicas";
inline constexpr std::int64_t kMetricTarget = 1;
/// Metrics are rendered in thousandths.
inline constexpr double kLeastMetricStep = 0.001;

/// The fleet's total.
inline double metric_total(const VariantNumber& number) {
  const auto n = static_cast<double>(number.replicas.value());
  const bool down = number.running && *number.running > number.replicas;
  return down && n > 0 ? n - 1 + kLeastMetricStep : n;
}

}  // namespace tidegate::live::keda
