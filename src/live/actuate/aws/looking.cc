// Reading: the group, its warm pool, the machines' addresses, and why a launch failed.
#include <algorithm>

#include "live/actuate/aws/aws_actuator.h"
#include "live/net/log.h"

namespace tidegate::live {

void AwsActuator::look() {
  busy_ = true;
  aws::read_group(*client_, target().name, guarded(&AwsActuator::seen_group));
}

void AwsActuator::seen_group(aws::AwsResult<aws::Group> group) {
  if (!group)
    return trouble("the group cannot be read; replicas are held as they were",
                   group.error().message);
  group_ = std::move(*group);
  if (group_.being_deleted) {
    return trouble("the group cannot be used", "group " + target().name + " is being deleted");
  }
  if (!pooled()) {
    pool_ = {};
    return look_for_machines();
  }
  aws::read_warm_pool(*client_, target().name, guarded(&AwsActuator::seen_pool));
}

void AwsActuator::seen_pool(aws::AwsResult<aws::WarmPool> pool) {
  if (!pool) return trouble("the warm pool cannot be read", pool.error().message);
  pool_ = std::move(*pool);
  look_for_machines();
}

/// Addresses of those in service that have none yet; an instance that was stopped comes back with
/// the same.
void AwsActuator::look_for_machines() {
  std::vector<std::string> unknown;
  for (const aws::Instance& one : group_.instances) {
    if (phase_of(one.lifecycle) == Phase::kServing && !addresses_.contains(one.id) &&
        unknown.size() < aws::kMaxMachinesRead) {
      unknown.push_back(one.id);
    }
  }
  if (unknown.empty()) return seen_all();
  aws::read_machines(*client_, unknown, guarded(&AwsActuator::seen_machines));
}

void AwsActuator::seen_machines(aws::AwsResult<std::map<std::string, aws::Machine>> machines) {
  if (!machines) {
    return trouble("addresses of instances cannot be read", machines.error().message);
  }
  for (const auto& [id, machine] : *machines) {
    if (!machine.private_ip.empty()) addresses_[id] = machine.private_ip;
  }
  seen_all();
}

void AwsActuator::seen_all() {
  failures_ = 0;
  troubled_ = stale_ = false;
  if (expected_ < 0) expected_ = group_.desired;
  if (group_.desired == expected_) {
    suspect_ = -1;
  } else if (group_.desired == suspect_) {  // twice: not an answer from before our write
    foreign(group_.desired);
  } else {
    suspect_ = group_.desired;
  }
  std::set<std::string> there;
  for (const auto* list : {&group_.instances, &pool_.instances}) {
    for (const aws::Instance& one : *list) {
      there.insert(one.id);
      place(one);
    }
  }
  for (auto it = members_.begin(); it != members_.end();) {
    // Between the two lists one may have moved from the one to the other: twice in neither is gone.
    const bool may_move = pooled() && !it->second.missed;
    if (it->second.instance.empty() || there.contains(it->second.instance) || may_move) {
      it->second.missed = !it->second.instance.empty() && !there.contains(it->second.instance);
      ++it;
      continue;
    }
    end(it->second);
    it = members_.erase(it);
  }
  std::erase_if(addresses_, [&](const auto& entry) { return find(entry.first) == nullptr; });
  adopting_ = false;
  if (suspect_ < 0) reconcile_orders();
  if (missing() > 0 || !old_news_) {
    return aws::read_activities(*client_, target().name, guarded(&AwsActuator::seen_activities));
  }
  capacity_detail_.clear();
  busy_ = false;
  turn();
}

void AwsActuator::seen_activities(aws::AwsResult<std::vector<aws::Activity>> activities) {
  if (!activities) return trouble("activities cannot be read", activities.error().message);
  std::string failed;
  std::set<std::string> known;
  for (const aws::Activity& one : *activities) {
    known.insert(one.id);
    const bool news = old_news_ && !old_news_->contains(one.id);
    if (news && one.status == "Failed" && failed.empty()) failed = one.message;
  }
  old_news_ = std::move(known);
  busy_ = false;
  if (missing() > 0) check_capacity(failed);
  turn();
}

/// Tells what cannot be had: at once where AWS says so, after pendingTimeout where it says nothing,
/// and again each kCapacityPeriod as long as it is missing.
void AwsActuator::check_capacity(const std::string& failed) {
  const Instant now = world_.clock.now();
  std::string detail = failed;
  if (std::find(group_.suspended.begin(), group_.suspended.end(), "Launch") !=
      group_.suspended.end()) {
    detail =
        "the group's process Launch is suspended; `aws autoscaling resume-processes "
        "--auto-scaling-group-name " +
        target().name + " --scaling-processes Launch`";
  }
  const Member* oldest = find("");
  if (detail.empty() && capacity_detail_.empty() && oldest != nullptr &&
      now - oldest->info.ordered_at >= target().pending_timeout) {
    detail = "no instance came for " +
             std::to_string(target().pending_timeout.count() / seconds(1).count()) +
             " s; `aws autoscaling describe-scaling-activities --auto-scaling-group-name " +
             target().name + "` says why";
  }
  if (!detail.empty() && detail != capacity_detail_) {
    capacity_detail_ = detail;
    capacity_next_ = now;
    return;  // told by the next look, which counts what came along with the failure
  }
  if (capacity_detail_.empty() || now < capacity_next_) return;
  capacity_next_ = now + kCapacityPeriod;
  std::int64_t held = 0;
  for (const auto& [id, member] : members_) {
    held += member.counts() || member.phase == Phase::kAsleep ? 1 : 0;
  }
  reporter_.capacity_failed({variant_.name, held, kCapacityPeriod, capacity_detail_});
}

/// Somebody else wrote. Theirs stands until the controller has heard of it and decided anew.
void AwsActuator::foreign(std::int64_t desired) {
  net::log(net::Level::kWarn, "desired capacity was written by somebody else",
           {{"model", model_},
            {"variant", variant_.name},
            {"group", target().name},
            {"ours", std::to_string(expected_)},
            {"theirs", std::to_string(desired)}});
  expected_ = desired;
  suspect_ = -1;
  victims_.clear();
  for (auto& [id, member] : members_) {
    if (member.leaving && !member.asked) stay(member);
  }
  if (wanted_ < 0) return;  // nothing was decided yet
  wanted_ = desired;
  answer_due_ = false;
  reporter_.applied({variant_.name, desired + wanted_asleep_, 1, ""});
}

/// Held as it is; asked again after a pause that doubles.
void AwsActuator::trouble(const std::string& what, const std::string& detail) {
  busy_ = false;
  stale_ = true;
  if (!std::exchange(troubled_, true)) {
    net::log(net::Level::kWarn, what,
             {{"model", model_}, {"variant", variant_.name}, {"error", detail}});
  }
  if (answer_due_) reporter_.applied({variant_.name, wanted_ + wanted_asleep_, 0, detail});
  Duration wait = options_.first_back_off;
  for (int i = 0; i < failures_ && wait < kLongestBackOff; ++i) wait *= 2;
  ++failures_;
  const auto most = static_cast<double>(std::min(wait, kLongestBackOff).count());
  world_.loop.cancel(look_timer_);
  look_timer_ = net::Loop::TimerId::kNone;
  retry_timer_ = world_.loop.after(
      Duration(static_cast<std::int64_t>(most * (0.5 + 0.5 * chance_.uniform()))), [this] {
        retry_timer_ = net::Loop::TimerId::kNone;
        turn();
      });
}

}  // namespace tidegate::live
