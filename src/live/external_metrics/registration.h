#pragma once
// Registration: who serves external.metrics.k8s.io in this cluster. There is one APIService of that
// name, and it may be KEDA's or another adapter's: it is never taken over.
//
//   Registration registration(client, {.ns = "serve", .name = "tidegate", .write = Write::kYes},
//                             [] { return ca_pem; });
//
// Looks at the start and each kPeriod, and tells each change of standing once. With Write::kYes it
// makes the APIService where there is none, and keeps ours (the same service) up to date with port
// and CA. It is not removed when we stop: a restart finds it again. Thread-safety: the loop's
// thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "live/external_metrics/options.h"
#include "live/kube/client.h"

namespace tidegate::live::external_metrics {

inline constexpr const char* kApiServiceName = "v1beta1.external.metrics.k8s.io";

/// The Service that leads to us.
struct ServiceName {
  std::string ns, name;
  std::int64_t port = 443;
  Write write = Write::kNo;
};

enum class Standing : std::uint8_t {
  kUnknown,  ///< the API server did not say
  kNone,     ///< nobody serves it
  kOurs,
  kForeign
};

/// What we write; `ca_pem`: what the API server is to trust.
nlohmann::json api_service(const ServiceName& service, const std::string& ca_pem);

class Registration {
 public:
  static constexpr Duration kPeriod = seconds(60);
  static constexpr Duration kRetry = seconds(5);
  /// Empty: it is not ours to write now, another Tidegate leads.
  using CaPem = std::function<std::string()>;
  Registration(std::shared_ptr<kube::KubeClient> client, ServiceName service, CaPem ca_pem,
               Duration period = kPeriod);
  ~Registration();
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  Standing standing() const { return standing_; }
  /// "keda/keda-operator-metrics-apiserver", while it is foreign.
  const std::string& owner() const { return owner_; }

 private:
  void look();
  void found(const nlohmann::json& object);
  void missing();
  void write(kube::ApiCall call);
  void failed(const kube::ApiError& error);
  void become(Standing standing, const std::string& owner);
  void look_after(Duration wait);

  std::shared_ptr<kube::KubeClient> client_;
  ServiceName service_;
  CaPem ca_pem_;
  Duration period_;
  Standing standing_ = Standing::kUnknown;
  std::string owner_, trouble_;
  kube::KubeClient::CallId call_ = kube::KubeClient::CallId::kNone;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
};

}  // namespace tidegate::live::external_metrics
