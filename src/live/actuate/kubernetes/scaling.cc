// The number: read, written onto what was read, and watched for other writers.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "live/actuate/kubernetes/kubernetes_actuator.h"
#include "live/kube/json_parts.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using nlohmann::json;

constexpr Duration kFirstBackOff = seconds(1);  // world
constexpr Duration kLongestBackOff = seconds(60);

/// Zero is not written (omitempty).
std::int64_t replicas_in(const json& scale) {
  return kube::whole_number(kube::part(scale, "spec"), "replicas").value_or(0);
}

}  // namespace

void KubernetesActuator::apply(const control::Apply& wanted) {
  if (stopping_) {
    return reporter_.applied({variant_.name, wanted.replicas.value(), 0, "shutting down"});
  }
  wanted_ = std::max<std::int64_t>(0, wanted.replicas.value());
  victims_ = {wanted.victims.begin(), wanted.victims.end()};
  blind_ = adopting_;
  if (working_) return;  // the number asked last goes next
  if (wanted_ == in_force_) return reporter_.applied({variant_.name, wanted_, 1, ""});
  work();
}

/// A write under way may have gone through for all that: the next look tells.
void KubernetesActuator::hold() {
  if (wanted_ == in_force_) return;
  wanted_ = in_force_;
  victims_.clear();
  if (in_force_ >= 0) reporter_.applied({variant_.name, in_force_, 1, ""});
  if (write_ == kube::KubeClient::CallId::kNone) return;
  client_->cancel(std::exchange(write_, kube::KubeClient::CallId::kNone));
  working_ = false;
}

/// One write at a time, and only once the pods are known: victims are among them.
void KubernetesActuator::work() {
  bool waits = retry_timer_ != net::Loop::TimerId::kNone || !follower_ || adopting_;
  if (working_ || stopping_ || waits || wanted_ < 0 || wanted_ == in_force_) return;
  working_ = true;
  conflicts_ = 0;
  mark_victims();
}

void KubernetesActuator::mark_victims() {
  marks_left_ = 1;  // ours, so that the last answer cannot come too early
  for (const auto& [key, pod] : pods_) {
    const bool rests = pod.rest != Rest::kAwake;
    const std::string cost = victims_.contains(pod.info.id) ? kVictimCost
                             : rests                        ? kSleeperCost
                                                            : "";
    const bool ours = pod.view.cost == kVictimCost || pod.view.cost == kSleeperCost;
    if (cost == pod.view.cost || (cost.empty() && !ours) || pod.view.deleting) continue;
    set_cost(pod, cost);
  }
  if (--marks_left_ == 0) read_scale();
}

void KubernetesActuator::set_cost(const Pod& pod, const std::string& cost) {
  ++marks_left_;
  json value = cost.empty() ? json(nullptr) : json(cost);
  json change = {{"metadata", {{"annotations", {{kDeletionCost, value}}}}}};
  call(kube::patch({"v1", "pods", target().ns}, pod.view.name, kube::PatchType::kMerge, change),
       [this](Answer answer) {
         if (!answer && answer.error().code != 404) {
           net::log(
               net::Level::kWarn, "victim not marked; the cluster may choose another",
               {{"model", model_}, {"variant", variant_.name}, {"error", answer.error().message}});
         }
         if (--marks_left_ == 0) read_scale();
       });
}

void KubernetesActuator::read_scale() {
  call(kube::get(resource_, target().name, "scale"), [this](Answer answer) {
    if (!answer) return not_applied(answer.error().message);
    if (selects_others(*answer)) return;
    std::int64_t now = replicas_in(*answer);
    if (wanted_ < 0) return stands(now);  // taken back meanwhile
    if (in_force_ >= 0 && now != in_force_) return foreign(now);
    if (now == wanted_) return in_force(now);
    // Decided before any pod was seen, where the list took long: that may raise, never lower.
    if (blind_ && now > wanted_) return stands(now);
    write_scale(now, kube::text(*answer, "metadata", "resourceVersion"));
  });
}

void KubernetesActuator::write_scale(std::int64_t now, const std::string& version) {
  json change = {{"metadata", {{"resourceVersion", version}}}, {"spec", {{"replicas", wanted_}}}};
  net::log(net::Level::kInfo, "scaling",
           {{"model", model_},
            {"variant", variant_.name},
            {"from", std::to_string(now)},
            {"to", std::to_string(wanted_)}});
  write_ = call(
      kube::patch(resource_, target().name, kube::PatchType::kMerge, change, "scale", "tidegate"),
      [this, replicas = wanted_](Answer answer) {
        write_ = kube::KubeClient::CallId::kNone;
        if (answer) return in_force(replicas);
        // Most writes in between are of the status, by its own controller: look again.
        if (answer.error().conflict() && ++conflicts_ <= kMaxConflicts) return read_scale();
        not_applied(answer.error().message);
      });
}

void KubernetesActuator::in_force(std::int64_t replicas) {
  working_ = false;
  told_.clear();
  failures_ = 0;
  in_force_ = replicas;
  reporter_.applied({variant_.name, replicas, 1, ""});
  work();
}

void KubernetesActuator::not_applied(const std::string& detail) {
  working_ = false;
  if (std::exchange(told_, detail) != detail) {
    net::log(net::Level::kWarn, "not scaled; tried again until it is",
             {{"model", model_}, {"variant", variant_.name}, {"error", detail}});
  }
  reporter_.applied({variant_.name, wanted_, 0, detail});
  retry_later();
}

void KubernetesActuator::retry_later() {
  retry_timer_ = world_.loop.after(back_off(), [this] {
    retry_timer_ = net::Loop::TimerId::kNone;
    work();
  });
}

/// Somebody else wrote. Theirs stands until the controller has heard of it and decided anew.
void KubernetesActuator::foreign(std::int64_t replicas) {
  net::log(net::Level::kWarn, "replicas were written by somebody else",
           {{"model", model_},
            {"variant", variant_.name},
            {"ours", std::to_string(in_force_)},
            {"theirs", std::to_string(replicas)}});
  stands(replicas);
}

void KubernetesActuator::stands(std::int64_t replicas) {
  working_ = blind_ = false;
  failures_ = 0;
  in_force_ = wanted_ = replicas;
  victims_.clear();
  reporter_.applied({variant_.name, replicas, 1, ""});
}

/// A thousand variants look every 50 s, one after the other; the pods tell most writes at once.
/// Each wait is up to a tenth longer or shorter: those that began together drift apart.
Duration KubernetesActuator::look_wait() {
  auto others = static_cast<std::int64_t>(world_.clusters.shared().followers());
  const Duration wait = std::max(options_.look_period, options_.look_spacing * others);
  return Duration(static_cast<std::int64_t>(static_cast<double>(wait.count()) *
                                            (0.9 + 0.2 * chance_.uniform())));
}

void KubernetesActuator::look() {
  world_.loop.cancel(look_timer_);
  look_timer_ = world_.loop.after(look_wait(), [this] { look(); });
  if (working_ || looking_ || in_force_ < 0 || resource_.plural.empty()) return;
  looking_ = true;
  call(kube::get(resource_, target().name, "scale"), [this](Answer answer) {
    looking_ = false;
    if (!answer || working_) return;  // a write under way looks for itself
    if (selects_others(*answer)) return;
    if (std::int64_t now = replicas_in(*answer); now != in_force_) foreign(now);
  });
}

/// Pods that are not being deleted, less what our number explains: a rollout, or another writer.
std::int64_t KubernetesActuator::surplus() const {
  if (in_force_ < 0 || adopting_) return 0;
  auto staying = std::count_if(pods_.begin(), pods_.end(),
                               [](const auto& entry) { return !entry.second.view.deleting; });
  return staying - in_force_;
}

Duration KubernetesActuator::back_off() {
  Duration wait = kFirstBackOff;
  for (int i = 0; i < failures_ && wait < kLongestBackOff; ++i) wait *= 2;
  ++failures_;
  wait = std::min(wait, kLongestBackOff);
  double share = 0.5 + 0.5 * chance_.uniform();
  return world_.clock.to_wall(
      Duration(static_cast<std::int64_t>(static_cast<double>(wait.count()) * share)));
}

}  // namespace tidegate::live
