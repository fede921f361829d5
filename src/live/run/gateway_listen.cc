#include "live/run/gateway_listen.h"

#include <random>

#include "live/net/tls/tls_server.h"
#include "live/run/host_name.h"

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
  if (!bound) return fail(bound.error().within("--listen"));
  return *bound;
}

link::FollowerOptions follower_options(const RunOptions& options, const net::Address& at) {
  std::random_device device;
  const std::uint64_t high = device();
  link::FollowerOptions out;
  out.leaders = options.leaders;
  out.token = options.link_token;
  out.tls = options.leaders_tls;
  out.name = net::Address{host_name(), at.port}.text();
  out.version = TIDEGATE_VERSION;
  out.incarnation = high << 32 | device() | 1;
  return out;
}

}  // namespace tidegate::live
