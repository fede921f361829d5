#pragma once
// What a large fleet on a cluster is made of, for benches: Deployments, and pods about as large as
// serving pods are (7.5 KB).
//
//   server.put("apps/v1", "deployments", bench::deployment("serve", 7, 10));
//   server.put("v1", "pods", bench::pod("serve", 7, 70, "10.0.0.70"));

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

namespace tidegate::bench {

inline std::string model_name(int model) { return "m-" + std::to_string(model); }

inline nlohmann::json labels_of(int model) {
  return {{"app", "vllm"}, {"model", model_name(model)}};
}

/// `number` is of the whole fleet.
inline nlohmann::json pod(const std::string& ns, int model, int number, const std::string& ip) {
  using nlohmann::json;
  json fields = json::object();
  for (int i = 0; i < 100; ++i)
    fields["f:field-" + std::to_string(i)] = {{"f:value", json::object()}};
  json env = json::array();
  for (int i = 0; i < 20; ++i) {
    env.push_back({{"name", "SETTING_" + std::to_string(i)}, {"value", "/models/some/path"}});
  }
  json condition = {{"status", "True"}, {"lastTransitionTime", "2026-01-02T03:05:10Z"}};
  json conditions = json::array();
  for (const char* type : {"PodScheduled", "Initialized", "ContainersReady", "Ready"}) {
    condition["type"] = type;
    conditions.push_back(condition);
  }
  json labels = labels_of(model);
  labels["pod-template-hash"] = "7d4b9c6f5";
  return {{"metadata",
           {{"name", fmt::format("m-{}-7d4b9c6f5-{:05}", model, number)},
            {"namespace", ns},
            {"labels", labels},
            {"ownerReferences", json::array({{{"kind", "ReplicaSet"}, {"name", "m"}}})},
            {"managedFields",
             json::array({{{"manager", "kube-controller-manager"}, {"fieldsV1", fields}},
                          {{"manager", "kubelet"}, {"fieldsV1", fields}}})}}},
          {"spec",
           {{"nodeName", fmt::format("node-{}", number % 500)},
            {"containers", json::array({{{"name", "engine"}, {"image", "vllm"}, {"env", env}}})}}},
          {"status",
           {{"phase", "Running"},
            {"podIP", ip},
            {"hostIP", "10.200.0.1"},
            {"conditions", conditions},
            {"containerStatuses",
             json::array({{{"name", "engine"},
                           {"ready", true},
                           {"state", {{"running", {{"startedAt", "2026-01-02T03:04:05Z"}}}}}}})}}}};
}

inline nlohmann::json deployment(const std::string& ns, int model, int replicas) {
  return {{"metadata", {{"name", model_name(model)}, {"namespace", ns}}},
          {"spec", {{"replicas", replicas}, {"selector", {{"matchLabels", labels_of(model)}}}}},
          {"status", {{"replicas", replicas}}}};
}

}  // namespace tidegate::bench
