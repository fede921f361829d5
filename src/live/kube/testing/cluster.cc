#include "live/kube/testing/cluster.h"

#include <algorithm>

#include "live/kube/time_text.h"
#include "live/net/clock.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

std::string now_text() { return format_time(net::WorldClock::wall_now()); }

/// A pod's spec: as little as a real server takes.
json engine() { return {{"containers", json::array({{{"name", "engine"}, {"image", "engine"}}})}}; }

bool going(const json& pod) { return pod["metadata"].contains("deletionTimestamp"); }
bool on_node(const json& pod) { return pod["spec"].contains("nodeName"); }
/// Pods of a rollout's other ReplicaSet say so, and are not counted.
bool carries(const json& pod, const json& labels) {
  const json own = pod["metadata"].value("labels", json::object());
  if (own.contains("pod-template-hash")) return false;
  return std::all_of(labels.items().begin(), labels.items().end(), [&](const auto& label) {
    return own.value(label.key(), json()) == label.value();
  });
}
bool is_ready(const json& pod) {
  for (const json& one : pod["status"].value("conditions", json::array())) {
    if (one["type"] == "Ready") return one["status"] == "True";
  }
  return false;
}
std::int64_t cost_of(const json& pod) {
  const json notes = pod["metadata"].value("annotations", json::object());
  return std::stoll(notes.value("controller.kubernetes.io/pod-deletion-cost", "0"));
}

}  // namespace

Cluster::Cluster(net::Loop& loop, ApiServer& server, const Options& options)
    : loop_(loop),
      objects_(std::make_unique<StoredObjects>(server)),
      gpus_(options.gpus),
      ns_(options.ns) {
  server.on_change = [this](const Change&) { soon(); };
}

Cluster::Cluster(net::Loop& loop, const Access& access, const Options& options)
    : loop_(loop),
      objects_(std::make_unique<RemoteObjects>(access)),
      client_(std::make_unique<KubeClient>(loop, access)),
      gpus_(options.gpus),
      ns_(options.ns) {
  for (const Resource& of :
       {Resource{"v1", "pods", ns_}, Resource{"apps/v1", "deployments", ns_}}) {
    informers_.push_back(std::make_unique<Informer>(
        *client_, of, "",
        InformerHandler{.changed = [this](const std::string&, const json&) { soon(); },
                        .removed = [this](const std::string&) { soon(); },
                        .in_step = [] {},
                        .trouble = [](const ApiError&) {}}));
    informers_.back()->start();
  }
}

void Cluster::deploy(const std::string& ns, const std::string& name, std::int64_t replicas) {
  json labels = {{"app", name}};
  json pod = {{"metadata", {{"labels", labels}}}, {"spec", engine()}};
  objects_->put("apps/v1", "deployments",
                {{"metadata", {{"name", name}, {"namespace", ns}, {"generation", 1}}},
                 {"spec",
                  {{"replicas", replicas},
                   {"selector", {{"matchLabels", labels}}},
                   {"template", std::move(pod)}}},
                 {"status", {{"replicas", 0}}}});
}

std::int64_t Cluster::replicas(const std::string& ns, const std::string& name) const {
  return objects_->find("apps/v1", "deployments", ns, name)["spec"]["replicas"];
}

void Cluster::write_replicas(const std::string& ns, const std::string& name,
                             std::int64_t replicas) {
  json object = objects_->find("apps/v1", "deployments", ns, name);
  object["spec"]["replicas"] = replicas;
  objects_->put("apps/v1", "deployments", std::move(object));
}

std::vector<json> Cluster::pods(const std::string& ns) const {
  return objects_->all("v1", "pods", ns);
}

void Cluster::set_status(const std::string& ns, const std::string& name, const json& change) {
  json pod = objects_->find("v1", "pods", ns, name);
  pod["status"].merge_patch(change);
  objects_->put("v1", "pods", std::move(pod));
}

void Cluster::kill(const std::string& ns, const std::string& name) {
  objects_->remove("v1", "pods", ns, name);
}

void Cluster::set_gpus(std::int64_t gpus) {
  gpus_ = gpus;
  soon();
}

void Cluster::soon() {
  if (due_) return;
  due_ = true;
  loop_.after(Duration(0), [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    due_ = false;
    turn();
  });
}

void Cluster::turn() {
  std::int64_t free = gpus_;
  for (const json& pod : pods(ns_)) free -= on_node(pod) ? 1 : 0;
  for (const json& deployment : objects_->all("apps/v1", "deployments", ns_)) {
    reconcile(deployment);
  }
  for (json& pod : pods(ns_)) kubelet(std::move(pod), free);
}

void Cluster::reconcile(const json& deployment) {
  const json& meta = deployment["metadata"];
  std::vector<json> own;
  std::int64_t all = 0;
  for (json& pod : pods(meta["namespace"])) {
    if (!carries(pod, deployment["spec"]["selector"]["matchLabels"])) continue;
    std::string phase = pod["status"].value("phase", "");
    if (phase == "Failed" || phase == "Succeeded") continue;
    ++all;
    if (!going(pod)) own.push_back(std::move(pod));
  }
  std::int64_t wanted = deployment["spec"].value("replicas", std::int64_t{0});
  auto have = static_cast<std::int64_t>(own.size());
  for (std::int64_t i = have; i < wanted; ++i) add_pod(deployment);
  if (have > wanted) shrink(std::move(own), have - wanted);
  if (deployment["status"].value("replicas", std::int64_t{0}) == all) return;
  json object = deployment;
  object["status"]["replicas"] = all;
  objects_->put("apps/v1", "deployments", std::move(object));
}

void Cluster::add_pod(const json& deployment) {
  const json& meta = deployment["metadata"];
  std::string name = meta["name"].get<std::string>() + "-" + std::to_string(++made_);
  objects_->put("v1", "pods",
                {{"metadata",
                  {{"name", name},
                   {"namespace", meta["namespace"]},
                   {"labels", deployment["spec"]["selector"]["matchLabels"]}}},
                 {"spec", engine()},
                 {"status", {{"phase", "Pending"}}}});
}

/// As the ReplicaSet controller ranks them: without a node, not ready, cheapest, newest.
void Cluster::shrink(std::vector<json> own, std::int64_t by) {
  std::stable_sort(own.begin(), own.end(), [](const json& a, const json& b) {
    auto rank = [](const json& pod) {
      return std::tuple(on_node(pod), is_ready(pod), cost_of(pod),
                        -std::stoll(pod["metadata"]["resourceVersion"].get<std::string>()));
    };
    return rank(a) < rank(b);
  });
  for (std::int64_t i = 0; i < by; ++i) {
    json pod = own[static_cast<std::size_t>(i)];
    pod["metadata"]["deletionTimestamp"] = now_text();
    objects_->put("v1", "pods", std::move(pod));
  }
}

void Cluster::condition(json& pod, const std::string& type, const std::string& status,
                        const std::string& reason, const std::string& message) {
  json& list = pod["status"]["conditions"];
  if (!list.is_array()) list = json::array();
  std::erase_if(list.get_ref<json::array_t&>(),
                [&](const json& one) { return one["type"] == type; });
  json one = {{"type", type}, {"status", status}, {"lastTransitionTime", now_text()}};
  if (!reason.empty()) one["reason"] = reason;
  if (!message.empty()) one["message"] = message;
  list.push_back(std::move(one));
}

void Cluster::kubelet(json pod, std::int64_t& free) {
  const std::string ns = pod["metadata"]["namespace"], name = pod["metadata"]["name"];
  std::string phase = pod["status"].value("phase", "");
  if (going(pod)) {
    if (!hold_end || !on_node(pod)) objects_->remove("v1", "pods", ns, name);
    return;
  }
  if (!on_node(pod) && free <= 0) {
    if (pod["status"].contains("conditions")) return;  // said already
    std::string message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.";
    condition(pod, "PodScheduled", "False", "Unschedulable", message);
  } else if (!on_node(pod)) {
    --free;
    pod["spec"]["nodeName"] = "node-1";
    condition(pod, "PodScheduled", "True", "", "");
  } else if (phase == "Pending" && !hold_start && !pod["status"].contains("containerStatuses")) {
    pod["status"]["phase"] = "Running";
    std::int64_t number = std::stoll(name.substr(name.rfind('-') + 1));
    pod["status"]["podIP"] =
        "127.1." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1);
    pod["status"]["containerStatuses"] =
        json::array({{{"name", "engine"}, {"state", {{"running", {{"startedAt", now_text()}}}}}}});
    condition(pod, "Ready", "True", "", "");
  } else {
    return;
  }
  objects_->put("v1", "pods", std::move(pod));
}

}  // namespace tidegate::live::kube
