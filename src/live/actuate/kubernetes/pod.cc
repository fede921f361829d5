#include "live/actuate/kubernetes/pod.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "live/kube/json_parts.h"
#include "live/kube/time_text.h"

namespace tidegate::live {
namespace {

using kube::part;
using kube::text;
using nlohmann::json;

/// Reasons that a kubelet gives for a container that will not start as it is.
const std::set<std::string> kFailing = {
    "CrashLoopBackOff",           "ImagePullBackOff",     "ErrImagePull",      "InvalidImageName",
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "ErrImageNeverPull"};

std::optional<WallTime> time(const json& node, const char* key) {
  return kube::parse_time(text(node, key));
}
void earliest(std::optional<WallTime>& into, std::optional<WallTime> one) {
  if (one && (!into || *one < *into)) into = one;
}
void latest(std::optional<WallTime>& into, std::optional<WallTime> one) {
  if (one && (!into || *one > *into)) into = one;
}

std::string joined(const std::string& reason, const std::string& message) {
  return message.empty() ? reason : reason + ": " + message;
}

void read_conditions(const json& conditions, PodView& out) {
  for (const json& one : conditions) {
    bool holds = text(one, "status") == "True";
    if (text(one, "type") == "PodScheduled") {
      out.scheduled = out.scheduled || holds;
      if (holds) out.scheduled_at = time(one, "lastTransitionTime");
      if (!holds && text(one, "reason") == "Unschedulable") {
        out.unschedulable = true;
        out.unschedulable_since = time(one, "lastTransitionTime");
        out.detail = joined("Unschedulable", text(one, "message"));
      }
    } else if (text(one, "type") == "Ready") {
      out.ready = holds;
      if (holds) out.ready_at = time(one, "lastTransitionTime");
      if (!holds && out.detail.empty()) out.detail = text(one, "message");
    }
  }
}

void read_container(const json& status, PodView& out) {
  const json& state = part(status, "state");
  latest(out.started, time(part(state, "running"), "startedAt"));
  const json& waiting = part(state, "waiting");
  if (!kFailing.contains(text(waiting, "reason"))) return;
  out.failing = true;
  out.detail = joined(text(waiting, "reason"), text(waiting, "message"));
  // Why it crashed says more than that it did.
  const json& last = part(status, "lastState", "terminated");
  if (last.is_object()) {
    std::string why = joined(text(last, "reason"), text(last, "message"));
    const json& code = part(last, "exitCode");
    out.detail += "; last: " + why + (code.is_number() ? ", exit code " + code.dump() : "");
  }
}

void read_init(const json& status, PodView& out) {
  const json& state = part(status, "state");
  earliest(out.init_started, time(part(state, "terminated"), "startedAt"));
  earliest(out.init_started, time(part(state, "running"), "startedAt"));
  latest(out.init_ended, time(part(state, "terminated"), "finishedAt"));
  if (kFailing.contains(text(state, "waiting", "reason"))) {
    out.failing = true;
    out.detail =
        joined("init container " + text(status, "name"),
               joined(text(state, "waiting", "reason"), text(state, "waiting", "message")));
  }
}

Duration between(const std::optional<WallTime>& from, const std::optional<WallTime>& to) {
  if (!from || !to) return Duration(-1);
  return std::max(*to - *from, Duration(0));
}

}  // namespace

PodView view_of(const json& pod) {
  PodView out;
  const json& meta = part(pod, "metadata");
  const json& status = part(pod, "status");
  out.name = text(meta, "name");
  out.uid = text(meta, "uid");
  out.created = time(meta, "creationTimestamp");
  out.deleting = part(meta, "deletionTimestamp").is_string();
  out.cost = text(meta, "annotations", kDeletionCost);
  const std::string level = text(meta, "annotations", kSleepingNote);
  out.sleep_level = level.empty() ? 0 : level == "1" ? 1 : 2;  // waking as after 2 is never wrong
  out.ip = text(status, "podIP");
  out.node_ip = text(status, "hostIP");
  out.node = text(pod, "spec", "nodeName");
  out.scheduled = !out.node.empty();
  std::string phase = text(status, "phase");
  out.ended = phase == "Failed" || phase == "Succeeded";
  read_conditions(part(status, "conditions"), out);
  std::size_t running = 0;
  for (const json& one : part(status, "containerStatuses")) {
    read_container(one, out);
    ++out.containers;
    running += part(one, "state", "running").is_object() ? 1 : 0;
  }
  out.running = out.containers > 0 && running == out.containers;
  for (const json& one : part(status, "initContainerStatuses")) {
    read_init(one, out);
    ++out.containers;
  }
  if (out.ended)
    out.detail = joined(joined(phase, text(status, "reason")), text(status, "message"));
  out.ready = out.ready && !out.ended && !out.ip.empty();
  if (out.ready) {
    out.detail.clear();
    out.failing = false;
  }
  return out;
}

control::StageTimes stages_of(const PodView& pod, const std::optional<Duration>& pulls) {
  control::StageTimes out;
  out.procurement = between(pod.created, pod.scheduled_at);
  out.image =
      pulls.value_or(between(pod.scheduled_at, pod.init_started ? pod.init_started : pod.started));
  out.weights = between(pod.init_started, pod.init_ended);
  out.engine = between(pod.started, pod.ready_at);
  out.total = between(pod.created, pod.ready_at);
  return out;
}

}  // namespace tidegate::live
