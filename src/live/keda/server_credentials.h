#pragma once
// Credentials of a gRPC server whose files are looked at while it runs: the KEDA scaler's, and
// those of the stream to gateways (live/fleet_link). With gRPC in it: for .cc files that have it
// already.
//
//   builder.AddListeningPort(address, server_credentials(files, 60), &port);
//
// Plaintext without a certificate; with a client CA callers must show one. Has a thread that looks
// at the files. Source: gRPC, TlsServerCredentials, FileWatcherCertificateProvider. Thread-safety:
// a function.

#include <grpcpp/grpcpp.h>

#include <memory>

#include "live/keda/scaler.h"

namespace tidegate::live::keda {

/// Of files that probe_files() has seen.
std::shared_ptr<grpc::ServerCredentials> server_credentials(const ScalerTls& files,
                                                            unsigned reload_seconds);

}  // namespace tidegate::live::keda
