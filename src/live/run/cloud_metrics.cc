#include "live/run/cloud_metrics.h"

#include <algorithm>
#include <limits>

#include "live/net/log.h"

namespace tidegate::live {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

std::vector<aws::Metric> metrics_of(const ModelRun& run, const std::string& variant) {
  const signal::Signal waiting = signal::waiting_requests(run.last_observation());
  std::int64_t ready = 0;
  for (const auto& [id, info] : run.replicas()) {
    ready += info.state == control::ReplicaState::kReady ? 1 : 0;
  }
  std::vector<aws::Metric> out = {
      {"LLMQueueDepth",
       waiting.freshness == signal::Freshness::kFresh ? waiting.value : kUnknown,
       {{"Model", run.name()}}},
      {"ReadyReplicas", static_cast<double>(ready), {{"Model", run.name()}}}};
  if (!run.decided()) return out;
  for (const policy::VariantReplicas& desired : run.view().desired) {
    if (desired.variant != variant) continue;
    out.push_back({"DesiredReplicas",
                   static_cast<double>(desired.replicas.value()),
                   {{"Model", run.name()}, {"Variant", variant}}});
  }
  return out;
}

}  // namespace

CloudMetrics::CloudMetrics(net::Loop& loop, aws::Accounts& accounts, Models models)
    : loop_(loop), accounts_(accounts), models_(std::move(models)) {
  timer_ = loop_.after(kPeriod, [this] { publish(); });
}

void CloudMetrics::publish() {
  timer_ = loop_.after(kPeriod, [this] { publish(); });
  std::map<aws::Wish, std::vector<aws::Metric>> by_account;
  const auto* models = models_();
  if (models == nullptr) return;
  for (const auto& run : *models) {
    bool first = true;  // what is of the model goes once
    for (const spec::Variant& variant : run->model().variants) {
      const auto* target = std::get_if<spec::AwsAutoScalingGroupTarget>(&variant.target);
      if (target == nullptr || !target->publish_metrics) continue;
      auto metrics = metrics_of(*run, variant.name);
      auto& all = by_account[{target->profile, target->region, target->endpoint}];
      all.insert(all.end(), metrics.begin() + (std::exchange(first, false) ? 0 : 2), metrics.end());
    }
  }
  for (const auto& [wish, metrics] : by_account) send(wish, metrics);
}

void CloudMetrics::send(const aws::Wish& wish, const std::vector<aws::Metric>& metrics) {
  auto said = [this, wish](const std::string& error) {
    if (error.empty()) return (void)troubled_.erase(wish);
    if (!troubled_.insert(wish).second) return;
    net::log(net::Level::kWarn, "metrics not published to CloudWatch", {{"error", error}});
  };
  auto& client = clients_[wish];
  if (client == nullptr) {
    auto made = accounts_.client(wish);
    if (!made) return said(made.error().message);
    client = std::move(*made);
  }
  aws::put_metrics(*client, net::WorldClock::wall_now(), metrics,
                   [said, alive = std::weak_ptr(alive_)](const aws::AwsResult<aws::None>& done) {
                     if (!alive.expired()) said(done ? "" : done.error().message);
                   });
}

}  // namespace tidegate::live
