#pragma once
// TargetEvents: Events about the objects that models of files scale, on the cluster of each.
//
//   TargetEvents events(clusters, "pod-a");
//   events.announced(model, announce);      // nothing where its variant has no Kubernetes target
//
// A Model object has its own (operator/cluster_report.h). Without the right to write Events it is
// said once a cluster. Thread-safety: the loop's thread.

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "core/control/events.h"
#include "core/spec/model.h"
#include "live/kube/clusters.h"
#include "live/kube/event_writer.h"

namespace tidegate::live {

class TargetEvents {
 public:
  TargetEvents(kube::Clusters& clusters, std::string instance)
      : clusters_(clusters), instance_(std::move(instance)) {}
  void announced(const spec::Model& model, const control::Announce& announce);

 private:
  kube::Clusters& clusters_;
  std::string instance_;
  /// By kubeconfig and context.
  std::map<std::pair<std::string, std::string>, std::unique_ptr<kube::EventWriter>> writers_;
};

}  // namespace tidegate::live
