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

void Fleet::adopt(std::size_t variant, std::int64_t n, std::int64_t asleep,
                  std::vector<Change>& changes) {
  const Instant beginning;
  wanted_[variant] += n + asleep;
  for (std::int64_t i = 0; i < n + asleep; ++i) {
    ReplicaId id(++last_id_);
    starts_.adopt(id, variant);
    Replica& replica = replicas_.emplace(id, Replica{.variant = variant}).first->second;
    if (i < n) {
      bill_as(replica, Replica::Billed::kAwake, beginning);
      change(id, replica, ReplicaState::kReady, changes);
    } else {
      fall_asleep(id, replica, beginning, changes);
    }
    changes.back().adopted = true;
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
    if (replica.variant == variant && replica.alive()) ++out;
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
  std::vector<ReplicaId> booting, rest, serving;
  for (auto it = replicas_.rbegin(); it != replicas_.rend(); ++it) {
    const Replica& replica = it->second;
    if (replica.variant != variant || !replica.alive()) continue;
    bool boots = control::is_booting(replica.state) && !replica.wakes;
    bool serves = replica.wakes || replica.state == ReplicaState::kReady;
    (boots ? booting : serves ? serving : rest).push_back(it->first);
  }
  rest.insert(rest.end(), serving.begin(), serving.end());
  auto named = [&](ReplicaId id) {
    return std::find(victims.begin(), victims.end(), id) != victims.end();
  };
  std::stable_partition(rest.begin(), rest.end(), named);
  booting.insert(booting.end(), rest.begin(), rest.end());
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
        bill_as(replica, Replica::Billed::kAwake, step.at);
        if (!replica.wakes) change(step.id, replica, ReplicaState::kStarting, changes);
        break;
      case StartStep::kReady:
        replica.ready_at = step.at;
        ++(replica.wakes ? wakes_ : cold_starts_);
        replica.wakes = false;
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
  // On its way to sleep it drains already, and is told to nobody twice.
  if (std::exchange(replica.to_sleep, false)) return;
  bool serves = replica.state == ReplicaState::kReady;
  change(id, replica, ReplicaState::kDraining, changes);
  if (!serves) remove(id, now, changes);
}

void Fleet::sleep(ReplicaId id, Instant, std::vector<Change>& changes) {
  auto found = replicas_.find(id);
  if (found == replicas_.end() || found->second.state != ReplicaState::kReady) return;
  found->second.to_sleep = true;
  change(id, found->second, ReplicaState::kDraining, changes);
}

void Fleet::fall_asleep(ReplicaId id, Replica& replica, Instant now, std::vector<Change>& changes) {
  replica.to_sleep = false;
  bill_as(replica, Replica::Billed::kAsleep, now);
  starts_.sleep(id, now);
  change(id, replica, ReplicaState::kSleeping, changes);
}

void Fleet::wake(ReplicaId id, Instant now, std::vector<Change>& changes) {
  auto found = replicas_.find(id);
  if (found == replicas_.end() || found->second.state != ReplicaState::kSleeping) return;
  found->second.wakes = true;
  change(id, found->second, ReplicaState::kStarting, changes);
  starts_.wake(id, now);
}

void Fleet::drained(ReplicaId id, Instant now, std::vector<Change>& changes) {
  auto found = replicas_.find(id);
  if (found == replicas_.end() || found->second.state != ReplicaState::kDraining) return;
  if (found->second.to_sleep) {
    fall_asleep(id, found->second, now, changes);
  } else {
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

void Fleet::bill_as(Replica& replica, Replica::Billed as, Instant now) {
  using Billed = Replica::Billed;
  const Billed before = std::exchange(replica.billed, as);
  if (before == Billed::kAwake) bill_.gone(replica.variant, now);
  if (before == Billed::kAsleep) bill_.sleeper_gone(replica.variant, now);
  if (as == Billed::kAwake) bill_.granted(replica.variant, now);
  if (as == Billed::kAsleep) bill_.sleeper_granted(replica.variant, now);
}

void Fleet::remove(ReplicaId id, Instant now, std::vector<Change>& changes) {
  Replica& replica = replicas_.at(id);
  bill_as(replica, Replica::Billed::kNo, now);
  starts_.release(id, now);
  change(id, replica, ReplicaState::kGone, changes);
  replicas_.erase(id);
}

}  // namespace tidegate::sim
