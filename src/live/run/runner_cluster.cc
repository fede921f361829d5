// What ties a run to a cluster: the Models followed there, what it is told of them, and who leads.
#include <fmt/format.h>

#include "live/kube/clusters.h"
#include "live/net/log.h"
#include "live/run/host_name.h"
#include "live/run/model_sight.h"
#include "live/run/models_in_force.h"
#include "live/run/runner.h"

namespace tidegate::live {

using net::Level;

namespace {
constexpr Duration kTellPeriod = seconds(1);
}  // namespace

Result<void> Runner::open_operator() {
  auto client = cluster_client(*clusters_, options_);
  if (!client) return fail(client.error());
  cluster_models_ = follow_models(*client, options_, [this] { take_models(); });
  if (!options_.dry_run) {
    report_ = std::make_unique<ClusterReport>(*client, *cluster_models_, host_name());
  }
  return cluster_models_->claim_for_files(files_->models());
}

void Runner::begin_operator() {
  const auto& ns = options_.cluster->namespaces;
  net::log(Level::kInfo, "following Models of the cluster",
           {{"namespaces", options_.cluster->all_namespaces ? "all"
                           : ns.empty()                     ? "the context's"
                                        : fmt::format("{}", fmt::join(ns, ","))}});
  cluster_models_->start();
}

/// Each Model once a second, not all at once.
void Runner::tell_cluster_on() {
  if (report_ == nullptr) return;
  report_->look_on([this](const std::string& name) -> std::optional<ModelSight> {
    const ModelRun* run = in_force(name);
    return run == nullptr ? std::nullopt : std::optional(sight_of(*run, clock_->now()));
  });
  tell_timer_ = loop_.after(kTellPeriod / ClusterReport::kTurns, [this] { tell_cluster_on(); });
}

void Runner::announced(const ModelRun& run, const control::Announce& announce) {
  if (!leads_ || options_.dry_run) return;
  if (cluster_models_ != nullptr && cluster_models_->find(run.name()) != nullptr) {
    if (report_ != nullptr) report_->announced(run.name(), announce);
    return;
  }
  if (target_events_ == nullptr) {
    target_events_ = std::make_unique<TargetEvents>(*clusters_, host_name());
  }
  target_events_->announced(run.model(), announce);
}

Result<void> Runner::open_leadership() {
  if (!options_.leader || options_.dry_run) return {};
  const LeaderWish& wish = *options_.leader;
  auto client = clusters_->client({wish.kubeconfig, wish.context});
  if (!client) return fail(client.error().within("--leader-elect"));
  kube::LeaderOptions options;
  options.ns = wish.ns.empty() ? (*client)->access().ns : wish.ns;
  options.name = wish.lease;
  options.seed = options_.seed;
  auto made = kube::LeaderElection::create(
      *client, options,
      {.leading = [this](bool yes) { lead(yes); },
       .trouble =
           [this](const kube::ApiError& error) {
             if (std::exchange(lease_trouble_, error.message) == error.message) return;
             net::log(Level::kWarn, "leader election", {{"error", error.message}});
           }});
  if (!made) return fail(made.error().within("--leader-elect"));
  election_ = std::move(*made);
  notice_ = std::make_unique<LeaderNotice>(*election_, (*client)->access().server);
  lead(false);
  return {};
}

void Runner::lead(bool leading) {
  leads_ = leading;
  net::log(Level::kInfo, leading ? "this process leads" : "another process may lead",
           {{"identity", election_->identity()}});
  // First: what is decided from now on is of the requests that are heard here.
  if (fleet_ != nullptr) fleet_->lead(leading, leading ? "" : election_->holder());
  if (follower_ != nullptr) leading ? follower_->lead(*fleet_) : follower_->follow();
  for (auto& model : models_) model->lead(leading);
  if (report_ != nullptr) report_->lead(leading);
  if (learned_ != nullptr) learned_->lead(leading);
}

}  // namespace tidegate::live
