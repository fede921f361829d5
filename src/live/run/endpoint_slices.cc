#include "live/run/endpoint_slices.h"

#include <nlohmann/json.hpp>

#include "live/net/log.h"

namespace tidegate::live {
namespace {

using nlohmann::json;

bool condition(const json& endpoint, const char* name, bool otherwise) {
  const auto conditions = endpoint.find("conditions");
  if (conditions == endpoint.end() || !conditions->is_object()) return otherwise;
  const auto it = conditions->find(name);
  return it == conditions->end() || !it->is_boolean() ? otherwise : it->get<bool>();
}

link::EngineSight read_slice(const json& slice, std::int64_t port) {
  link::EngineSight out;
  const auto endpoints = slice.find("endpoints");
  if (endpoints == slice.end() || !endpoints->is_array()) return out;
  for (const json& endpoint : *endpoints) {
    if (!endpoint.is_object() || out.ready.size() >= EndpointSlices::kMaxEndpoints) continue;
    const auto addresses = endpoint.find("addresses");
    const bool any = addresses != endpoint.end() && addresses->is_array() && !addresses->empty() &&
                     addresses->front().is_string();
    if (!any) continue;
    const net::Address address{addresses->front().get<std::string>(),
                               static_cast<std::uint16_t>(port)};
    if (condition(endpoint, "terminating", false)) {
      out.ending.insert(address);
    } else if (condition(endpoint, "ready", true)) {
      out.ready.insert(address);
    }
  }
  return out;
}

}  // namespace

void EndpointSlices::follow(const std::vector<spec::Model>& models) {
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Variant>> next;
  for (const spec::Model& model : models) {
    for (std::size_t i = 0; i < model.variants.size(); ++i) {
      const auto* target = std::get_if<spec::KubernetesTarget>(&model.variants[i].target);
      if (target == nullptr) continue;
      const std::pair key(model.name, model.variants[i].name);
      auto before = variants_.find(key);
      const bool same = before != variants_.end() && before->second->target == *target;
      next[key] = same ? std::move(before->second) : open(model, i, *target);
      next[key]->index = static_cast<std::int32_t>(i);
    }
  }
  variants_ = std::move(next);
}

std::unique_ptr<EndpointSlices::Variant> EndpointSlices::open(
    const spec::Model& model, std::size_t index, const spec::KubernetesTarget& target) {
  auto made = std::make_unique<Variant>();
  made->model = model.name;
  made->index = static_cast<std::int32_t>(index);
  made->target = target;
  auto client = clusters_.client({target.kubeconfig, target.context});
  if (!client) {
    trouble(*made, client.error().message);
    return made;
  }
  Variant* v = made.get();
  made->follower = clusters_.shared().follow(
      *client, kube::Resource{"discovery.k8s.io/v1", "endpointslices", target.ns},
      "kubernetes.io/service-name=" + target.name,
      {.changed =
           [this, v](const std::string& key, const json& slice) {
             v->slices[key] = read_slice(slice, v->target.port);
             tell(*v);
           },
       .removed =
           [this, v](const std::string& key) {
             v->slices.erase(key);
             tell(*v);
           },
       .in_step =
           [this, v] {
             v->in_step = true;
             tell(*v);
           },
       .trouble = [this, v](const kube::ApiError& error) { trouble(*v, error.message); }});
  return made;
}

void EndpointSlices::trouble(Variant& variant, const std::string& why) {
  if (std::exchange(variant.troubled, true)) return;
  net::log(net::Level::kWarn,
           "endpoint slices cannot be followed: a lost leader is not made up for",
           {{"model", variant.model}, {"detail", why}});
}

/// An address may be in several slices for a while: where one says ready, it is.
void EndpointSlices::tell(const Variant& variant) const {
  if (!variant.in_step) return;
  link::EngineSight all;
  for (const auto& [key, slice] : variant.slices) {
    all.ready.insert(slice.ready.begin(), slice.ready.end());
    all.ending.insert(slice.ending.begin(), slice.ending.end());
  }
  for (const net::Address& address : all.ready) all.ending.erase(address);
  seen_(variant.model, variant.index, all);
}

}  // namespace tidegate::live
