#pragma once
// ClusterModels: the Models of a cluster, followed; those that are sound are in force.
//
//   ClusterModels models(client, {.namespaces = {"serve"}}, hooks);
//   models.start();
//   for (const auto& [key, entry] : models.entries()) if (entry.in_force) run(*entry.in_force);
//
// A Model that is refused (its own faults, a name another one has, what `admit` says) keeps the
// spec that was in force, and `faults` says why; it is tried again whenever another one changes.
// Of two that claim one name the older wins, and one that has it keeps it. Nothing is told before
// every namespace was listed once; what changes together is told once. While the API server is gone
// everything stays. Thread-safety: the loop's thread.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "live/kube/informer.h"
#include "live/operator/model_object.h"
#include "live/operator/names.h"

namespace tidegate::live {

struct ClusterModelsOptions {
  std::vector<std::string> namespaces;  ///< empty: all that the account may list
  bool trusted = false;                 ///< ModelRules::trusted
  kube::InformerOptions informer;
};

struct ClusterModelsHooks {
  /// Completes a Model (profiles), or refuses it.
  std::function<Result<void>(format::LoadedModel&)> admit;
  /// What is in force, or refused, has changed.
  std::function<void()> changed;
};

class ClusterModels {
 public:
  struct Entry {
    ModelObject object;  ///< as seen last, but for its `loaded`
    std::optional<format::LoadedModel> in_force;
    std::int64_t in_force_generation = 0;
    std::uint64_t document = 0;  ///< its hash as read; admit() may add to it
    std::string faults;          ///< why what was seen last is not in force
    std::string run_faults;      ///< why what is in force does not run
  };

  ClusterModels(std::shared_ptr<kube::KubeClient> client, ClusterModelsOptions options,
                ClusterModelsHooks hooks);
  ~ClusterModels();
  ClusterModels(const ClusterModels&) = delete;
  ClusterModels& operator=(const ClusterModels&) = delete;

  void start();
  /// Every namespace was listed once.
  bool in_step() const { return unlisted_ == 0; }
  /// By NAMESPACE/NAME.
  const std::map<std::string, Entry>& entries() const { return entries_; }
  /// By the name the run knows; null: none of that name is in force.
  const Entry* find(const std::string& model) const;
  /// The models of files hold their names too, against what is on the cluster.
  Result<void> claim_for_files(const std::vector<format::LoadedModel>& models);
  /// It was admitted, and yet could not be run; empty: it runs after all.
  void cannot_run(const std::string& model, const std::string& why);

 private:
  struct Candidate {
    format::LoadedModel loaded;
    std::int64_t generation = 0;
    std::uint64_t document = 0;
  };
  void seen(const nlohmann::json& object);
  void gone(const std::string& key);
  void listed(std::size_t informer);
  void trouble(const std::string& ns, const kube::ApiError& error);
  void settle_soon();
  void settle();
  void try_candidate(const std::string& key, Entry& entry);

  std::shared_ptr<kube::KubeClient> client_;
  ClusterModelsOptions options_;
  ClusterModelsHooks hooks_;
  ModelRules rules_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, Candidate> candidates_;  ///< sound by themselves, not in force
  std::map<std::string, std::string> keys_;      ///< name in force -> NAMESPACE/NAME
  Names names_;
  std::vector<std::string> of_files_;
  std::vector<std::unique_ptr<kube::Informer>> informers_;
  std::vector<bool> listed_;
  std::size_t unlisted_ = 0;
  bool due_ = false;
  std::map<std::string, std::string> troubles_;  ///< namespace -> said already
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live
