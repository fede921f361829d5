#pragma once
// EndpointSlices: where the engines of Kubernetes targets are, as the cluster publishes it: what a
// gateway goes by while no controller tells it.
//
//   EndpointSlices slices(clusters, [&](const std::string& model, std::int32_t variant,
//                                       const link::EngineSight& sight) {...});
//   slices.follow(models);              // at the start, and when models come or go
//
// A variant's engines are the endpoints of the Service of the same name and namespace as its target
// (one Service for each Deployment; its selector is the pods'), at the target's own port. All
// slices of it count, each address once; one that terminates gets nothing new (nil ready is true,
// nil terminating false). Without such a Service nothing is said. Needs list and watch on
// endpointslices; without that right it is said once and nothing else changes.
// Thread-safety: the loop's thread. Source: discovery.k8s.io/v1.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/spec/model.h"
#include "live/fleet_link/follower.h"
#include "live/kube/clusters.h"

namespace tidegate::live {

class EndpointSlices {
 public:
  static constexpr std::size_t kMaxEndpoints = 20'000;  ///< of one variant
  using Seen = std::function<void(const std::string& model, std::int32_t variant,
                                  const link::EngineSight& sight)>;

  EndpointSlices(kube::Clusters& clusters, Seen seen)
      : clusters_(clusters), seen_(std::move(seen)) {}
  void follow(const std::vector<spec::Model>& models);

 private:
  struct Variant {
    std::string model;
    std::int32_t index = 0;
    spec::KubernetesTarget target;
    std::map<std::string, link::EngineSight> slices;  ///< by name
    bool in_step = false, troubled = false;
    std::unique_ptr<kube::Follower> follower;
  };
  void tell(const Variant& variant) const;
  void trouble(Variant& variant, const std::string& why);
  std::unique_ptr<Variant> open(const spec::Model& model, std::size_t index,
                                const spec::KubernetesTarget& target);

  kube::Clusters& clusters_;
  Seen seen_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Variant>> variants_;
};

}  // namespace tidegate::live
