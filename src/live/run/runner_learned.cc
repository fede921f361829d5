// What tide learned, carried over restarts and leaders: which models' maps there are, and where.
#include "live/kube/clusters.h"
#include "live/run/runner.h"

namespace tidegate::live {

/// After the leadership: who leads is who writes.
void Runner::open_learned() {
  const bool on_cluster = options_.cluster.has_value();
  if (options_.dry_run || (!on_cluster && election_ == nullptr)) return;
  // Whose API the Models, or the Lease, are of; that it is known was seen when those were opened.
  const kube::AccessWish wish =
      on_cluster ? kube::AccessWish{options_.cluster->kubeconfig, options_.cluster->context}
                 : kube::AccessWish{options_.leader->kubeconfig, options_.leader->context};
  auto client = clusters_->client(wish);
  if (!client) return;
  learned_ns_ = (*client)->access().ns;
  if (options_.leader && !options_.leader->ns.empty()) learned_ns_ = options_.leader->ns;
  learned_ = std::make_unique<LearnedMaps>(
      *client, election_ != nullptr ? election_->identity() : kube::unique_identity(),
      LearnedMapsHooks{.taught =
                           [this](const std::string& model, const control::Taught& learned) {
                             if (ModelRun* run = find(model)) run->teach(learned);
                           },
                       .learned =
                           [this](const std::string& model) {
                             ModelRun* run = find(model);
                             return run != nullptr ? run->learned() : control::Taught{};
                           }});
  if (election_ != nullptr) learned_->lead(false);
}

/// Each second.
void Runner::carry_learned() {
  if (learned_ == nullptr || closing_) return;
  if (election_ != nullptr && !election_->leading()) return;
  std::vector<LearnedMaps::Place> places;
  for (const auto& run : models_) {
    if (run->model().scaling.policy != spec::PolicyKind::kTide) continue;
    LearnedMaps::Place place{run->name(), learned_ns_, "", "", run->starts_measured()};
    if (const auto* entry = cluster_models_ ? cluster_models_->find(run->name()) : nullptr) {
      place.ns = entry->object.ns;
      place.owner = entry->object.name;
      place.owner_uid = entry->object.uid;
    }
    places.push_back(std::move(place));
  }
  learned_->look(places, loop_.now());
}

/// What was learned first, so that who leads next begins with it.
void Runner::give_back_lead(const std::function<void()>& done) {
  auto release = [this, done] {
    if (election_ != nullptr) return election_->release(done);
    done();
  };
  const bool leads = election_ == nullptr || election_->leading();
  if (learned_ == nullptr || !leads) return release();
  learned_->hand_over(release);
}

}  // namespace tidegate::live
