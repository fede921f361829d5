// Pods between serving and sleep: marked, drained, told; woken and unmarked; found marked.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "live/actuate/kubernetes/kubernetes_actuator.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using nlohmann::json;

}  // namespace

KubernetesActuator::Pod* KubernetesActuator::find(ReplicaId id) {
  auto it = std::find_if(pods_.begin(), pods_.end(),
                         [&](const auto& entry) { return entry.second.info.id == id; });
  return it == pods_.end() ? nullptr : &it->second;
}

/// Nothing that is under way with it will be heard of.
void KubernetesActuator::quiet(Pod& pod) {
  world_.loop.cancel(std::exchange(pod.timer, net::Loop::TimerId::kNone));
  pod.talk.reset();
}

void KubernetesActuator::later(Pod& pod, Duration world, void (KubernetesActuator::*then)(Pod&)) {
  world_.loop.cancel(pod.timer);
  pod.timer = world_.loop.after(world_.clock.to_wall(world),
                                [this, id = pod.info.id, then, alive = std::weak_ptr(alive_)] {
                                  if (alive.expired()) return;
                                  Pod* due = find(id);
                                  if (due == nullptr) return;
                                  due->timer = net::Loop::TimerId::kNone;
                                  (this->*then)(*due);
                                });
}

// ---- to sleep ----

void KubernetesActuator::sleep(ReplicaId id, int level) {
  Pod* pod = find(id);
  if (pod == nullptr || stopping_ || pod->rest != Rest::kAwake || pod->unmarking) return;
  if (pod->info.state != ReplicaState::kReady || world_.clock.now() < next_sleep_) return;
  if (selector_.find(kAwakeLabel) != std::string::npos) {
    next_sleep_ = world_.clock.now() + kSleepRetry;
    return net::log(net::Level::kError,
                    "no pod is put to sleep: its controller selects by the label that marks those "
                    "awake and would make another; leave it out of the selector",
                    {{"model", model_}, {"variant", variant_.name}, {"selector", selector_}});
  }
  quiet(*pod);
  pod->rest = Rest::kFalling;
  pod->level = level;
  pod->noted = pod->drained = false;
  pod->since = world_.clock.now();
  report(*pod, ReplicaState::kDraining);
  mark(*pod, level, [this, id](const std::string& problem) {
    Pod* marked = find(id);
    if (marked == nullptr || marked->rest != Rest::kFalling) return;
    if (!problem.empty()) return stay_awake(*marked, "it cannot be marked: " + problem);
    marked->noted = true;
    look_whether_idle(*marked);
  });
}

void KubernetesActuator::drained(ReplicaId id) {
  Pod* pod = find(id);
  if (pod == nullptr || pod->rest != Rest::kFalling || pod->drained) return;
  pod->drained = true;
  look_whether_idle(*pod);
}

/// Its requests may be of other gateways, or come through a Service: its engine knows.
void KubernetesActuator::look_whether_idle(Pod& pod) {
  if (!pod.noted || pod.rest != Rest::kFalling) return;
  if (world_.clock.now() - pod.since >= kDrainLimit) return fall_asleep(pod);
  if (!pod.drained) return later(pod, kIdleLook, &KubernetesActuator::look_whether_idle);
  world_.loop.cancel(std::exchange(pod.timer, net::Loop::TimerId::kNone));
  pod.talk = EngineTalk::ask_requests(
      world_.client, pod.info.address, [this, id = pod.info.id](const Result<std::int64_t>& held) {
        Pod* asked = find(id);
        if (asked == nullptr) return;
        if (held && *held == 0) return fall_asleep(*asked);
        later(*asked, kIdleLook, &KubernetesActuator::look_whether_idle);
      });
}

void KubernetesActuator::fall_asleep(Pod& pod) {
  pod.rest = Rest::kTold;
  pod.talk = EngineTalk::sleep(world_.client, pod.info.address, pod.level,
                               [this, id = pod.info.id](const std::string& problem) {
                                 Pod* slept = find(id);
                                 if (slept == nullptr) return;
                                 if (!problem.empty()) return stay_awake(*slept, problem);
                                 slept->rest = Rest::kAsleep;
                                 slept->trouble.clear();
                                 slept->info.detail = slept->view.detail;
                                 report(*slept, ReplicaState::kSleeping);
                               });
}

void KubernetesActuator::stay_awake(Pod& pod, const std::string& problem) {
  pod.trouble = "did not go to sleep: " + problem;
  net::log(
      net::Level::kError, "pod did not go to sleep",
      {{"model", model_}, {"variant", variant_.name}, {"pod", pod.view.name}, {"error", problem}});
  next_sleep_ = world_.clock.now() + kSleepRetry;
  serve_again(pod);
}

/// It serves, and that is no start.
void KubernetesActuator::serve_again(Pod& pod) {
  quiet(pod);
  pod.rest = Rest::kAwake;
  pod.info.stages = {};
  pod.info.detail = pod.trouble;
  if (pod.info.state == ReplicaState::kSleeping) report(pod, ReplicaState::kStarting);
  report(pod, ReplicaState::kReady);
  if (pod.marked || pod.view.sleep_level > 0) unmark(pod);
}

// ---- awake ----

void KubernetesActuator::wake(ReplicaId id) {
  Pod* pod = find(id);
  if (pod == nullptr || stopping_ || pod->rest != Rest::kAsleep) return;
  pod->since = world_.clock.now();
  report(*pod, ReplicaState::kStarting);
  wake_up(*pod);
}

void KubernetesActuator::wake_up(Pod& pod) {
  pod.rest = Rest::kWaking;
  pod.talk = EngineTalk::wake(world_.client, pod.info.address, pod.level,
                              [this, id = pod.info.id](const std::string& problem) {
                                if (Pod* asked = find(id)) woken(*asked, problem);
                              });
}

void KubernetesActuator::woken(Pod& pod, const std::string& problem) {
  const bool again = pod.info.state == ReplicaState::kFailed;
  if (problem.empty()) {
    quiet(pod);
    pod.rest = Rest::kAwake;
    pod.trouble.clear();
    pod.info.detail = pod.view.detail;
    pod.info.stages = {};
    if (!again) {  // else nobody knows how long it took
      pod.info.stages.from = control::StartFrom::kSleeping;
      pod.info.stages.engine = pod.info.stages.total = world_.clock.now() - pod.since;
    }
    report(pod, ReplicaState::kReady);
    return unmark(pod);
  }
  // Perhaps without weights: not to be routed to. Its pod is not ours to delete.
  pod.rest = Rest::kStuck;
  pod.trouble = "wake-up failed: " + problem;
  pod.info.detail = pod.trouble;
  if (!again) report(pod, ReplicaState::kFailed);
  net::log(
      net::Level::kError, "pod did not wake up",
      {{"model", model_}, {"variant", variant_.name}, {"pod", pod.view.name}, {"error", problem}});
  const std::int64_t held = std::count_if(pods_.begin(), pods_.end(), [](const auto& entry) {
    return entry.second.view.ready && entry.second.rest != Rest::kStuck;
  });
  reporter_.capacity_failed({variant_.name, held, kWakeRetry, pod.view.name + ": " + pod.trouble});
  later(pod, kWakeRetry, &KubernetesActuator::wake_up);
}

// ---- marks ----

/// `level` 0 takes them off.
void KubernetesActuator::mark(Pod& pod, int level,
                              std::function<void(const std::string& problem)> done) {
  const bool on = level > 0;
  pod.marked = on;
  pod.marked_until = world_.loop.now() + kMarkSeen;
  const json nothing;
  const json change = {{"metadata",
                        {{"labels", {{kAwakeLabel, on ? "false" : "true"}}},
                         {"annotations",
                          {{kSleepingNote, on ? json(std::to_string(level)) : nothing},
                           {kDeletionCost, on ? json(kSleeperCost) : nothing}}}}}};
  call(kube::patch({"v1", "pods", target().ns}, pod.view.name, kube::PatchType::kMerge, change),
       [done = std::move(done)](const Answer& answer) {
         done(answer || answer.error().code == 404 ? "" : answer.error().message);
       });
}

void KubernetesActuator::unmark(Pod& pod) {
  pod.unmarking = true;
  mark(pod, 0, [this, id = pod.info.id](const std::string& problem) {
    Pod* awake = find(id);
    if (awake == nullptr) return;
    awake->unmarking = false;
    if (awake->rest != Rest::kAwake || problem.empty()) return;
    net::log(net::Level::kWarn, "pod is awake, and still marked as asleep",
             {{"model", model_},
              {"variant", variant_.name},
              {"pod", awake->view.name},
              {"error", problem}});
    later(*awake, kMarkRetry, &KubernetesActuator::unmark);
  });
}

// ---- found marked ----

/// Marked by another process, or by one before us: it may sleep, or be about to.
void KubernetesActuator::doubt(Pod& pod) {
  pod.rest = Rest::kDoubtful;
  pod.level = pod.view.sleep_level;
  pod.since = world_.clock.now();
  if (pod.info.state == ReplicaState::kReady) report(pod, ReplicaState::kDraining);
  ask_whether_asleep(pod);
}

void KubernetesActuator::ask_whether_asleep(Pod& pod) {
  pod.talk = EngineTalk::ask_whether_asleep(
      world_.client, pod.info.address, EngineTalk::kAskTimeout,
      [this, id = pod.info.id](const Result<bool>& asleep) {
        Pod* asked = find(id);
        if (asked == nullptr) return;
        if (asleep && *asleep) {
          asked->rest = Rest::kAsleep;
          return report(*asked, ReplicaState::kSleeping);
        }
        // Who applies numbers would be the one to put it to sleep, and does not: it was woken, or
        // never told. Others wait for the mark to go; for ever only where its engine is silent.
        const bool over = wanted_ >= 0 || world_.clock.now() - asked->since >= kDoubtLimit;
        if (asleep && over) return serve_again(*asked);
        later(*asked, kDoubtLook, &KubernetesActuator::ask_whether_asleep);
      });
}

/// True: what is left to tell of the pod is told by its sleep.
bool KubernetesActuator::rests(Pod& pod) {
  const bool noted = pod.view.sleep_level > 0;
  if (noted == pod.marked) pod.marked_until = Instant();
  const bool of_before = noted != pod.marked && world_.loop.now() < pod.marked_until;
  if (pod.rest == Rest::kAwake) {
    if (!noted || !pod.view.ready || of_before) return false;
    doubt(pod);
    return true;
  }
  // The mark went by another's hand: it woke it, or leads now and does not want it asleep.
  const bool open = pod.rest == Rest::kAsleep || pod.rest == Rest::kDoubtful ||
                    (pod.rest == Rest::kFalling && pod.noted);
  if (open && !noted && !of_before) {
    pod.marked = false;
    serve_again(pod);
  }
  return true;
}

/// Its container has ended, or the pod is on its way out: whatever was under way is void.
void KubernetesActuator::interrupted(Pod& pod) {
  if (pod.rest == Rest::kAwake) return;
  quiet(pod);
  pod.rest = Rest::kAwake;
  const bool ends = pod.view.ended || pod.view.deleting;
  if (!ends && pod.info.state != ReplicaState::kFailed) report(pod, ReplicaState::kFailed);
}

}  // namespace tidegate::live
