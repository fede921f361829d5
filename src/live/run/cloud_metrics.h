#pragma once
// CloudMetrics: what AWS's own machinery may scale by, in CloudWatch, once a minute: of each model
// with an awsAutoScalingGroup that has publishMetrics, LLMQueueDepth (queue and engines) and
// ReadyReplicas {Model}, and DesiredReplicas {Model, Variant}.
//
//   CloudMetrics metrics(loop, accounts, [&] { return &models; });
//
// A value that is not fresh is not published: a gap is the truth, a zero would scale in. A call
// that fails is logged once, until one succeeds. Wall time. Thread-safety: the loop's thread.

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "live/aws/cloudwatch.h"
#include "live/run/model_run.h"

namespace tidegate::live {

class CloudMetrics {
 public:
  static constexpr Duration kPeriod = seconds(60);  ///< CloudWatch's own resolution
  /// None: another process leads, and publishes.
  using Models = std::function<const std::vector<std::unique_ptr<ModelRun>>*()>;

  CloudMetrics(net::Loop& loop, aws::Accounts& accounts, Models models);
  ~CloudMetrics() { loop_.cancel(timer_); }
  CloudMetrics(const CloudMetrics&) = delete;
  CloudMetrics& operator=(const CloudMetrics&) = delete;
  void publish();

 private:
  void send(const aws::Wish& wish, const std::vector<aws::Metric>& metrics);

  net::Loop& loop_;
  aws::Accounts& accounts_;
  Models models_;
  std::set<aws::Wish> troubled_;
  std::map<aws::Wish, std::shared_ptr<aws::Client>> clients_;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live
