#pragma once
// ServedDefinition: what the CustomResourceDefinition on the server lacks of ours.
//
//   ServedDefinition definition(client);
//   definition.look(loop.now());                 // each second: asks when it is due
//   definition.warning();                        // empty: it has all, or nobody knows
//   json status = definition.kept(status_of(...));
//
// A definition of an older Tidegate drops in silence what Models say in newer fields, and refuses
// every status that has one it does not declare (500, "field not declared in schema"). So it is
// looked for in the server's OpenAPI, which every authenticated account may read, and such fields
// are left out of the status. Asked once Models are followed, then each kEvery, and each kAgain
// while it lacks something or did not answer. A server without OpenAPI v3 (404) is not asked again.
// Wall time. Thread-safety: the loop's thread. Source: Kubernetes docs, "The Kubernetes API",
// OpenAPI V3; KEP-2896.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "live/kube/client.h"

namespace tidegate::live {

/// Paths that `ours` declares and `theirs` does not, the outermost alone: "spec.scaling.tide",
/// "status.variants.reason". Both are OpenAPI schemas of an object.
std::vector<std::string> lacking(const nlohmann::json& theirs, const nlohmann::json& ours);

class ServedDefinition {
 public:
  static constexpr Duration kEvery = seconds(600);
  static constexpr Duration kAgain = seconds(60);

  explicit ServedDefinition(std::shared_ptr<kube::KubeClient> client);
  void look(Instant now);
  const std::string& warning() const { return warning_; }
  /// Without what the server would refuse.
  nlohmann::json kept(nlohmann::json status) const;

 private:
  void seen(const nlohmann::json& openapi);
  std::shared_ptr<kube::KubeClient> client_;
  std::vector<std::string> lacks_;
  std::string warning_;
  Instant next_;
  bool asking_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live
