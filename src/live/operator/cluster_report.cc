#include "live/operator/cluster_report.h"

#include "live/operator/announcements.h"

namespace tidegate::live {
namespace {

bool same_but_numbers(const std::optional<ModelSight>& a, std::optional<ModelSight> b) {
  if (!a || !b) return false;
  b->queue_requests = a->queue_requests;
  b->ttft_p99 = a->ttft_p99;
  return a == b;
}

}  // namespace

ClusterReport::ClusterReport(const std::shared_ptr<kube::KubeClient>& client,
                             const ClusterModels& models, std::string instance, StatusRates rates)
    : client_(client),
      models_(models),
      definition_(client),
      status_(client, rates),
      events_(client, {.controller = kReportingController, .instance = std::move(instance)}) {}

kube::ObjectReference ClusterReport::reference(const ModelObject& model) {
  return {"tidegate.dev/v1alpha1", "Model", model.ns, model.name, model.uid};
}

void ClusterReport::forget_gone() {
  const auto& entries = models_.entries();
  for (auto it = shown_.begin(); it != shown_.end();) {
    if (entries.contains(it->first)) {
      ++it;
      continue;
    }
    status_.forget(it->first);
    it = shown_.erase(it);
  }
}

void ClusterReport::look(const SightOf& sight_of) {
  turn_ = 0;
  for (int turn = 0; turn < kTurns; ++turn) look_on(sight_of);
}

void ClusterReport::look_on(const SightOf& sight_of) {
  if (!leading_ || !models_.in_step()) return;
  const auto& entries = models_.entries();
  const auto part = [&](int turn) { return entries.size() * std::size_t(turn) / kTurns; };
  if (turn_ == 0) {
    definition_.look(client_->loop().now());
    forget_gone();
    seen_.clear();
  }
  std::size_t left = part(turn_ + 1) - part(turn_);
  turn_ = (turn_ + 1) % kTurns;
  for (auto it = entries.upper_bound(seen_); it != entries.end() && left > 0; ++it, --left) {
    const auto& [key, entry] = *it;
    seen_ = key;
    show(key, entry, entry.in_force ? sight_of(entry.in_force->model.name) : std::nullopt);
  }
}

void ClusterReport::show(const std::string& key, const ClusterModels::Entry& entry,
                         std::optional<ModelSight> sight) {
  const ModelObject& object = entry.object;
  SpecSight spec{.generation = object.generation,
                 .faults = entry.faults.empty() ? entry.run_faults : entry.faults,
                 .warnings = object.warnings};
  if (const std::string& outdated = definition_.warning(); !outdated.empty()) {
    spec.warnings += (spec.warnings.empty() ? "" : "; ") + outdated;
  }
  auto [it, fresh] = shown_.try_emplace(key);
  Shown& shown = it->second;
  const Instant now = client_->loop().now();
  // The queue and the TTFT move all the time: a status is not made anew for them each second.
  const bool other = fresh || shown.spec != spec ||
                     (shown.sight != sight &&
                      (!same_but_numbers(shown.sight, sight) || status_.numbers_due(key, now)));
  if (other) {
    shown.status = definition_.kept(status_of(spec, sight ? &*sight : nullptr)).dump();
    shown.spec = std::move(spec);
    shown.sight = std::move(sight);
  }
  status_.show({object.ns, object.name, object.uid}, shown.status, object.status, now);
  if (shown.outdated_told != definition_.warning()) {
    shown.outdated_told = definition_.warning();
    tell(object, "OutdatedDefinition", "DropFields", shown.outdated_told);
  }
  if (shown.faults_told == shown.spec.faults) return;
  shown.faults_told = shown.spec.faults;
  tell(object, "Invalid", entry.in_force ? "KeepSpecBefore" : "Refuse", shown.faults_told);
}

void ClusterReport::tell(const ModelObject& about, const char* reason, const char* action,
                         const std::string& what) {
  if (what.empty()) return;
  events_.tell({.regarding = reference(about),
                .warning = true,
                .reason = reason,
                .action = action,
                .note = what});
}

void ClusterReport::announced(const std::string& model, const control::Announce& announce) {
  const ClusterModels::Entry* entry = models_.find(model);
  if (!leading_ || entry == nullptr) return;
  auto words = event_words(announce);
  if (!words) return;
  words->regarding = reference(entry->object);
  events_.tell(std::move(*words));
}

}  // namespace tidegate::live
