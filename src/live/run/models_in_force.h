#pragma once
// Models in force: those of the files and those of the cluster, by one road for every role of
// `run`.
//
//   auto client = cluster_client(clusters, options);
//   auto models = follow_models(*client, options, [] { take what is in force now });
//   for (const auto& [name, loaded] : models_in_force(files, models.get())) ...
//
// Thread-safety: the loop's thread.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "live/kube/clusters.h"
#include "live/operator/cluster_models.h"
#include "live/run/run_options.h"
#include "live/run/spec_files.h"

namespace tidegate::live {

/// The cluster of --models-from-cluster (`options.cluster` is set).
Result<std::shared_ptr<kube::KubeClient>> cluster_client(kube::Clusters& clusters,
                                                         const RunOptions& options);

/// Its Models, not yet started; `changed`: what is in force, or refused, is another.
std::unique_ptr<ClusterModels> follow_models(std::shared_ptr<kube::KubeClient> client,
                                             const RunOptions& options,
                                             std::function<void()> changed);

/// By name; of the cluster where both have one. `cluster`: null where none is followed.
std::map<std::string, const format::LoadedModel*> models_in_force(const SpecFiles& files,
                                                                  const ClusterModels* cluster);

/// Reads the files again; false, and told to the log, where they have errors: nothing changed then.
bool read_again(SpecFiles& files, ClusterModels* cluster);

/// False while Models may yet come from a cluster that was not listed: nobody is unknown then, and
/// who asks whether this process is ready is told no.
inline bool all_known(const ClusterModels* cluster) {
  return cluster == nullptr || cluster->in_step();
}
constexpr const char* kNotListed = "the cluster's Models are not listed yet (the log says why)";

}  // namespace tidegate::live
