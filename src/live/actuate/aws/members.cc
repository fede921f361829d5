// The instances: what the lifecycle state of each says becomes the state of a replica, told once a
// step.
#include <algorithm>

#include "live/actuate/aws/aws_actuator.h"
#include "live/net/log.h"

namespace tidegate::live {

using control::ReplicaState;

AwsActuator::Phase AwsActuator::phase_of(const std::string& lifecycle) {
  auto is = [&](std::string_view prefix) { return lifecycle.starts_with(prefix); };
  if (lifecycle == "InService") return Phase::kServing;
  if (is("Pending")) return Phase::kComing;
  if (is("Warmed:Pending")) return Phase::kPooling;
  if (lifecycle == "Warmed:Stopped" || lifecycle == "Warmed:Hibernated" ||
      lifecycle == "Warmed:Running") {
    return Phase::kAsleep;
  }
  if (is("Terminat") || is("Warmed:Terminat") || is("Detach") || is("EnteringStandby") ||
      is("Standby")) {
    return Phase::kGoing;
  }
  return Phase::kOther;  // quarantined, its root volume replaced, or of a later year
}

AwsActuator::Member* AwsActuator::find(ReplicaId id) {
  auto it = members_.find(id);
  return it == members_.end() ? nullptr : &it->second;
}

AwsActuator::Member* AwsActuator::find(const std::string& instance) {
  auto it = std::find_if(members_.begin(), members_.end(),
                         [&](const auto& entry) { return entry.second.instance == instance; });
  return it == members_.end() ? nullptr : &it->second;
}

void AwsActuator::place(const aws::Instance& instance) {
  const Phase phase = phase_of(instance.lifecycle);
  Member* member = find(instance.id);
  if (member == nullptr) member = appear(instance, phase);
  if (member == nullptr) return;
  member->missed = false;
  member->lifecycle = instance.lifecycle;
  member->is_protected = instance.is_protected;
  member->phase = phase;
  const bool in_group = phase == Phase::kComing || phase == Phase::kServing;
  if (!in_group && member->leaving) {  // it has left
    member->leaving = member->to_pool = member->asked = false;
  }
  advance(*member);
}

/// A new one: it is the replica that was ordered first, where one was.
AwsActuator::Member* AwsActuator::appear(const aws::Instance& instance, Phase phase) {
  if (phase == Phase::kGoing || phase == Phase::kOther) return nullptr;  // of before our time
  Member* member = find("");  // the oldest ordered: ids rise
  if (member == nullptr || phase == Phase::kPooling || phase == Phase::kAsleep) {
    auto id = world_.journal.next_replica_id();
    if (!id) {
      net::log(net::Level::kError, "instance left out", {{"error", id.error().message}});
      return nullptr;
    }
    member = &members_[*id];
    member->info.id = *id;
    member->info.variant = variant_.name;
    member->info.ordered_at = world_.clock.now();
  }
  member->instance = member->info.name = instance.id;
  member->info.adopted = adopting_;
  member->info.stages.from = control::StartFrom::kNoNode;
  return member;
}

void AwsActuator::advance(Member& member) {
  ReplicaInfo& info = member.info;
  if (!member.told || info.state == ReplicaState::kOrdered) report(member, ReplicaState::kStarting);
  if (member.phase != Phase::kServing) {
    probes_.forget(info.id);
    member.healthy = false;
    member.in_service_at = {};
  }
  switch (member.phase) {
    case Phase::kOrdered:
    case Phase::kPooling:  // starting, or still draining
      if (info.state == ReplicaState::kReady) drain(member);
      return;
    case Phase::kComing:
      if (info.state == ReplicaState::kSleeping) {
        member.woken = true;
        report(member, ReplicaState::kStarting);
      }
      return;
    case Phase::kServing:
      return serve(member);
    case Phase::kAsleep:
      if (info.state == ReplicaState::kReady) drain(member);
      if (info.state == ReplicaState::kStarting || info.state == ReplicaState::kDraining) {
        report(member, ReplicaState::kSleeping);
      }
      return;
    case Phase::kGoing:
      if (info.state != ReplicaState::kFailed) drain(member);
      return;
    case Phase::kOther:
      if (info.state != ReplicaState::kReady && info.state != ReplicaState::kStarting) return;
      info.detail = "instance is " + member.lifecycle;
      return report(member, ReplicaState::kFailed);
  }
}

void AwsActuator::serve(Member& member) {
  ReplicaInfo& info = member.info;
  if (info.state == ReplicaState::kSleeping) {  // what was between was not seen
    member.woken = true;
    report(member, ReplicaState::kStarting);
  }
  if (member.in_service_at == Instant{}) member.in_service_at = world_.clock.now();
  auto address = addresses_.find(member.instance);
  if (address == addresses_.end() || member.leaving) return;
  info.address = {address->second, static_cast<std::uint16_t>(target().port)};
  probes_.watch(info.id, info.address, target().health_path);
}

void AwsActuator::probed(ReplicaId id, const std::string& trouble) {
  Member* member = find(id);
  if (member == nullptr) return;
  member->healthy = trouble.empty();
  member->info.detail = trouble;
  if (trouble.empty()) return ready(*member);
  if (member->info.state == ReplicaState::kReady) report(*member, ReplicaState::kFailed);
}

void AwsActuator::ready(Member& member) {
  ReplicaInfo& info = member.info;
  if (info.state == ReplicaState::kStarting) {
    const Instant now = world_.clock.now();
    info.stages = {};
    info.stages.from = member.woken ? control::StartFrom::kSleeping : control::StartFrom::kNoNode;
    if (!info.adopted || member.woken) {
      info.stages.total = now - info.ordered_at;
      if (!member.woken) {
        info.stages.procurement = member.in_service_at - info.ordered_at;
        info.stages.engine = now - member.in_service_at;
      }
    }
    member.woken = false;
  }
  if (info.state != ReplicaState::kReady) report(member, ReplicaState::kReady);
}

/// Ours: it stays in the group until it is empty.
void AwsActuator::begin_leaving(Member& member) {
  member.leaving = true;
  probes_.forget(member.info.id);
  const bool serves = member.info.state == ReplicaState::kReady;
  if (member.info.state != ReplicaState::kFailed) drain(member);
  if (!serves) member.drained = true;
}

/// It was to go, and shall not.
void AwsActuator::stay(Member& member) {
  member.leaving = member.to_pool = member.drained = false;
  world_.loop.cancel(member.deadline);
  member.deadline = net::Loop::TimerId::kNone;
  if (member.info.state == ReplicaState::kDraining && member.healthy) {
    member.info.stages = {};  // it serves again, and that is no start
    report(member, ReplicaState::kReady);
  }
  advance(member);
}

/// Told to drain, once; at the latest after drainTimeout it counts as drained.
void AwsActuator::drain(Member& member) {
  ReplicaInfo& info = member.info;
  if (info.state == ReplicaState::kDraining || info.state == ReplicaState::kGone) return;
  member.drained = info.state != ReplicaState::kReady;
  info.detail = member.instance.empty() ? "" : "instance is " + member.lifecycle;
  report(member, ReplicaState::kDraining);
  world_.loop.cancel(member.deadline);
  member.deadline =
      world_.loop.after(world_.clock.to_wall(target().drain_timeout), [this, id = info.id] {
        Member* late = find(id);
        if (late == nullptr) return;
        late->deadline = net::Loop::TimerId::kNone;
        late->drained = true;
        turn();
      });
}

void AwsActuator::report(Member& member, ReplicaState state) {
  member.told = true;
  member.info.state = state;
  reporter_.replica(member.info);
}

void AwsActuator::end(Member& member) {
  world_.loop.cancel(member.deadline);
  member.deadline = net::Loop::TimerId::kNone;
  probes_.forget(member.info.id);
  if (!member.told) return;
  if (member.info.state == ReplicaState::kOrdered || member.info.state == ReplicaState::kSleeping) {
    report(member, ReplicaState::kDraining);
  }
  report(member, ReplicaState::kGone);
}

/// Desired, and not running.
std::int64_t AwsActuator::not_there() const {
  const auto there = std::count_if(members_.begin(), members_.end(),
                                   [](const auto& entry) { return entry.second.counts(); });
  return std::max<std::int64_t>(0, group_.desired - there);
}

/// Desired, and neither running nor about to be woken.
std::int64_t AwsActuator::missing() const {
  const auto asleep = std::count_if(members_.begin(), members_.end(), [](const auto& entry) {
    return entry.second.phase == Phase::kAsleep;
  });
  return std::clamp<std::int64_t>(not_there() - asleep, 0, kMaxOrdered);
}

/// As many replicas ordered as are missing: the youngest are taken back, new ones are added.
void AwsActuator::reconcile_orders() {
  std::int64_t surplus = -missing();
  for (const auto& [id, member] : members_) surplus += member.instance.empty() ? 1 : 0;
  for (auto it = members_.end(); surplus > 0 && it != members_.begin();) {
    --it;
    if (!it->second.instance.empty()) continue;
    end(it->second);
    it = members_.erase(it);
    --surplus;
  }
  for (; surplus < 0; ++surplus) {
    auto id = world_.journal.next_replica_id();
    if (!id) return net::log(net::Level::kError, "no id", {{"error", id.error().message}});
    Member& member = members_[*id];
    member.info.id = *id;
    member.info.variant = variant_.name;
    member.info.ordered_at = world_.clock.now();
    report(member, ReplicaState::kOrdered);
  }
}

}  // namespace tidegate::live
