#include "live/fleet_link/tls.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <memory>

#include "live/fleet_link/tls_credentials.h"
#include "live/keda/probe.h"

namespace tidegate::live::link {
namespace {

namespace x = grpc::experimental;

std::shared_ptr<x::FileWatcherCertificateProvider> watch(const std::string& key,
                                                         const std::string& certificate,
                                                         const std::string& ca,
                                                         unsigned reload_seconds) {
  return std::make_shared<x::FileWatcherCertificateProvider>(key, certificate, ca, reload_seconds);
}

}  // namespace

Result<void> check(const ServerTls& tls) {
  return keda::probe_files({tls.certificate_file, tls.key_file, tls.client_ca_file},
                           "--gateway-tls");
}

Result<void> check(const ClientTls& tls) {
  if (!tls.on()) {
    if (tls.certificate_file.empty() && tls.key_file.empty()) return {};
    return fail("--leader-tls-cert and --leader-tls-key need --leader-tls-ca beside them");
  }
  if (auto pair = keda::probe_files({tls.certificate_file, tls.key_file, ""}, "--leader-tls");
      !pair) {
    return pair;
  }
  return keda::probe_authorities("--leader-tls-ca", tls.ca_file);
}

std::shared_ptr<grpc::ServerCredentials> credentials(const ServerTls& tls) {
  if (!tls.on()) return grpc::InsecureServerCredentials();
  x::TlsServerCredentialsOptions options(
      watch(tls.key_file, tls.certificate_file, tls.client_ca_file, tls.reload_seconds));
  options.watch_identity_key_cert_pairs();
  if (!tls.client_ca_file.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return x::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> credentials(const ClientTls& tls) {
  if (!tls.on()) return grpc::InsecureChannelCredentials();
  x::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      watch(tls.key_file, tls.certificate_file, tls.ca_file, tls.reload_seconds));
  options.watch_root_certs();
  if (!tls.certificate_file.empty()) options.watch_identity_key_cert_pairs();
  return x::TlsCredentials(options);
}

}  // namespace tidegate::live::link
