#pragma once
// ExternalMetrics: what a run tells HPAs (live/external_metrics), and how it is reached.
//
//   auto metrics = ExternalMetrics::open(world, options, state_dir).value();
//   metrics->numbers().handled(run);      // after each event of a model
//
// What is told, by namespace (a Kubernetes target's own; of other targets the account's):
//   tidegate_desired_replicas  {model, variant}                as KEDA is told it (keda_feed.h)
//   wva_desired_replicas       {variant_name, namespace, exported_namespace}   the same, of
//                              Kubernetes targets, by their names, as llm-d's autoscaler has it
//   tidegate_waiting_requests  {model}   gateway queue and engines' queues; none while one is unknown
//   tidegate_queue_tokens      {model}   prompt tokens waiting at the gateway
// Values are the leader's: a follower asks it, at the address that it leaves in the Lease.
// Of a target that Tidegate scales itself there is no number: an HPA would be a second writer.
// Thread-safety: the loop's thread.

#include <memory>
#include <string>
#include <vector>

#include "live/external_metrics/registration.h"
#include "live/external_metrics/server.h"
#include "live/kube/clusters.h"
#include "live/kube/leader_election.h"
#include "live/run/keda_feed.h"
#include "live/run/leader_notice.h"
#include "live/run/model_run.h"

namespace tidegate::live {

/// What it looks at; all outlive it.
struct ExternalMetricsWorld {
  net::Loop& loop;
  kube::Clusters& clusters;
  const DataPlane& gateway;
  const std::vector<std::unique_ptr<ModelRun>>& models;
  kube::LeaderElection* election = nullptr;  ///< none: this process leads
  LeaderNotice* notice = nullptr;            ///< beside it
};

class ExternalMetrics {
 public:
  /// An error says what is missing: a cluster, a certificate, the address.
  static Result<std::unique_ptr<ExternalMetrics>> open(const ExternalMetricsWorld& world,
                                                       const external_metrics::Options& options,
                                                       const std::string& state_dir);
  net::Address address() const { return address_; }
  /// To be told what KEDA's feed is told; nobody listens to this one.
  KedaFeed& numbers() { return numbers_; }
  void drain() { server_->drain(); }

 private:
  explicit ExternalMetrics(const ExternalMetricsWorld& world) : world_(world) {}
  Result<void> start(const external_metrics::Options& options, const std::string& state_dir);
  bool leads() const { return world_.election == nullptr || world_.election->leading(); }
  external_metrics::Leadership leadership() const;
  external_metrics::Samples samples(std::string_view metric, std::string_view ns) const;
  const std::string& namespace_of(const spec::Variant& variant) const;
  bool lives_in(const ModelRun& model, std::string_view ns) const;
  void desired(const ModelRun& model, const spec::Variant& variant, std::string_view metric,
               external_metrics::Samples& out) const;

  ExternalMetricsWorld world_;
  KedaFeed numbers_;
  std::string own_namespace_;
  std::unique_ptr<external_metrics::Server> server_;
  std::unique_ptr<external_metrics::Registration> registration_;
  net::Address address_;
};

}  // namespace tidegate::live
