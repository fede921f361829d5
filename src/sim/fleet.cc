#include "sim/fleet.h"

#include <algorithm>

#include "core/control/replicas.h"

namespace tidegate::sim {

using control::ReplicaState;

Fleet::Fleet(const spec::Model& model, std::uint64_t seed, std::shared_ptr<Supply> supply,
             double start_failures)
    : starts_(model, seed, std::move(supply), start_failures),
      bill_(model),
      wanted_(model.variants.size()) {}

void Fleet::change(ReplicaId id, Replica& replica, ReplicaState state, std::vector<Change>& changes,
                   const control::StageTimes& stages) {
  replica.state = state;
  changes.push_back({id, replica.variant, state, stages});
}

void Fleet::adopt(std::size_t variant, std::int64_t n, std::vector<Change>& changes) {
  const Instant beginning;
  wanted_[variant] += n;
  for (std::int64_t i = 0; i < n; ++i) {
    ReplicaId id(++last_id_);
    starts_.adopt(id, variant);
    replicas_.emplace(id,
                      Replica{.variant = variant, .state = ReplicaState::kReady, .billed = true});
    bill_.granted(variant, beginning);
    changes.push_back({id, variant, ReplicaState::kReady, {}, true});
  }
}

void Fleet::apply(std::size_t variant, const control::Apply& wanted, Instant now,
                  std::vector<Change>& changes) {
  wanted_[variant] = wanted.replicas.value();
  top_up(variant, now, changes);
  std::int64_t left = surplus(variant);
  for (ReplicaId id : stop_order(variant, wanted.victims)) {
    if (left-- <= 0) break;
    stop(id, now, changes);
  }
}

std::int64_t Fleet::surplus(std::size_t variant) const {
  std::int64_t out = -wanted_[variant];
  for (const auto& [id, replica] : replicas_) {
    if (replica.variant == variant && control::is_active(replica.state)) ++out;
  }
  return out;
}

void Fleet::top_up(std::size_t variant, Instant now, std::vector<Change>& changes) {
  for (std::int64_t missing = -surplus(variant); missing > 0; --missing) {
    order(variant, now, changes);
  }
}

std::vector<ReplicaId> Fleet::stop_order(std::size_t variant,
                                         const std::vector<ReplicaId>& victims) const {
  std::vector<ReplicaId> booting, serving;
  for (auto it = replicas_.rbegin(); it != replicas_.rend(); ++it) {
    if (it->second.variant != variant || !control::is_active(it->second.state)) continue;
    (control::is_booting(it->second.state) ? booting : serving).push_back(it->first);
  }
  auto named = [&](ReplicaId id) {
    return std::find(victims.begin(), victims.end(), id) != victims.end();
  };
  std::stable_partition(serving.begin(), serving.end(), named);
  booting.insert(booting.end(), serving.begin(), serving.end());
  return booting;
}

void Fleet::order(std::size_t variant, Instant now, std::vector<Change>& changes) {
  ReplicaId id(++last_id_);
  Replica& replica =
      replicas_.emplace(id, Replica{.variant = variant, .ordered_at = now}).first->second;
  change(id, replica, ReplicaState::kOrdered, changes);
  starts_.begin(id, variant, now);
}

void Fleet::advance(Instant now, std::vector<Change>& changes) {
  steps_.clear();
  starts_.advance(now, steps_);
  for (const Started& step : steps_) {
    Replica& replica = replicas_.at(step.id);
    switch (step.step) {
      case StartStep::kBlocked:
        blocked_.push_back(replica.variant);
        break;
      case StartStep::kGranted:
        replica.billed = true;
        bill_.granted(replica.variant, step.at);
        change(step.id, replica, ReplicaState::kStarting, changes);
        break;
      case StartStep::kReady:
        replica.ready_at = step.at;
        ++cold_starts_;
        change(step.id, replica, ReplicaState::kReady, changes, step.stages);
        break;
      case StartStep::kFailed:
        change(step.id, replica, ReplicaState::kFailed, changes, step.stages);
        lose(step.id, step.at, changes);
        break;
    }
  }
}

void Fleet::stop(ReplicaId id, Instant now, std::vector<Change>& changes) {
  Replica& replica = replicas_.at(id);
  bool booting = control::is_booting(replica.state);
  change(id, replica, ReplicaState::kDraining, changes);
  if (booting) remove(id, now, changes);
}

void Fleet::drained(ReplicaId id, Instant now, std::vector<Change>& changes) {
  auto found = replicas_.find(id);
  if (found != replicas_.end() && found->second.state == ReplicaState::kDraining) {
    remove(id, now, changes);
  }
}

void Fleet::reclaim(ReplicaId id, Instant now, std::vector<Change>& changes) {
  auto found = replicas_.find(id);
  if (found == replicas_.end() || found->second.state != ReplicaState::kReady) return;
  const std::size_t variant = found->second.variant;
  stop(id, now, changes);
  changes.back().reclaimed = true;
  top_up(variant, now, changes);
}

void Fleet::lose(ReplicaId id, Instant now, std::vector<Change>& changes) {
  auto found = replicas_.find(id);
  if (found == replicas_.end()) return;
  const std::size_t variant = found->second.variant;
  remove(id, now, changes);
  top_up(variant, now, changes);
}

void Fleet::remove(ReplicaId id, Instant now, std::vector<Change>& changes) {
  Replica& replica = replicas_.at(id);
  if (replica.billed) bill_.gone(replica.variant, now);
  starts_.release(id, now);
  change(id, replica, ReplicaState::kGone, changes);
  replicas_.erase(id);
}

}  // namespace tidegate::sim
