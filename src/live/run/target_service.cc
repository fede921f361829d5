#include "live/run/target_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

namespace tidegate::live {
namespace {

using nlohmann::json;

/// An empty object where the path leads nowhere.
json at(const json& object, const std::vector<const char*>& path) {
  const json* here = &object;
  for (const char* key : path) {
    if (!here->is_object()) return json::object();
    const auto it = here->find(key);
    if (it == here->end()) return json::object();
    here = &*it;
  }
  return *here;
}

LabelMap labels(const json& object) {
  LabelMap out;
  if (!object.is_object()) return out;
  for (const auto& [key, value] : object.items()) {
    if (value.is_string()) out[key] = value.get<std::string>();
  }
  return out;
}

/// An empty selector picks nothing.
bool picks(const LabelMap& selector, const std::vector<LabelMap>& templates) {
  if (selector.empty()) return false;
  return std::any_of(templates.begin(), templates.end(), [&](const LabelMap& pod) {
    return std::all_of(selector.begin(), selector.end(), [&](const auto& wanted) {
      const auto it = pod.find(wanted.first);
      return it != pod.end() && it->second == wanted.second;
    });
  });
}

std::string text(const LabelMap& selector) {
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
  const json spec = at(service, {"spec"});
  const auto unready = spec.find("publishNotReadyAddresses");
  return {labels(at(spec, {"selector"})),
          unready != spec.end() && unready->is_boolean() && unready->get<bool>()};
}

std::vector<LabelMap> pod_templates(const json& object) {
  std::vector<LabelMap> out;
  const std::vector<std::vector<const char*>> places = {
      {"spec", "template"},
      {"spec", "leaderWorkerTemplate", "leaderTemplate"},
      {"spec", "leaderWorkerTemplate", "workerTemplate"}};
  for (const auto& place : places) {
    LabelMap found = labels(at(at(object, place), {"metadata", "labels"}));
    if (!found.empty()) out.push_back(std::move(found));
  }
  return out;
}

ServiceChoice choose_service(const TargetPods& target, const Services& services,
                             const std::map<std::string, std::vector<LabelMap>>& others) {
  if (target.templates.empty()) return by_name(target);
  std::string shared;
  std::vector<Services::const_iterator> own;
  for (auto it = services.begin(); it != services.end(); ++it) {
    const LabelMap& selector = it->second.selector;
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
