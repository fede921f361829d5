#pragma once
// Server: external.metrics.k8s.io for HPA, behind the API server's aggregator. HTTPS; who asks and
// whether he may is the cluster's word.
//
//   Server server(loop, client, source);
//   Address bound = server.listen({"0.0.0.0", 8443}, tls).value();   // tls asks for certificates
//
//   GET /apis, /apis/external.metrics.k8s.io[/v1beta1], /openapi/v2, /openapi/v3     discovery
//   GET /apis/external.metrics.k8s.io/v1beta1/namespaces/NS/METRIC?labelSelector=    values
//   GET /healthz, /livez, /readyz          without asking who; ready once the cluster's CAs are known
//
// Callers are known by front proxy, client certificate or bearer token, in this order; each path
// but the probes needs the right to it (SubjectAccessReview). 401 and 403 are Status objects and
// are logged once a kTellAgain. A caller who cannot be checked gets 503, never an answer. Bounds:
// kMaxConnections, heads and bodies as below.
// Values are the leader's: where another process leads, it is asked (leader.h).
// Thread-safety: the loop's thread. Source: k8s.io/apiserver DelegatingAuthenticationOptions.

#include <functional>
#include <memory>
#include <string>

#include "live/external_metrics/leader.h"
#include "live/external_metrics/reviews.h"
#include "live/external_metrics/samples.h"
#include "live/external_metrics/trust.h"
#include "live/net/http_server.h"
#include "live/net/tls/tls_server.h"

namespace tidegate::live::external_metrics {

class Server {
 public:
  static constexpr std::size_t kMaxConnections = 256;
  static constexpr std::size_t kMaxHead = 32 << 10;
  static constexpr std::size_t kMaxBody = 4 << 10;  ///< nobody has anything to send
  static constexpr Duration kTellAgain = seconds(60);

  Server(net::Loop& loop, const std::shared_ptr<kube::KubeClient>& client, Source source,
         Leadership leadership = {});
  Result<net::Address> listen(const net::Address& address, std::shared_ptr<net::TlsServer> tls);
  void drain() { http_.drain(); }
  /// Callers can be told apart.
  bool ready() const { return trust_.known() != nullptr; }

 private:
  void handle(const net::ExchangePtr& exchange);
  bool probe(const net::ExchangePtr& exchange) const;
  void authenticate(const net::ExchangePtr& exchange, const Reviews::Known& known);
  void serve(const net::ExchangePtr& exchange, const Asked& asked);
  void values(const net::ExchangePtr& exchange, const Asked& asked);
  void refuse(const net::ExchangePtr& exchange, const Status& status);

  net::Loop& loop_;
  Source source_;
  TrustFollower trust_;
  Reviews reviews_;
  LeaderDesk desk_;
  Instant told_ = Instant::from_nanos(0);  ///< a refusal, last
  net::HttpServer http_;
};

}  // namespace tidegate::live::external_metrics
