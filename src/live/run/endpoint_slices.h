#pragma once
// EndpointSlices: where the engines of Kubernetes targets are, as the cluster publishes it: what a
// gateway goes by while no controller tells it.
//
//   EndpointSlices slices(clusters, [&](const std::string& model, std::int32_t variant,
//                                       const link::EngineSight& sight) {...});
//   slices.follow(models);              // at the start, and when models come or go
//
// A variant's engines are the endpoints of the Service that picks the pods of its target
// (target_service.h), at the target's own port: the target is read for the labels of its pods, at
// the start and each kLookAgain, each kRetry while that leads to no Service. All slices of it
// count, each address once; one that terminates gets nothing new (nil ready is true, nil
// terminating false). Without such a Service nothing is said.
// Needs list and watch on endpointslices and services, and get on the targets; without one of these
// it is said once, and the Service of the target's name is taken. Wall time.
// Thread-safety: the loop's thread. Source: discovery.k8s.io/v1.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/spec/model.h"
#include "live/fleet_link/messages.h"
#include "live/kube/clusters.h"
#include "live/kube/informer.h"
#include "live/run/target_service.h"

namespace tidegate::live {

/// For people.
struct ServiceView {
  std::string variant;
  ServiceChoice choice;
};

class EndpointSlices {
 public:
  static constexpr std::size_t kMaxEndpoints = 20'000;  ///< of one variant
  static constexpr Duration kLookAgain = seconds(600), kRetry = seconds(60);
  using Seen = std::function<void(const std::string& model, std::int32_t variant,
                                  const link::EngineSight& sight)>;

  EndpointSlices(net::Loop& loop, kube::Clusters& clusters, Seen seen)
      : loop_(loop), clusters_(clusters), seen_(std::move(seen)) {}
  ~EndpointSlices();
  void follow(const std::vector<spec::Model>& models);
  std::vector<ServiceView> services(const std::string& model) const;

 private:
  /// Services of one namespace.
  struct Namespace {
    std::shared_ptr<kube::KubeClient> client;
    Services services;
    bool known = false;
    std::string unread;  ///< why they are not known
    std::unique_ptr<kube::Informer> informer;
  };
  struct Variant {
    std::string model, name;
    std::int32_t index = 0;
    spec::KubernetesTarget target;
    std::shared_ptr<kube::KubeClient> client;  ///< none: no cluster to ask
    Namespace* home = nullptr;
    TargetPods pods;
    bool asked = false;  ///< what its target says is known, or why not
    kube::KubeClient::CallId call = kube::KubeClient::CallId::kNone;
    net::Loop::TimerId timer = net::Loop::TimerId::kNone;
    ServiceChoice choice;
    std::map<std::string, link::EngineSight> slices;  ///< by name
    bool in_step = false;
    kube::Outages::Part outage;
    std::unique_ptr<kube::Follower> follower;
  };
  using Key = std::pair<std::string, std::string>;  ///< model, variant

  std::unique_ptr<Variant> open(const spec::Model& model, std::size_t index,
                                const spec::KubernetesTarget& target);
  Namespace& home(const std::shared_ptr<kube::KubeClient>& client, const std::string& ns);
  void close(Variant& variant);
  void look(Variant& variant);
  void looked(Variant& variant, const std::string& unread);
  void choose_in(const Namespace& home);
  void choose(Variant& variant);
  void follow_slices(Variant& variant);
  void tell(const Variant& variant) const;
  void trouble(Variant& variant, const kube::ApiError& error);
  static void not_followed(const Variant& variant, const std::string& why);

  net::Loop& loop_;
  kube::Clusters& clusters_;
  Seen seen_;
  std::map<std::pair<kube::KubeClient*, std::string>, std::unique_ptr<Namespace>> homes_;
  std::map<Key, std::unique_ptr<Variant>> variants_;
};

}  // namespace tidegate::live
