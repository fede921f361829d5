#include "live/fleet_link/tls.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <memory>

#include "live/fleet_link/tls_credentials.h"
#include "live/keda/probe.h"
#include "live/keda/server_credentials.h"

namespace tidegate::live::link {
namespace {

keda::ScalerTls files_of(const ServerTls& tls) {
  return {tls.certificate_file, tls.key_file, tls.client_ca_file};
}

}  // namespace

Result<void> check(const ServerTls& tls) {
  return keda::probe_files(files_of(tls), "--gateway-tls");
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
  return keda::server_credentials(files_of(tls), tls.reload_seconds);
}

std::shared_ptr<grpc::ChannelCredentials> credentials(const ClientTls& tls) {
  if (!tls.on()) return grpc::InsecureChannelCredentials();
  namespace x = grpc::experimental;
  x::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(std::make_shared<x::FileWatcherCertificateProvider>(
      tls.key_file, tls.certificate_file, tls.ca_file, tls.reload_seconds));
  options.watch_root_certs();
  if (!tls.certificate_file.empty()) options.watch_identity_key_cert_pairs();
  return x::TlsCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> vouched_for(const std::string& certificate_pem) {
  if (certificate_pem.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = certificate_pem;
  return grpc::SslCredentials(options);
}

}  // namespace tidegate::live::link
