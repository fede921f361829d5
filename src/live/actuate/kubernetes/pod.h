#pragma once
// What a pod's object says of one replica: where it is, whether it serves, what keeps it, and when
// each step of its start was. Pure. Source: Kubernetes docs, "Pod Lifecycle"; times are the API's,
// in whole seconds. What Events say beside it: pod_events.h.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "core/base/time.h"
#include "core/control/events.h"

namespace tidegate::live {

/// Pods with the lowest cost are deleted first; ours is below everybody's default of 0.
inline constexpr const char* kDeletionCost = "controller.kubernetes.io/pod-deletion-cost";
inline constexpr const char* kVictimCost = "-1000";
/// One that sleeps serves nobody: it goes before all that do, and after who is named.
inline constexpr const char* kSleeperCost = "-500";
/// Annotation of a pod that was told to sleep: the level. Its engine is the truth (/is_sleeping).
inline constexpr const char* kSleepingNote = "tidegate.dev/sleeping";
/// Label that is "false" while it sleeps: a Service that selects "true" leaves sleepers out.
inline constexpr const char* kAwakeLabel = "tidegate.dev/awake";

struct PodView {
  std::string name, uid, ip;
  std::string node;        ///< it is on; empty: none yet
  std::string node_ip;     ///< of that node
  bool deleting = false;   ///< deletionTimestamp is set
  bool ended = false;      ///< phase Failed or Succeeded: its controller makes another
  bool scheduled = false;  ///< on a node
  bool ready = false;
  bool running = false;        ///< all of its containers
  bool failing = false;        ///< the kubelet cannot start it, or it crashes again and again
  bool unschedulable = false;  ///< no node takes it
  std::string cost;            ///< of its deletion, as it is annotated
  std::size_t containers = 0;  ///< also those for its start
  int sleep_level = 0;         ///< as it is annotated; 0: it is not
  std::string detail;          ///< the scheduler's or kubelet's words
  std::optional<WallTime> created, scheduled_at, started, ready_at;
  std::optional<WallTime> unschedulable_since;
  std::optional<WallTime> init_started, init_ended;  ///< init containers: weights are fetched there
};

PodView view_of(const nlohmann::json& pod);

/// Of a pod that is ready: procurement to its node, image until its containers run, or, where it is
/// known, its pulls alone; weights in init containers, engine until ready; calendar time.
control::StageTimes stages_of(const PodView& pod, const std::optional<Duration>& pulls = {});

}  // namespace tidegate::live
