#pragma once
// Which Service of a cluster is a target's: the one whose selector picks the pods that the target
// makes.
//
//   auto choice = choose_service({.name = "m", .templates = pod_templates(deployment)}, services, {});
//   choice.service, choice.why;                        // "vllm", "picks its pods by app=vllm"
//
// Of several: one whose endpoints are Ready before one that publishes others too, the target's own
// name, the most labels, then by name. One that picks the pods of another variant as well is none:
// its endpoints would be taken for both. Where the target cannot be read, or a Service of its name
// has no selector (its endpoints are written by hand), the name alone counts. Thread-safety: pure
// functions. Source: core/v1 Service; apps/v1; leaderworkerset.x-k8s.io/v1.

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "live/kube/selector.h"

namespace tidegate::live {

struct ServiceSight {
  kube::Labels selector;           ///< empty: none
  bool publishes_unready = false;  ///< publishNotReadyAddresses
};
ServiceSight read_service(const nlohmann::json& service);
/// By name.
using Services = std::map<std::string, ServiceSight>;

/// Labels of the pods that an object makes, by each of its pod templates; none: it has none that we
/// know how to find.
std::vector<kube::Labels> pod_templates(const nlohmann::json& object);

struct TargetPods {
  std::string name;                     ///< of the target
  std::vector<kube::Labels> templates;  ///< none: not known
  std::string unread;                   ///< why not
};
struct ServiceChoice {
  std::string service;  ///< empty: none
  std::string why;      ///< for people
  bool operator==(const ServiceChoice&) const = default;
};
/// `others`: of the other variants in the namespace, by what they are called.
ServiceChoice choose_service(const TargetPods& target, const Services& services,
                             const std::map<std::string, std::vector<kube::Labels>>& others);

}  // namespace tidegate::live
