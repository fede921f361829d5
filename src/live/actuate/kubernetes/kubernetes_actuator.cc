#include "live/actuate/kubernetes/kubernetes_actuator.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "live/kube/json_parts.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using nlohmann::json;

Result<std::shared_ptr<kube::KubeClient>> client_of(kube::Clusters& clusters,
                                                    const spec::Variant& variant) {
  const auto* target = std::get_if<spec::KubernetesTarget>(&variant.target);
  if (target == nullptr) return fail("variant " + variant.name + ": not a kubernetes target");
  auto client = clusters.client({target->kubeconfig, target->context});
  if (!client) return fail(client.error().within("variant " + variant.name));
  return client;
}

}  // namespace

Result<std::unique_ptr<KubernetesActuator>> KubernetesActuator::create(KubernetesWorld world,
                                                                       KubernetesOptions options,
                                                                       const spec::Model& model,
                                                                       const spec::Variant& variant,
                                                                       ActuatorSink sink) {
  auto client = client_of(world.clusters, variant);
  if (!client) return fail(client.error());
  return std::unique_ptr<KubernetesActuator>(new KubernetesActuator(
      world, std::move(options), model.name, variant, std::move(*client), std::move(sink)));
}

KubernetesActuator::KubernetesActuator(KubernetesWorld world, KubernetesOptions options,
                                       std::string model, const spec::Variant& variant,
                                       std::shared_ptr<kube::KubeClient> client, ActuatorSink sink)
    : world_(world),
      options_(std::move(options)),
      model_(std::move(model)),
      variant_(variant),
      reporter_(world.loop, std::move(sink)),
      client_(std::move(client)),
      chance_(options_.informer.seed, "kubernetes." + model_ + "/" + variant.name) {}

KubernetesActuator::~KubernetesActuator() { forget(); }

/// Nothing that is under way will be heard of.
void KubernetesActuator::forget() {
  alive_ = std::make_shared<int>(0);
  follower_.reset();
  outage_.reset();
  for (auto* timer : {&retry_timer_, &look_timer_, &capacity_timer_}) {
    world_.loop.cancel(*timer);
    *timer = net::Loop::TimerId::kNone;
  }
  write_ = kube::KubeClient::CallId::kNone;
  working_ = looking_ = troubled_ = false;
}

kube::KubeClient::CallId KubernetesActuator::call(kube::ApiCall call,
                                                  std::function<void(Answer)> answered) {
  return client_->call(std::move(call), [alive = std::weak_ptr(alive_),
                                         answered = std::move(answered)](Answer answer) {
    if (!alive.expired()) answered(std::move(answer));
  });
}

void KubernetesActuator::adopt() {
  started_ = true;
  resolve();
}

/// Which collection holds the target: the API says how its kind is written in paths.
void KubernetesActuator::resolve() {
  call(kube::kinds(target().api_version), [this](Answer answer) {
    if (answer) return found(*answer);
    kube::ApiError error = answer.error();
    if (error.code == 404) {
      error.message = "apiVersion " + target().api_version + " is not served by " +
                      client_->access().server + "; is its CustomResourceDefinition installed?";
    }
    unresolved(error);
  });
}

void KubernetesActuator::found(const json& resources) {
  auto kinds = kube::kinds_in(resources);
  const kube::ServedAs mine = kinds[target().kind];
  if (!mine.scales) {
    std::string scalable;
    for (const auto& [kind, one] : kinds) {
      if (one.scales) scalable += (scalable.empty() ? "" : ", ") + kind;
    }
    const std::string lacks = mine.plural.empty() ? "no kind " : "no scale subresource of kind ";
    return unresolved(
        {.code = 404,
         .message = lacks + target().kind + " in " + target().api_version +
                    "; those with a scale there: " + (scalable.empty() ? "none" : scalable)});
  }
  resource_ = {target().api_version, mine.plural, target().ns};
  call(kube::get(resource_, target().name, "scale"), [this](Answer answer) {
    if (!answer) return unresolved(answer.error());
    follow(*answer);
  });
}

void KubernetesActuator::follow(const json& scale) {
  std::string selector = target().selector;
  if (selector.empty()) selector = kube::text(scale, "status", "selector");
  if (selector.empty()) {
    return unresolved({.code = 404,
                       .message = "the scale of " + target().kind + " " + target().name +
                                  " names no selector; give target.kubernetes.selector"});
  }
  failures_ = 0;
  selector_ = selector;
  follower_ = world_.clusters.shared().follow(
      client_, kube::Resource{"v1", "pods", target().ns}, selector,
      kube::InformerHandler{
          .changed = [this](const std::string& key, const json& pod) { seen(key, pod); },
          .removed = [this](const std::string& key) { removed(key); },
          .in_step = [this] { in_touch(); },
          .trouble = [this](const kube::ApiError& error) { cannot_follow(error); }},
      options_.informer);
  look_timer_ = world_.loop.after(
      Duration(
          static_cast<std::int64_t>(static_cast<double>(look_wait().count()) * chance_.uniform())),
      [this] { look(); });
}

/// The pods are known. Where the server was gone, a wait that grew meanwhile begins anew.
void KubernetesActuator::in_touch() {
  adopting_ = false;
  told_.clear();
  if (const auto all = kube::Outages::leave(outage_)) {
    net::log(net::Level::kInfo, "pods are followed again",
             {{"server", client_->access().server}, {"targets", std::to_string(*all)}});
  }
  if (std::exchange(troubled_, false) && retry_timer_ != net::Loop::TimerId::kNone) {
    failures_ = 0;
    world_.loop.cancel(retry_timer_);
    retry_later();
  }
  work();
}

void KubernetesActuator::cannot_follow(const kube::ApiError& error) {
  troubled_ = true;
  outage(error);
  // Without ever having seen the pods no number is written: say so to who waits for it.
  if (adopting_ && wanted_ >= 0) reporter_.applied({variant_.name, wanted_, 0, error.message});
}

/// A thousand targets lose their API server at once: the first of them says it.
void KubernetesActuator::outage(const kube::ApiError& error) {
  const kube::Resource pods{"v1", "pods", target().ns};
  if (!client_->outages().join(outage_, "pods", error, pods)) return;
  net::log(net::Level::kWarn,
           "pods cannot be followed; all are held as they were (said for the first target alone)",
           {{"model", model_}, {"variant", variant_.name}, {"error", error.message}});
}

void KubernetesActuator::unresolved(const kube::ApiError& error) {
  resource_.plural.clear();
  if (error.of_server()) {
    outage(error);
  } else if (std::exchange(told_, error.message) != error.message) {
    net::log(net::Level::kWarn, "target not found",
             {{"model", model_}, {"variant", variant_.name}, {"error", error.message}});
  }
  if (wanted_ >= 0) reporter_.applied({variant_.name, wanted_, 0, error.message});
  retry_timer_ = world_.loop.after(back_off(), [this] {
    retry_timer_ = net::Loop::TimerId::kNone;
    resolve();
  });
}

void KubernetesActuator::reload(const spec::Model& model, const spec::Variant& variant) {
  auto client = client_of(world_.clusters, variant);
  if (!client) {
    return net::log(net::Level::kError, "reload refused", {{"error", client.error().message}});
  }
  bool same = std::get<spec::KubernetesTarget>(variant.target) == target() && *client == client_;
  model_ = model.name;
  variant_ = variant;
  if (same || stopping_) return;
  client_ = std::move(*client);
  start_over();
}

/// Nothing that was known of the target holds.
void KubernetesActuator::start_over() {
  forget();
  for (auto& [key, pod] : pods_) end(pod);
  pods_.clear();
  ended_.clear();
  resource_ = {};
  in_force_ = -1;
  failures_ = 0;
  adopting_ = true;
  if (started_) resolve();
}

/// Deleted and made anew with other labels, its pods are others.
bool KubernetesActuator::selects_others(const json& scale) {
  const std::string now = kube::text(scale, "status", "selector");
  if (!target().selector.empty() || now.empty() || now == selector_) return false;
  net::log(net::Level::kWarn, "the target selects other pods now",
           {{"model", model_}, {"variant", variant_.name}, {"from", selector_}, {"to", now}});
  start_over();
  return true;
}

std::vector<ReplicaInfo> KubernetesActuator::replicas() const {
  std::vector<ReplicaInfo> out;
  for (const auto& [key, pod] : pods_) out.push_back(pod.info);
  return out;
}

void KubernetesActuator::shutdown(std::function<void()> done) {
  stopping_ = true;
  forget();
  for (auto& [key, pod] : pods_) end(pod);
  pods_.clear();
  reporter_.tell(std::move(done));
}

}  // namespace tidegate::live
