#include "live/run/endpoint_slices.h"

#include <nlohmann/json.hpp>

#include "live/kube/json_parts.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using kube::part;
using nlohmann::json;

link::EngineSight read_slice(const json& slice, std::int64_t port) {
  link::EngineSight out;
  for (const json& endpoint : part(slice, "endpoints")) {
    if (out.ready.size() >= EndpointSlices::kMaxEndpoints) break;
    const json& addresses = part(endpoint, "addresses");
    if (!addresses.is_array() || addresses.empty() || !addresses.front().is_string()) continue;
    const net::Address address{addresses.front().get<std::string>(),
                               static_cast<std::uint16_t>(port)};
    if (part(endpoint, "conditions", "terminating") == true) {
      out.ending.insert(address);
    } else if (part(endpoint, "conditions", "ready") != false) {
      out.ready.insert(address);
    }
  }
  return out;
}

}  // namespace

EndpointSlices::~EndpointSlices() {
  for (auto& [key, variant] : variants_) close(*variant);
}

void EndpointSlices::follow(const std::vector<spec::Model>& models) {
  std::map<Key, std::unique_ptr<Variant>> next;
  for (const spec::Model& model : models) {
    for (std::size_t i = 0; i < model.variants.size(); ++i) {
      const auto* target = std::get_if<spec::KubernetesTarget>(&model.variants[i].target);
      if (target == nullptr) continue;
      const Key key(model.name, model.variants[i].name);
      auto before = variants_.find(key);
      const bool same = before != variants_.end() && before->second->target == *target;
      next[key] = same ? std::move(before->second) : open(model, i, *target);
      next[key]->index = static_cast<std::int32_t>(i);
    }
  }
  for (auto& [key, left] : variants_) {
    if (left != nullptr) close(*left);
  }
  variants_ = std::move(next);
  std::set<const Namespace*> wanted;
  for (const auto& [key, variant] : variants_) wanted.insert(variant->home);
  std::erase_if(homes_, [&](const auto& entry) { return !wanted.contains(entry.second.get()); });
}

std::vector<ServiceView> EndpointSlices::services(const std::string& model) const {
  std::vector<ServiceView> out;
  for (auto it = variants_.lower_bound({model, ""});
       it != variants_.end() && it->first.first == model; ++it) {
    out.push_back({it->first.second, it->second->choice});
  }
  return out;
}

std::unique_ptr<EndpointSlices::Variant> EndpointSlices::open(
    const spec::Model& model, std::size_t index, const spec::KubernetesTarget& target) {
  auto made = std::make_unique<Variant>();
  made->model = model.name;
  made->name = model.variants[index].name;
  made->target = target;
  made->pods.name = target.name;
  made->choice.why = "not known yet";
  auto client = clusters_.client({target.kubeconfig, target.context});
  if (!client) {
    made->choice.why = client.error().message;
    not_followed(*made, client.error().message);
    return made;
  }
  made->client = *client;
  made->home = &home(*client, target.ns);
  look(*made);
  return made;
}

void EndpointSlices::close(Variant& variant) {
  loop_.cancel(variant.timer);
  if (variant.call != kube::KubeClient::CallId::kNone) variant.client->cancel(variant.call);
}

// ---- which Service ----

EndpointSlices::Namespace& EndpointSlices::home(const std::shared_ptr<kube::KubeClient>& client,
                                                const std::string& ns) {
  auto& known = homes_[{client.get(), ns}];
  if (known != nullptr) return *known;
  known = std::make_unique<Namespace>();
  Namespace* h = known.get();
  h->client = client;
  h->informer = std::make_unique<kube::Informer>(
      *client, kube::Resource{"v1", "services", ns}, "",
      kube::InformerHandler{.changed =
                                [this, h](const std::string& key, const json& service) {
                                  h->services[key.substr(key.find('/') + 1)] =
                                      read_service(service);
                                  if (h->known) choose_in(*h);
                                },
                            .removed =
                                [this, h](const std::string& key) {
                                  h->services.erase(key.substr(key.find('/') + 1));
                                  if (h->known) choose_in(*h);
                                },
                            .in_step =
                                [this, h] {
                                  h->known = true;
                                  choose_in(*h);
                                },
                            .trouble =
                                [this, h](const kube::ApiError& error) {
                                  if (h->known || !h->unread.empty()) return;
                                  h->unread = error.message;
                                  choose_in(*h);
                                }});
  h->informer->start();
  return *h;
}

/// What kind of object the target is, by its API's own list; then the object.
void EndpointSlices::look(Variant& variant) {
  Variant* v = &variant;
  variant.call = variant.client->call(
      kube::kinds(variant.target.api_version), [this, v](const kube::ApiResult<json>& kinds) {
        v->call = kube::KubeClient::CallId::kNone;
        if (!kinds) return looked(*v, kinds.error().message);
        const std::string plural = kube::kinds_in(*kinds)[v->target.kind].plural;
        if (plural.empty()) return looked(*v, "no kind " + v->target.kind);
        v->call = v->client->call(
            kube::get({v->target.api_version, plural, v->target.ns}, v->target.name),
            [this, v](const kube::ApiResult<json>& object) {
              v->call = kube::KubeClient::CallId::kNone;
              if (!object) return looked(*v, object.error().message);
              v->pods.templates = pod_templates(*object);
              looked(*v, v->pods.templates.empty() ? "no labels of its pods are found in it" : "");
            });
      });
}

/// What was read before counts while it cannot be read again.
void EndpointSlices::looked(Variant& variant, const std::string& unread) {
  variant.asked = true;
  variant.pods.unread = unread;
  if (variant.home->known || !variant.home->unread.empty()) choose_in(*variant.home);
  const bool found = unread.empty() && !variant.choice.service.empty();
  variant.timer = loop_.after(found ? kLookAgain : kRetry, [this, v = &variant] { look(*v); });
}

/// Once all are known: one's pods say whether a Service is another's alone.
void EndpointSlices::choose_in(const Namespace& home) {
  std::vector<Variant*> here;
  for (auto& [key, variant] : variants_) {
    if (variant == nullptr || variant->home != &home) continue;
    if (!variant->asked) return;
    here.push_back(variant.get());
  }
  for (Variant* variant : here) choose(*variant);
}

void EndpointSlices::choose(Variant& variant) {
  ServiceChoice now{variant.target.name, "by its name: " + variant.home->unread};
  if (variant.home->known) {
    std::map<std::string, std::vector<kube::Labels>> others;
    for (const auto& [key, other] : variants_) {
      const bool beside =
          other != nullptr && other.get() != &variant && other->home == variant.home;
      if (beside && other->target.name != variant.target.name) {
        others[other->model + "/" + other->name] = other->pods.templates;
      }
    }
    now = choose_service(variant.pods, variant.home->services, others);
  }
  if (now == variant.choice) return;
  const bool another = now.service != variant.choice.service;
  variant.choice = now;
  net::log(net::Level::kInfo, "endpoint slices: the Service of a target",
           {{"model", variant.model},
            {"variant", variant.name},
            {"service", now.service.empty() ? "none" : now.service},
            {"detail", now.why}});
  if (another) follow_slices(variant);
}

// ---- its endpoints ----

void EndpointSlices::follow_slices(Variant& variant) {
  Variant* v = &variant;
  variant.follower.reset();
  variant.slices.clear();
  variant.in_step = false;
  variant.outage.reset();
  if (variant.choice.service.empty()) return;
  variant.follower = clusters_.shared().follow(
      variant.client, kube::Resource{"discovery.k8s.io/v1", "endpointslices", variant.target.ns},
      "kubernetes.io/service-name=" + variant.choice.service,
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
             v->outage.reset();
             tell(*v);
           },
       .trouble = [this, v](const kube::ApiError& error) { trouble(*v, error); }});
}

void EndpointSlices::not_followed(const Variant& variant, const std::string& why) {
  net::log(net::Level::kWarn,
           "endpoint slices cannot be followed: a lost leader is not made up for",
           {{"model", variant.model}, {"detail", why}});
}

/// Said for the first target alone of those that an API server leaves at once.
void EndpointSlices::trouble(Variant& variant, const kube::ApiError& error) {
  const kube::Resource slices{"discovery.k8s.io/v1", "endpointslices", variant.target.ns};
  if (variant.client->outages().join(variant.outage, "endpointslices", error, slices)) {
    not_followed(variant, error.message);
  }
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
