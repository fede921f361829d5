#include "live/run/gateway_listen.h"

#include "live/net/tls/tls_server.h"

namespace tidegate::live {

Result<net::Address> listen(Gateway& gateway, const RunOptions& options) {
  std::shared_ptr<net::TlsServer> tls;
  if (!options.gateway_certificate.empty()) {
    auto made = net::TlsServer::create(
        {.certificate_file = options.gateway_certificate, .key_file = options.gateway_key});
    if (!made) return fail(made.error().within("gateway"));
    tls = std::move(*made);
  }
  auto bound = gateway.listen(options.gateway, std::move(tls));
  if (!bound) return fail(bound.error().within("gateway"));
  return *bound;
}

}  // namespace tidegate::live
