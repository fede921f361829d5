#pragma once
// tidegate aws-tracking: the scaling policy by which AWS itself follows the LLMQueueDepth that
// `tidegate run` publishes, for those who want Auto Scaling to decide; prints it, or writes it.

#include <string>

#include "cli/verbs.h"

namespace tidegate::cli {

struct AwsTrackingFlags {
  std::string spec;        // -f FILE
  double queue_depth = 5;  // --queue-depth: requests waiting a replica
  bool write = false;      // --write: PutScalingPolicy
};
/// 0: printed or written; 1: AWS refused; 2: the spec has no such group, or Tidegate writes it too.
int aws_tracking(const AwsTrackingFlags& flags);

void add_aws_tracking(CLI::App& app, int& code);

}  // namespace tidegate::cli
