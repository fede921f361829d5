#include "live/run/target_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "live/kube/json_parts.h"

namespace tidegate::live {
namespace {

using kube::part;
using nlohmann::json;

/// An empty selector picks nothing.
bool picks(const kube::Labels& selector, const std::vector<kube::Labels>& templates) {
  if (selector.empty()) return false;
  return std::any_of(templates.begin(), templates.end(), [&](const kube::Labels& pod) {
    return std::all_of(selector.begin(), selector.end(), [&](const auto& wanted) {
      return std::find(pod.begin(), pod.end(), wanted) != pod.end();
    });
  });
}

std::string text(const kube::Labels& selector) {
  std::string out;
  for (const auto& [key, value] : selector) {
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", key, value);
  }
  return out;
}

ServiceChoice by_name(const TargetPods& target) {
  return {target.name, "by its name: " + target.unread};
}

}  // namespace

ServiceSight read_service(const json& service) {
  return {kube::labels_in(part(service, "spec", "selector")),
          part(service, "spec", "publishNotReadyAddresses") == true};
}

std::vector<kube::Labels> pod_templates(const json& object) {
  const json& spec = part(object, "spec");
  std::vector<kube::Labels> out;
  for (const json* place :
       {&part(spec, "template"), &part(spec, "leaderWorkerTemplate", "leaderTemplate"),
        &part(spec, "leaderWorkerTemplate", "workerTemplate")}) {
    kube::Labels found = kube::labels_of(*place);
    if (!found.empty()) out.push_back(std::move(found));
  }
  return out;
}

ServiceChoice choose_service(const TargetPods& target, const Services& services,
                             const std::map<std::string, std::vector<kube::Labels>>& others) {
  if (target.templates.empty()) return by_name(target);
  std::string shared;
  std::vector<Services::const_iterator> own;
  for (auto it = services.begin(); it != services.end(); ++it) {
    const kube::Labels& selector = it->second.selector;
    if (!picks(selector, target.templates)) continue;
    const auto other = std::find_if(others.begin(), others.end(),
                                    [&](const auto& pods) { return picks(selector, pods.second); });
    if (other == others.end()) {
      own.push_back(it);
    } else {
      shared = fmt::format("Service {} picks the pods of {} as well", it->first, other->first);
    }
  }
  auto rank = [&](const Services::const_iterator& it) {
    return std::tuple(it->second.publishes_unready, it->first != target.name,
                      -static_cast<std::int64_t>(it->second.selector.size()), it->first);
  };
  const auto best = std::min_element(
      own.begin(), own.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  if (best != own.end()) {
    return {(*best)->first, "picks its pods by " + text((*best)->second.selector)};
  }
  const auto named = services.find(target.name);
  if (named != services.end() && named->second.selector.empty()) {
    return {target.name, "by its name: it has no selector"};
  }
  return {"", shared.empty() ? "no Service picks the pods of " + target.name : shared};
}

}  // namespace tidegate::live
