// The pods: what each says becomes the state of a replica, told once a step.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "live/actuate/kubernetes/kubernetes_actuator.h"
#include "live/net/log.h"

namespace tidegate::live {

using control::ReplicaState;

void KubernetesActuator::seen(const std::string& key, const nlohmann::json& object) {
  PodView view = view_of(object);
  auto it = pods_.find(key);
  if (it != pods_.end() && it->second.view.uid != view.uid) {
    removed(key);  // the same name, another pod: a StatefulSet's
    it = pods_.end();
  }
  if (auto old = ended_.find(key); old != ended_.end() && old->second == view.uid) return;
  bool came = false;
  if (it == pods_.end()) {
    if (view.ended) return;  // of before our time
    auto id = world_.journal.next_replica_id();
    if (!id) {
      return net::log(net::Level::kError, "pod left out", {{"error", id.error().message}});
    }
    Pod& added = pods_[key];
    added.info.id = *id;
    added.info.variant = variant_.name;
    added.info.adopted = adopting_;
    Duration age = view.created ? net::WorldClock::wall_now() - *view.created : Duration(0);
    added.info.ordered_at = world_.clock.now() - world_.clock.to_world(std::max(age, Duration(0)));
    it = pods_.find(key);
    came = true;
  }
  const bool goes = view.deleting && !it->second.view.deleting;
  it->second.view = std::move(view);
  look_at_node(key, it->second);
  look_at_start(key, it->second);
  advance(it->second);
  if (it->second.view.ended) {
    ended_[key] = it->second.view.uid;  // the object may stay for long; it is no replica any more
    end(it->second);
    pods_.erase(it);
  }
  check_capacity();
  if ((came && surplus() > 0) || (goes && surplus() < 0)) look();
}

void KubernetesActuator::removed(const std::string& key) {
  ended_.erase(key);
  auto it = pods_.find(key);
  if (it == pods_.end()) return;
  end(it->second);
  pods_.erase(it);
  check_capacity();
}

/// As it comes there: by the time it is ready its node may have the weights because of it.
void KubernetesActuator::look_at_node(const std::string& key, Pod& pod) {
  const PodView& view = pod.view;
  if (view.unschedulable && !view.scheduled) pod.found = control::StartFrom::kNoNode;
  if (!view.scheduled || pod.looked) return;
  pod.looked = true;
  const std::string label = options_.weights_label ? options_.weights_label(variant_) : "";
  if (label.empty() || view.ready || pod.found != control::StartFrom::kCold) return;
  const kube::Resource nodes{"v1", "nodes", ""};
  call(kube::get(nodes, view.node), [this, key, label, uid = view.uid](const Answer& answer) {
    if (!answer) {
      const bool first = answer.error().code == 403 && !std::exchange(nodes_refused_, true);
      if (first) {
        net::log(net::Level::kWarn,
                 "starts on nodes that have the weights are counted as cold: let the account get "
                 "nodes",
                 {{"cause", answer.error().message}});
      }
      return;
    }
    const auto it = pods_.find(key);
    if (it == pods_.end() || it->second.view.uid != uid) return;
    const nlohmann::json::json_pointer at("/metadata/labels");
    if (answer->contains(at) && answer->at(at).value(label, "") == "ready") {
      it->second.found = control::StartFrom::kCachedWeights;
    }
  });
}

/// Once its containers run all its pulls are over, and it is not ready yet: there is time to ask.
void KubernetesActuator::look_at_start(const std::string& key, Pod& pod) {
  if (pod.asked || !pod.view.running || pod.info.adopted) return;
  pod.asked = true;
  if (!pod.view.ready) read_events_of(key, pod);
}

void KubernetesActuator::look_why_it_waits(const std::string& key, Pod& pod) {
  const Instant now = world_.loop.now();
  if (pod.asked_why != Instant{} && now < pod.asked_why + kAskedAgain) return;
  pod.asked_why = now;
  read_events_of(key, pod);
}

void KubernetesActuator::read_events_of(const std::string& key, const Pod& pod) {
  world_.clusters.events().read(
      client_, target().ns, pod.view.uid,
      [this, alive = std::weak_ptr(alive_), key, uid = pod.view.uid](const Answer& list) {
        if (alive.expired() || !list) return;
        const auto it = pods_.find(key);
        if (it == pods_.end() || it->second.view.uid != uid) return;
        Pod& asked = it->second;
        asked.said = read_events(*list, asked.view.containers);
        if (asked.said.node_ordered) asked.found = control::StartFrom::kNoNode;
        advance(asked);
      });
}

void KubernetesActuator::advance(Pod& pod) {
  const PodView& view = pod.view;
  ReplicaInfo& info = pod.info;
  info.detail = view.detail.empty() ? pod.trouble : view.detail;
  if (view.unschedulable && !view.scheduled && !pod.said.autoscaler.empty()) {
    info.detail += "; " + pod.said.autoscaler;
  }
  info.name = view.name;
  info.node = view.node_ip;
  if (!pod.told) {
    bool waits = !view.scheduled && !view.ready && !view.deleting;
    report(pod, view.failing || view.ended ? ReplicaState::kFailed
                : waits                    ? ReplicaState::kOrdered
                                           : ReplicaState::kStarting);
  }
  if (view.ended || view.deleting || !view.ready) interrupted(pod);
  if (view.ended) {
    if (info.state != ReplicaState::kFailed && info.state != ReplicaState::kDraining) {
      report(pod, ReplicaState::kFailed);
    }
    return;
  }
  if (view.deleting) {
    bool may = info.state != ReplicaState::kFailed && info.state != ReplicaState::kDraining;
    if (may) report(pod, ReplicaState::kDraining);
    return;
  }
  bool early = info.state == ReplicaState::kOrdered || info.state == ReplicaState::kStarting;
  if (view.failing || (info.state == ReplicaState::kReady && !view.ready)) {
    if (early || info.state == ReplicaState::kReady) report(pod, ReplicaState::kFailed);
    return;
  }
  if (info.state == ReplicaState::kOrdered && view.scheduled) report(pod, ReplicaState::kStarting);
  if (view.ready) info.address = {view.ip, static_cast<std::uint16_t>(target().port)};
  if (rests(pod)) return;
  if (view.ready && info.state != ReplicaState::kReady) {
    info.stages = pod.served ? control::StageTimes{} : stages_of(view, pod.said.pulls);
    info.stages.from = pod.found;
    for (auto* stage : {&info.stages.procurement, &info.stages.image, &info.stages.weights,
                        &info.stages.engine, &info.stages.total}) {
      if (stage->count() >= 0) *stage = world_.clock.to_world(*stage);
    }
    report(pod, ReplicaState::kReady);
  }
}

void KubernetesActuator::report(Pod& pod, ReplicaState state) {
  pod.told = true;
  pod.served = pod.served || state == ReplicaState::kReady;
  pod.info.state = state;
  reporter_.replica(pod.info);
}

void KubernetesActuator::end(Pod& pod) {
  quiet(pod);
  if (!pod.told) return;
  if (pod.info.state == ReplicaState::kOrdered) report(pod, ReplicaState::kDraining);
  report(pod, ReplicaState::kGone);
}

/// Tells what cannot be had, as long as it cannot: now, or when the first pod has waited enough.
void KubernetesActuator::check_capacity() {
  bool told = capacity_timer_ != net::Loop::TimerId::kNone && capacity_told_;
  if (told || stopping_) return;
  world_.loop.cancel(capacity_timer_);
  capacity_timer_ = net::Loop::TimerId::kNone;
  const WallTime now = net::WorldClock::wall_now();
  const Duration patience = world_.clock.to_wall(target().pending_timeout);
  const Duration early = patience / 10;
  std::int64_t stuck = 0, held = 0;  // held: on a node, and not in trouble
  Duration next = Duration::max();
  const Pod* first = nullptr;
  std::pair<const std::string, Pod>* asked = nullptr;  // soon stuck: why is asked before it is told
  for (auto& entry : pods_) {
    const PodView& view = entry.second.view;
    bool fails = view.failing && !view.deleting;
    bool waits = view.unschedulable && !view.scheduled && !view.deleting;
    if (!fails && !waits) {
      held += view.scheduled && !view.deleting ? 1 : 0;
      continue;
    }
    Duration left = fails ? Duration(0) : view.unschedulable_since.value_or(now) + patience - now;
    if (waits && left <= early && asked == nullptr) asked = &entry;
    if (left > Duration(0)) {
      next = std::min(next, left > early ? left - early : left);
      continue;
    }
    ++stuck;
    if (first == nullptr) first = &entry.second;
  }
  // As many as were asked for have their place: what waits beside them is a rollout's surge.
  const bool surge = in_force_ >= 0 && held >= in_force_;
  if (surge) first = nullptr;
  if (!surge && asked != nullptr) look_why_it_waits(asked->first, asked->second);
  capacity_told_ = first != nullptr;
  if (first != nullptr) {
    reporter_.capacity_failed(
        {variant_.name, held, kCapacityPeriod,
         first->info.name + ": " + first->info.detail +
             (stuck > 1 ? " (and " + std::to_string(stuck - 1) + " more)" : "")});
    next = world_.clock.to_wall(kCapacityPeriod);
  }
  if (next == Duration::max()) return;
  capacity_timer_ = world_.loop.after(next, [this] {
    capacity_timer_ = net::Loop::TimerId::kNone;
    check_capacity();
  });
}

}  // namespace tidegate::live
