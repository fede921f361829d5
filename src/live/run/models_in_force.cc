#include "live/run/models_in_force.h"

#include "live/net/log.h"

namespace tidegate::live {

Result<std::shared_ptr<kube::KubeClient>> cluster_client(kube::Clusters& clusters,
                                                         const RunOptions& options) {
  auto client = clusters.client({options.cluster->kubeconfig, options.cluster->context});
  if (!client) return fail(client.error().within("--models-from-cluster"));
  return *client;
}

std::unique_ptr<ClusterModels> follow_models(std::shared_ptr<kube::KubeClient> client,
                                             const RunOptions& options,
                                             std::function<void()> changed) {
  const FollowCluster& wish = *options.cluster;
  ClusterModelsOptions asked;
  asked.namespaces = wish.namespaces;
  if (asked.namespaces.empty() && !wish.all_namespaces) {
    asked.namespaces.push_back(client->access().ns);
  }
  asked.trusted = wish.trusted;
  asked.informer.seed = options.seed;
  return std::make_unique<ClusterModels>(
      std::move(client), asked,
      ClusterModelsHooks{.admit = [profile_dirs = options.profile_dirs](
                                      auto& loaded) { return admit(loaded, profile_dirs); },
                         .changed = std::move(changed)});
}

std::map<std::string, const format::LoadedModel*> models_in_force(const SpecFiles& files,
                                                                  const ClusterModels* cluster) {
  std::map<std::string, const format::LoadedModel*> out;
  for (const auto& loaded : files.models()) out[loaded.model.name] = &loaded;
  if (cluster == nullptr) return out;
  for (const auto& [key, entry] : cluster->entries()) {
    if (entry.in_force) out[entry.in_force->model.name] = &*entry.in_force;
  }
  return out;
}

bool read_again(SpecFiles& files, ClusterModels* cluster) {
  auto read = files.read();
  Result<void> taken = read ? Result<void>() : fail(read.error());
  if (taken && cluster != nullptr) taken = cluster->claim_for_files(*read);
  if (!taken) {
    net::log(net::Level::kError, "reload: nothing changed, the files have errors",
             {{"error", taken.error().message}});
    return false;
  }
  files.take(std::move(*read));
  return true;
}

}  // namespace tidegate::live
