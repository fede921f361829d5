#pragma once
// Clusters: one client for each API server that specs name, shared by all who talk to it.
//
//   Clusters clusters(loop);
//   auto client = clusters.client({.context = "prod"});   // shared_ptr<KubeClient>
//
// A client lives as long as somebody holds it; so does what shared() follows. Thread-safety: the
// loop's thread.

#include <map>
#include <memory>
#include <utility>

#include "live/kube/client.h"
#include "live/kube/event_reader.h"
#include "live/kube/shared_informers.h"

namespace tidegate::live::kube {

class Clusters {
 public:
  /// `few` followers of a collection have an informer of their own (shared_informers.h).
  explicit Clusters(net::Loop& loop, Environment environment = process_environment(),
                    std::size_t few = SharedInformers::kFew)
      : loop_(loop), environment_(std::move(environment)), shared_(few), events_(loop) {}

  /// The kubeconfig is read now; an error says what it lacks.
  Result<std::shared_ptr<KubeClient>> client(const AccessWish& wish) {
    auto& known = clients_[{wish.kubeconfig, wish.context}];
    if (auto open = known.lock()) return open;
    auto access = find_access(wish, environment_);
    if (!access) return fail(access.error());
    auto made = std::make_shared<KubeClient>(loop_, std::move(*access));
    known = made;
    return made;
  }

  SharedInformers& shared() { return shared_; }
  EventReader& events() { return events_; }

 private:
  net::Loop& loop_;
  Environment environment_;
  SharedInformers shared_;
  EventReader events_;
  std::map<std::pair<std::string, std::string>, std::weak_ptr<KubeClient>> clients_;
};

}  // namespace tidegate::live::kube
