#include "live/rpc/server_credentials.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

namespace tidegate::live::rpc {

std::shared_ptr<grpc::ServerCredentials> server_credentials(const ServerTls& tls) {
  if (!tls.on()) return grpc::InsecureServerCredentials();
  namespace x = grpc::experimental;
  x::TlsServerCredentialsOptions options(std::make_shared<x::FileWatcherCertificateProvider>(
      tls.key_file, tls.certificate_file, tls.client_ca_file, tls.reload_seconds));
  options.watch_identity_key_cert_pairs();
  if (!tls.client_ca_file.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return x::TlsServerCredentials(options);
}

}  // namespace tidegate::live::rpc
