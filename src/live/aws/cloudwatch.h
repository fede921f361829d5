#pragma once
// CloudWatch: custom metrics written in batches, and the scaling policy that follows one.
//
//   put_metrics(client, now, {{"LLMQueueDepth", 12, {{"Model", "m"}}}}, [](AwsResult<None>) { ... });
//
// Namespace Tidegate. Values must be finite; a value that is not known is left out by the caller:
// CloudWatch keeps no unknown. Source: CloudWatch API Reference 2010-08-01 (at most 1,000 values of
// a call), Amazon EC2 Auto Scaling User Guide, "target tracking with metric math". Thread-safety:
// the loop's thread.

#include <string>
#include <utility>
#include <vector>

#include "live/aws/auto_scaling.h"

namespace tidegate::live::aws {

inline constexpr const char* kMetricNamespace = "Tidegate";
inline constexpr std::size_t kMaxMetricsOfCall = 1'000;

struct Metric {
  std::string name;
  double value = 0;
  std::vector<std::pair<std::string, std::string>> dimensions;
};

/// Answered once: by the first error, or when all batches are taken. Nothing known to write is no
/// call and no answer.
void put_metrics(Client& client, WallTime at, const std::vector<Metric>& metrics, Told<None> told);

/// Follow LLMQueueDepth / ReadyReplicas of a model by target tracking: Auto Scaling itself keeps
/// `per_replica` requests waiting a replica. The parameters, for a look and for the call.
Params tracking_policy(const std::string& group, const std::string& model, double per_replica);
void put_tracking_policy(Client& client, const Params& policy, Told<None> told);

}  // namespace tidegate::live::aws
