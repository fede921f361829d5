// The part of World where things go wrong: replicas that are taken away or slow down, pages that
// are lost, orders that are refused, devices that are not there.

#include <algorithm>

#include "sim/world_state.h"

namespace tidegate::sim {
namespace {

using control::ReplicaState;

bool during(Duration from, Duration until, Instant now) {
  return now >= fault_time(from) && now < fault_time(until);
}

}  // namespace

bool World::State::concerns(const std::string& model, const std::string& variant,
                            std::size_t index) const {
  return (model.empty() || model == options.model.name) &&
         (variant.empty() || variant == options.model.variants[index].name);
}

void World::State::plan_faults() {
  const workload::Faults& faults = options.faults;
  for (std::size_t i = 0; i < faults.reclaims.size(); ++i) {
    queue.push(fault_time(faults.reclaims[i].at), {Kind::kReclaim, i});
  }
  for (std::size_t i = 0; i < faults.slowdowns.size(); ++i) {
    queue.push(fault_time(faults.slowdowns[i].from), {Kind::kSlow, i});
    Instant ends = fault_time(faults.slowdowns[i].until);
    if (!ends.is_never()) queue.push(ends, {Kind::kSlowEnd, i});
  }
  slowed.resize(faults.slowdowns.size());
}

/// The youngest ready replicas that it concerns.
void World::State::reclaim(const workload::Reclaim& order) {
  std::vector<ReplicaId> taken;
  for (auto it = fleet.replicas().rbegin(); it != fleet.replicas().rend(); ++it) {
    if (static_cast<std::int64_t>(taken.size()) >= order.count) break;
    const auto& [id, replica] = *it;
    if (replica.state != ReplicaState::kReady) continue;
    if (concerns(order.model, order.variant, replica.variant)) taken.push_back(id);
  }
  for (ReplicaId id : taken) take_back(id, order.notice);
}

/// A life for a replica that became ready, where its variant may be taken back at any time.
void World::State::draw_life(ReplicaId id, std::size_t variant) {
  for (std::size_t i = 0; i < options.faults.spot.size(); ++i) {
    const workload::SpotRisk& risk = options.faults.spot[i];
    if (!concerns(risk.model, risk.variant, variant)) continue;
    double life = spot_rng.exponential(to_seconds(risk.mean_life));
    queue.push(now + seconds_f(life), {Kind::kSpot, id.value()});
    return;
  }
}

void World::State::spot_taken(ReplicaId id) {
  auto found = fleet.replicas().find(id);
  if (found == fleet.replicas().end()) return;
  const ReplicaState state = found->second.state;
  if (state == ReplicaState::kSleeping) return lose(id);  // nothing to finish there
  if (state != ReplicaState::kReady) return;
  for (const workload::SpotRisk& risk : options.faults.spot) {
    if (!concerns(risk.model, risk.variant, found->second.variant)) continue;
    return take_back(id, risk.notice);
  }
}

void World::State::take_back(ReplicaId id, Duration notice) {
  if (notice <= Duration(0)) return lose(id);
  fleet.reclaim(id, now, changes);
  queue.push(now + notice, {Kind::kLose, id.value()});
}

/// It is gone with what it holds: answers that had begun are lost, the others are placed again.
void World::State::lose(ReplicaId id) {
  if (!fleet.replicas().contains(id)) return;
  const auto index = static_cast<std::size_t>(id.value() - 1);
  if (index < machines.size() && machines[index]) {
    say(route::ReplicaDraining{id});  // so that nothing is placed there any more
    std::vector<RequestId> held;
    for (const Open& o : open) {
      if (o.live && !o.waits && o.machine == index) held.push_back(o.id);
    }
    std::sort(held.begin(), held.end());
    for (RequestId request : held) {
      Open& o = open_of(request);
      hold(*machines[index], -1);
      if (o.served) {
        say(route::Failed{.id = request, .after_first_byte = 1});
      } else {
        o.waits = true;
        ++waiting;
      }
    }
  }
  fleet.lose(id, now, changes);
}

/// The oldest ready replicas that it concerns.
void World::State::slow_down(std::size_t index) {
  const workload::Slowdown& order = options.faults.slowdowns[index];
  for (const auto& [id, replica] : fleet.replicas()) {
    if (static_cast<std::int64_t>(slowed[index].size()) >= order.count) break;
    if (replica.state != ReplicaState::kReady) continue;
    if (concerns(order.model, order.variant, replica.variant)) slowed[index].push_back(id);
  }
  set_pace(index, order.factor);
}

void World::State::set_pace(std::size_t index, double factor) {
  for (ReplicaId id : slowed[index]) {
    const auto at = static_cast<std::size_t>(id.value() - 1);
    auto found = fleet.replicas().find(id);
    if (found == fleet.replicas().end() || !machines[at]) continue;
    advance_machine(*machines[at]);  // what was is not slowed down
    machines[at]->engine->set_step_factor(
        factor * options.model.variants[found->second.variant].hardware.interference);
    rewake(at);
  }
}

bool World::State::page_lost() {
  const workload::Faults& faults = options.faults;
  if (std::any_of(faults.scrape_outages.begin(), faults.scrape_outages.end(),
                  [&](const auto& outage) { return during(outage.from, outage.until, now); })) {
    return true;
  }
  return faults.scrape_loss > 0 && scrape_rng.uniform() < faults.scrape_loss;
}

bool World::State::order_refused() {
  const double share = options.faults.actuation_failure;
  return share > 0 && actuation_rng.uniform() < share;
}

/// What cannot start for want of devices is said at once, as a cluster would.
void World::State::tell_blocked() {
  for (std::size_t variant : fleet.take_blocked()) {
    pending_control.push_back(
        control::CapacityFailed{.variant = options.model.variants[variant].name,
                                .limit = fleet.granted(variant),
                                .retry_after = kStockRetry,
                                .detail = "no device is free"});
  }
}

}  // namespace tidegate::sim
