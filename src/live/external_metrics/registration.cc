#include "live/external_metrics/registration.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "live/external_metrics/samples.h"
#include "live/kube/json_parts.h"
#include "live/net/log.h"

namespace tidegate::live::external_metrics {
namespace {

using net::Level;
using nlohmann::json;

const kube::Resource kApiServices{"apiregistration.k8s.io/v1", "apiservices", ""};

/// "ns/name" of the Service an APIService leads to; empty: it is served by the API server itself.
std::string service_of(const json& object) {
  const json& service = kube::part(object, "spec", "service");
  if (!service.is_object()) return "";
  return kube::text(service, "namespace") + "/" + kube::text(service, "name");
}

}  // namespace

json api_service(const ServiceName& service, const std::string& ca_pem) {
  return {
      {"apiVersion", "apiregistration.k8s.io/v1"},
      {"kind", "APIService"},
      {"metadata",
       {{"name", kApiServiceName}, {"labels", {{"app.kubernetes.io/managed-by", "tidegate"}}}}},
      {"spec",
       {{"group", kGroup},
        {"version", kVersion},
        {"groupPriorityMinimum", 100},
        {"versionPriority", 100},
        {"caBundle", kube::encode_base64(ca_pem)},
        {"service", {{"namespace", service.ns}, {"name", service.name}, {"port", service.port}}}}}};
}

Registration::Registration(std::shared_ptr<kube::KubeClient> client, ServiceName service,
                           CaPem ca_pem, Duration period)
    : client_(std::move(client)),
      service_(std::move(service)),
      ca_pem_(std::move(ca_pem)),
      period_(period) {
  look();
}

Registration::~Registration() {
  client_->cancel(call_);
  client_->loop().cancel(timer_);
}

void Registration::look_after(Duration wait) {
  timer_ = client_->loop().after(wait, [this] { look(); });
}

void Registration::look() {
  timer_ = net::Loop::TimerId::kNone;
  call_ = client_->call(kube::get(kApiServices, kApiServiceName),
                        [this](const kube::ApiResult<json>& answer) {
                          call_ = kube::KubeClient::CallId::kNone;
                          if (answer) return found(*answer);
                          answer.error().code == 404 ? missing() : failed(answer.error());
                        });
}

void Registration::found(const json& object) {
  const std::string owner = service_of(object);
  if (owner != service_.ns + "/" + service_.name) {
    become(Standing::kForeign, owner.empty() ? "the API server itself" : owner);
    return look_after(period_);
  }
  become(Standing::kOurs, "");
  const std::string ca_pem = ca_pem_();
  if (service_.write == Write::kNo || ca_pem.empty()) return look_after(period_);
  const json wanted = api_service(service_, ca_pem);
  const json& spec = object["spec"];
  const bool same = spec.value("caBundle", "") == wanted["spec"]["caBundle"] &&
                    spec["service"].value("port", 443) == service_.port;
  if (same) return look_after(period_);
  // Onto the version that was read: whoever has taken it over in between keeps it.
  json change = {
      {"metadata", {{"resourceVersion", object["metadata"].value("resourceVersion", "")}}},
      {"spec",
       {{"caBundle", wanted["spec"]["caBundle"]},
        {"insecureSkipTLSVerify", nullptr},
        {"service", wanted["spec"]["service"]}}}};
  write(kube::patch(kApiServices, kApiServiceName, kube::PatchType::kMerge, change));
}

void Registration::missing() {
  if (service_.write == Write::kYes) {
    const std::string ca_pem = ca_pem_();
    if (ca_pem.empty()) return look_after(std::min(period_, kRetry));
    return write(kube::create(kApiServices, api_service(service_, ca_pem)));
  }
  become(Standing::kNone, "");
  look_after(period_);
}

void Registration::write(kube::ApiCall call) {
  call_ = client_->call(std::move(call), [this](const kube::ApiResult<json>& answer) {
    call_ = kube::KubeClient::CallId::kNone;
    if (!answer) return failed(answer.error());
    trouble_.clear();
    net::log(Level::kInfo, "APIService written",
             {{"name", kApiServiceName}, {"service", service_.ns + "/" + service_.name}});
    become(Standing::kOurs, "");
    look_after(period_);
  });
}

void Registration::failed(const kube::ApiError& error) {
  if (error.message != trouble_) {
    net::log(Level::kWarn, "APIService: who serves external metrics is not known",
             {{"name", kApiServiceName}, {"cause", error.message}});
  }
  trouble_ = error.message;
  look_after(std::min(period_, kRetry));
}

void Registration::become(Standing standing, const std::string& owner) {
  if (standing == standing_ && owner == owner_) return;
  standing_ = standing;
  owner_ = owner;
  const std::string name = kApiServiceName;
  switch (standing) {
    case Standing::kUnknown:
      return;
    case Standing::kForeign:
      return net::log(Level::kWarn,
                      "external.metrics.k8s.io is served by somebody else: HPAs do not ask us, and "
                      "it is not taken over; use KEDA's external scaler or a Prometheus adapter",
                      {{"apiService", name}, {"servedBy", owner}});
    case Standing::kNone:
      return net::log(Level::kWarn,
                      "no APIService leads to us: apply one, or start with "
                      "--register-external-metrics",
                      {{"apiService", name}, {"service", service_.ns + "/" + service_.name}});
    case Standing::kOurs:
      return net::log(Level::kInfo, "external.metrics.k8s.io leads to us",
                      {{"apiService", name}, {"service", service_.ns + "/" + service_.name}});
  }
}

}  // namespace tidegate::live::external_metrics
