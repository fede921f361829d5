#include "live/fleet_link/tls.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <memory>

#include "live/fleet_link/tls_credentials.h"

namespace tidegate::live::link {

Result<void> check(const ClientTls& tls) {
  if (!tls.on()) {
    if (tls.certificate_file.empty() && tls.key_file.empty()) return {};
    return fail("--leader-tls-cert and --leader-tls-key need --leader-tls-ca beside them");
  }
  if (auto pair = rpc::check({tls.certificate_file, tls.key_file, ""}, "--leader-tls"); !pair) {
    return pair;
  }
  return rpc::check_authorities("--leader-tls-ca", tls.ca_file);
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
