#pragma once
// SharedInformers: many who each follow the objects that a label selector picks, on one list and
// one watch of the whole collection.
//
//   SharedInformers shared;
//   auto follower = shared.follow(client, {"v1", "pods", "serve"}, "app=m-8b", handler);
//   follower.reset();                                   // nothing more is told
//
// Each hears what an Informer of its own would tell it, selected here: an object whose labels leave
// the selector is removed. The first kFew of a collection do have their own, so that a small fleet
// in a large namespace does not read all of it; so have those whose selector we cannot read, and
// all of them where the whole may not be listed (403) but parts may. Who comes late is told what is
// there already, from a copy without what nobody here reads: managedFields, owners, the spec but
// for its nodeName, annotations but controller.kubernetes.io/* and tidegate.dev/*. Work for an
// object grows with the followers that share its rarest label, not with all. A handler may not
// destroy followers of the same collection. Thread-safety: the loop's thread.

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "live/kube/informer.h"

namespace tidegate::live::kube {

class Share;

class Follower {
 public:
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

 private:
  friend class SharedInformers;
  Follower(std::shared_ptr<Share> share, std::uint64_t id) : share_(std::move(share)), id_(id) {}
  std::shared_ptr<Share> share_;
  std::uint64_t id_;
};

class SharedInformers {
 public:
  static constexpr std::size_t kFew = 8;
  explicit SharedInformers(std::size_t few = kFew) : few_(few) {}

  /// Never tells from inside. `options` of the first who shares count for all.
  std::unique_ptr<Follower> follow(const std::shared_ptr<KubeClient>& client,
                                   const Resource& resource, const std::string& selector,
                                   InformerHandler handler, InformerOptions options = {});
  /// Of all collections, here.
  std::size_t followers() const;

 private:
  std::size_t few_;
  std::map<std::pair<KubeClient*, std::string>, std::weak_ptr<Share>> shares_;
};

}  // namespace tidegate::live::kube
