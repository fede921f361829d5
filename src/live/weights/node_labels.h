#pragma once
// NodeLabels: which sets are ready on a node, as labels that pods can prefer by affinity.
//
//   NodeLabels labels(client, "gpu-7");
//   labels.set({"Qwen--Qwen3-32B"}, [](Result<void> done) { ... });
//   // weights.tidegate.dev/Qwen--Qwen3-32B: ready
//
// Reads the node, and patches only what differs among labels of our prefix. At most kMaxLabels: of
// more the first by name. One call at a time; a later one waits. Thread-safety: the loop's thread.
// Source: Kubernetes docs, "Labels and Selectors", "Assigning Pods to Nodes".

#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "live/kube/client.h"

namespace tidegate::live::weights {

inline constexpr const char* kLabelPrefix = "weights.tidegate.dev/";
inline constexpr std::size_t kMaxLabels = 64;

class NodeLabels {
 public:
  using Names = std::set<std::string>;
  using Done = std::function<void(Result<void>)>;
  NodeLabels(std::shared_ptr<kube::KubeClient> client, std::string node)
      : client_(std::move(client)), node_(std::move(node)) {}

  void set(const Names& ready, Done done);

 private:
  struct Wish {
    Names ready;
    Done done;
  };
  void next();
  void seen(const nlohmann::json& node);
  void finish(Result<void> result);
  std::shared_ptr<kube::KubeClient> client_;
  std::string node_;
  std::deque<Wish> wishes_;  ///< the first is under way
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live::weights
