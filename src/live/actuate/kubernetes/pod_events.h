#pragma once
// What the Events about a pod say that its object does not: how long its images were pulled,
// whether an autoscaler makes a node for it, and if not, why.
//
//   PodEvents said = read_events(list, view.containers);
//   stages.image = said.pulls.value_or(stages.image);
//
// The rest of a start (scheduled, container created, started) is in the object itself. Pure.
// Sources: kubelet's images/image_manager.go and container/event.go; cluster-autoscaler's FAQ
// ("What events are emitted by CA?"); Karpenter's scheduling events.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.h"

namespace tidegate::live {

struct PodEvents {
  /// Of all images together, with the wait for other pulls of the node; 0: all were there. Unknown
  /// unless each container has its pull, and none failed on the way (then the pod's own times,
  /// which hold the pauses, say more).
  std::optional<Duration> pulls;
  bool node_ordered = false;  ///< by an autoscaler
  std::string autoscaler;     ///< who, and its words, the latest; empty: none has said anything
};

/// Of an EventList of events.k8s.io/v1; of any shape.
PodEvents read_events(const nlohmann::json& list, std::size_t containers);

/// As Go writes durations: "1h2m3.5s", "345.6ms".
std::optional<Duration> read_go_duration(std::string_view text);

}  // namespace tidegate::live
