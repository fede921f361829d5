#pragma once
// ClusterReport: tells the cluster how its Models are doing: status and Events.
//
//   ClusterReport report(client, models, "pod-a");
//   report.look_on(sight_of);              // kTurns times a second
//   report.announced("m", announce);       // as the controller says it
//
// A refused Model is an Event as well, once for each fault. While it does not lead nothing is
// written: there the leader is heard. Thread-safety: the loop's thread.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/control/events.h"
#include "live/kube/event_writer.h"
#include "live/operator/cluster_models.h"
#include "live/operator/model_status.h"
#include "live/operator/served_definition.h"
#include "live/operator/status_writer.h"

namespace tidegate::live {

inline constexpr const char* kReportingController = "tidegate.dev/tidegate";

class ClusterReport {
 public:
  /// What runs under that name; nothing: no model does.
  using SightOf = std::function<std::optional<ModelSight>(const std::string& model)>;

  /// `models` must outlive it.
  ClusterReport(const std::shared_ptr<kube::KubeClient>& client, const ClusterModels& models,
                std::string instance, StatusRates rates = {});

  static constexpr int kTurns = 20;
  /// At all Models.
  void look(const SightOf& sight_of);
  /// At the next of them: at each once in kTurns.
  void look_on(const SightOf& sight_of);
  void announced(const std::string& model, const control::Announce& announce);
  /// Who leads anew starts from what stands there: another may have written meanwhile.
  void lead(bool leading) {
    if (leading && !leading_) status_.forget_all();
    leading_ = leading;
  }

 private:
  struct Shown {
    SpecSight spec;
    std::optional<ModelSight> sight;
    std::string status;  ///< JSON
    std::string faults_told, outdated_told;
  };
  void forget_gone();
  void show(const std::string& key, const ClusterModels::Entry& entry,
            std::optional<ModelSight> sight);
  /// As a Warning; nothing where there are no words.
  void tell(const ModelObject& about, const char* reason, const char* action,
            const std::string& what);
  static kube::ObjectReference reference(const ModelObject& model);

  std::shared_ptr<kube::KubeClient> client_;
  const ClusterModels& models_;
  ServedDefinition definition_;
  StatusWriter status_;
  kube::EventWriter events_;
  std::map<std::string, Shown> shown_;
  std::string seen_;  ///< in this round, the last
  int turn_ = 0;
  bool leading_ = true;
};

}  // namespace tidegate::live
