#include "live/run/target_events.h"

#include "live/operator/announcements.h"
#include "live/operator/cluster_report.h"

namespace tidegate::live {

void TargetEvents::announced(const spec::Model& model, const control::Announce& announce) {
  const spec::KubernetesTarget* target = nullptr;
  for (const auto& variant : model.variants) {
    if (variant.name != announce.reason.variant) continue;
    target = std::get_if<spec::KubernetesTarget>(&variant.target);
  }
  if (target == nullptr) return;
  auto words = event_words(announce);
  if (!words) return;
  auto& writer = writers_[{target->kubeconfig, target->context}];
  if (writer == nullptr) {
    auto client = clusters_.client({target->kubeconfig, target->context});
    if (!client) return;  // its actuator says why
    writer = std::make_unique<kube::EventWriter>(
        *client, kube::EventOptions{.controller = kReportingController, .instance = instance_});
  }
  words->regarding = {target->api_version, target->kind, target->ns, target->name, ""};
  writer->tell(std::move(*words));
}

}  // namespace tidegate::live
