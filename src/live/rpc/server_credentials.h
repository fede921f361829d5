#pragma once
// server_tls.h as gRPC takes it. With gRPC in it: for .cc files that have it already.
//
//   builder.AddListeningPort(address, server_credentials(tls), &port);
//
// Plaintext without a certificate; with a client CA callers must show one. Has a thread that looks
// at the files. TLS 1.2 and 1.3. Source: gRPC, TlsServerCredentials,
// FileWatcherCertificateProvider. Thread-safety: a function.

#include <grpcpp/grpcpp.h>

#include <memory>

#include "live/rpc/server_tls.h"

namespace tidegate::live::rpc {

/// Of files that check() has seen.
std::shared_ptr<grpc::ServerCredentials> server_credentials(const ServerTls& tls);

}  // namespace tidegate::live::rpc
