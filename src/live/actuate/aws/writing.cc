// Writing: one call at a time, each onto what was read or written last; when nothing is left to do
// the group is read again.
#include <algorithm>

#include "live/actuate/aws/aws_actuator.h"
#include "live/net/log.h"

namespace tidegate::live {

using control::ReplicaState;

void AwsActuator::turn() {
  const bool waits = busy_ || retry_timer_ != net::Loop::TimerId::kNone;
  if (waits || stopping_ || !started_) return;
  if (stale_) return look();
  if (suspect_ >= 0) return rest();  // whose number it is is seen by the next look
  if (wanted_ >= 0) {
    if (write_number()) return;
    if (terminate_one()) return;
    if (write_pool()) return;
    if (protect_some()) return;
    answer();
  }
  if (complete_one()) return;
  rest();
}

/// What may be had of what is wanted.
std::int64_t AwsActuator::awake_goal() const {
  return std::clamp(wanted_, group_.min, std::max(group_.min, group_.max));
}

/// Still in the desired capacity, and to be taken out of it by name.
std::int64_t AwsActuator::leaving() const {
  return std::count_if(members_.begin(), members_.end(), [](const auto& entry) {
    return entry.second.leaving && !entry.second.asked;
  });
}

bool AwsActuator::write_number() {
  std::int64_t lacks = awake_goal() - (group_.desired - leaving());
  if (lacks > 0) {
    const std::int64_t before = leaving();
    recall(lacks);
    lacks -= before - leaving();
    if (lacks > 0) set_desired(group_.desired + lacks);
    return lacks > 0;
  }
  if (lacks == 0) return false;
  if (const std::int64_t unborn = std::min(not_there(), -lacks); unborn > 0) {
    set_desired(group_.desired - unborn);
    return true;
  }
  shrink(-lacks);
  return false;
}

void AwsActuator::set_desired(std::int64_t desired) {
  net::log(net::Level::kInfo, "scaling",
           {{"model", model_},
            {"variant", variant_.name},
            {"group", target().name},
            {"from", std::to_string(group_.desired)},
            {"to", std::to_string(desired)}});
  for (auto& [id, member] : members_) {  // one of them wakes
    if (member.phase == Phase::kAsleep) member.info.ordered_at = world_.clock.now();
  }
  write(
      "not scaled",
      [this, desired](aws::Told<aws::None> told) {
        aws::set_desired(*client_, target().name, desired, std::move(told));
      },
      [this, desired] {
        expected_ = group_.desired = desired;
        reconcile_orders();
      });
}

/// Those that run and were to go: first who is not named any more, then the youngest.
void AwsActuator::recall(std::int64_t count) {
  for (bool named : {false, true}) {
    for (auto it = members_.rbegin(); it != members_.rend() && count > 0; ++it) {
      Member& member = it->second;
      if (!member.leaving || member.asked || victims_.contains(it->first) != named) continue;
      stay(member);
      --count;
    }
  }
}

/// Who goes: the named ones; beyond them what does not serve, then the youngest.
void AwsActuator::shrink(std::int64_t excess) {
  std::vector<Member*> candidates;
  for (auto& [id, member] : members_) {
    if (member.counts() && !member.leaving) candidates.push_back(&member);
  }
  auto rank = [&](const Member* one) {
    const ReplicaState state = one->info.state;
    return std::tuple(!victims_.contains(one->info.id), state == ReplicaState::kReady,
                      state != ReplicaState::kFailed,
                      -static_cast<std::int64_t>(one->info.id.value()));
  };
  std::sort(candidates.begin(), candidates.end(),
            [&](const Member* a, const Member* b) { return rank(a) < rank(b); });
  for (Member* one : candidates) {
    if (excess-- <= 0) return;
    begin_leaving(*one);
  }
}

/// Room for those that shall sleep, and none yet for who still drains for it: the group would
/// launch another into that.
std::int64_t AwsActuator::pool_goal() const {
  return group_.desired + wanted_asleep_ -
         std::count_if(members_.begin(), members_.end(), [](const auto& entry) {
           return entry.second.leaving && entry.second.to_pool && !entry.second.asked;
         });
}

bool AwsActuator::write_pool() {
  if (!pooled() || (!pool_.configured && wanted_asleep_ == 0)) return false;
  const std::string state(
      EnumTokens<spec::AwsPoolState>::kTokens[static_cast<std::size_t>(target().warm_pool_state)]);
  const bool as_ours = pool_.configured && pool_.reuse && pool_.min == 0 && pool_.state == state;
  const std::int64_t goal = pool_goal();
  if (goal == (pool_written_ < 0 && as_ours ? pool_.prepared : pool_written_)) return false;
  write(
      "warm pool not set",
      [this, goal, state](aws::Told<aws::None> told) {
        aws::set_warm_pool(*client_, target().name, goal, state, std::move(told));
      },
      [this, goal] {
        pool_written_ = goal;
        pool_.configured = true;
      });
  return true;
}

bool AwsActuator::terminate_one() {
  for (auto& [id, member] : members_) {
    if (!member.leaving || member.asked || !member.drained) continue;
    net::log(net::Level::kInfo, "instance is scaled in",
             {{"model", model_}, {"variant", variant_.name}, {"instance", member.instance}});
    write(
        "instance not terminated",
        [this, instance = member.instance](aws::Told<aws::None> told) {
          aws::terminate(*client_, instance, std::move(told));
        },
        [this, id = id] {
          expected_ = --group_.desired;
          if (Member* gone = find(id)) gone->asked = true;
        });
    return true;
  }
  return false;
}

bool AwsActuator::protect_some() {
  if (!target().protect_from_scale_in) return false;
  std::vector<std::string> bare;
  for (const auto& [id, member] : members_) {
    if (member.phase == Phase::kServing && !member.is_protected && !member.leaving &&
        bare.size() < aws::kMaxProtected) {
      bare.push_back(member.instance);
    }
  }
  if (bare.empty()) return false;
  write(
      "instances not protected",
      [this, bare](aws::Told<aws::None> told) {
        aws::protect(*client_, target().name, bare, std::move(told));
      },
      [this, bare] {
        for (const std::string& instance : bare) {
          if (Member* member = find(instance)) member->is_protected = true;
        }
      });
  return true;
}

/// Whoever waits for its hook and holds nothing any more may go. A hook that had ended by itself is
/// no trouble.
bool AwsActuator::complete_one() {
  if (target().termination_hook.empty()) return false;
  for (auto& [id, member] : members_) {
    const bool waits = member.lifecycle.ends_with("Terminating:Wait");
    if (!waits || member.completed || !member.drained) continue;
    member.completed = true;
    busy_ = true;
    aws::complete_hook(
        *client_, target().name, target().termination_hook, member.instance,
        [this, alive = std::weak_ptr(alive_)](const Done& done) {
          if (alive.expired()) return;
          if (!done) {
            net::log(
                net::Level::kWarn, "termination hook not completed",
                {{"model", model_}, {"variant", variant_.name}, {"error", done.error().message}});
          }
          busy_ = false;
          turn();
        });
    return true;
  }
  return false;
}

/// Told once the number is written, or cannot be.
void AwsActuator::answer() {
  if (!std::exchange(answer_due_, false)) return;
  const std::int64_t total = wanted_ + wanted_asleep_, goal = awake_goal();
  if (goal == wanted_) return reporter_.applied({variant_.name, total, 1, ""});
  const bool over = goal < wanted_;
  const std::string detail =
      std::to_string(wanted_) + " is " +
      (over ? "above the MaxSize of " : "below the MinSize of ") +
      std::to_string(over ? group_.max : group_.min) + " of group " + target().name +
      "; `aws autoscaling update-auto-scaling-group --auto-scaling-group-name " + target().name +
      (over ? " --max-size " : " --min-size ") + std::to_string(wanted_) + "`";
  reporter_.applied({variant_.name, total, 0, detail});
  if (over) {
    reporter_.capacity_failed(
        {variant_.name, group_.max + wanted_asleep_, kCapacityPeriod, detail});
  }
}

/// `then` where it was done.
void AwsActuator::write(const char* what, const std::function<void(aws::Told<aws::None>)>& call,
                        std::function<void()> then) {
  busy_ = true;
  call([this, what, then = std::move(then), alive = std::weak_ptr(alive_)](const Done& done) {
    if (alive.expired()) return;
    if (!done) return trouble(what, done.error().message);
    busy_ = false;
    failures_ = 0;
    then();
    turn();
  });
}

bool AwsActuator::moving() const {
  const bool all_there = std::all_of(members_.begin(), members_.end(), [](const auto& entry) {
    const ReplicaState state = entry.second.info.state;
    return !entry.second.leaving && !entry.second.missed &&
           (state == ReplicaState::kReady || state == ReplicaState::kSleeping ||
            state == ReplicaState::kFailed);
  });
  return !all_there || suspect_ >= 0 || missing() > 0;
}

/// Until the next look, which may be brought nearer and never put off: else whoever tells us
/// something more often than we look would keep us blind.
void AwsActuator::rest() {
  const Duration wait = moving() ? options_.moving_period : options_.look_period;
  const Instant at = world_.loop.now() + wait;
  if (look_timer_ != net::Loop::TimerId::kNone && look_at_ <= at) return;
  world_.loop.cancel(look_timer_);
  look_at_ = at;
  look_timer_ = world_.loop.at(at, [this] {
    look_timer_ = net::Loop::TimerId::kNone;
    stale_ = true;
    turn();
  });
}

}  // namespace tidegate::live
