#pragma once
// Whom the cluster lets speak, as it tells every server behind its aggregator: ConfigMap
// kube-system/extension-apiserver-authentication.
//
//   TrustFollower follower(client);           // reads it now and each kPeriod
//   if (follower.known()) ...                 // nullptr until it was read once
//   auto who = by_certificate(chain, headers, *follower.known(), wall_now);
//
// The front proxy (the API server itself) is known by its certificate and names the caller in
// headers; without that certificate those headers say nothing. Others are known by a certificate of
// the cluster's client CA. A map that cannot be read any more leaves the last one in place.
// Thread-safety: the loop's thread. Source: k8s.io/apiserver authentication/request/headerrequest,
// .../x509.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "live/kube/client.h"
#include "live/net/http.h"
#include "live/net/tls/certificates.h"

namespace tidegate::live::external_metrics {

/// Who asks, as authorization is asked about.
struct Caller {
  std::string name, uid;
  std::vector<std::string> groups;
  std::vector<std::pair<std::string, std::vector<std::string>>> extra;  ///< by key, in order
  bool operator==(const Caller&) const = default;
};

struct ClusterTrust {
  net::CaSet clients, front_proxies;
  std::vector<std::string> allowed_names;  ///< of front proxies; empty: any that the CA signs
  std::vector<std::string> user_headers, uid_headers, group_headers, extra_prefixes;
};
/// From the ConfigMap; an error says which key is wrong and how.
Result<ClusterTrust> read_trust(const nlohmann::json& config_map);

/// Nobody: no certificate that counts; `why` says it where one was shown.
std::optional<Caller> by_certificate(const net::CertificateChain& chain,
                                     const net::Headers& headers, const ClusterTrust& trust,
                                     WallTime now, std::string& why);

class TrustFollower {
 public:
  static constexpr Duration kPeriod = seconds(60);
  static constexpr Duration kRetry = seconds(5);  ///< until it was read once
  explicit TrustFollower(std::shared_ptr<kube::KubeClient> client, Duration period = kPeriod);
  ~TrustFollower();
  TrustFollower(const TrustFollower&) = delete;
  TrustFollower& operator=(const TrustFollower&) = delete;

  const ClusterTrust* known() const { return known_ ? &*known_ : nullptr; }
  const std::string& trouble() const { return trouble_; }  ///< empty: read well last time

 private:
  void read();
  void took(const kube::ApiResult<nlohmann::json>& answer);

  std::shared_ptr<kube::KubeClient> client_;
  Duration period_;
  std::optional<ClusterTrust> known_;
  std::string trouble_;
  kube::KubeClient::CallId call_ = kube::KubeClient::CallId::kNone;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
};

}  // namespace tidegate::live::external_metrics
