#pragma once
// tls.h as gRPC takes it. A part of client.cc, with gRPC in it: nobody else includes
// it. One of them serves any number of channels, and has a thread that looks at the files.

#include <grpcpp/grpcpp.h>

#include <memory>

#include "live/fleet_link/tls.h"

namespace tidegate::live::link {

/// Of files that check() has seen.
std::shared_ptr<grpc::ChannelCredentials> credentials(const ClientTls& tls);
/// For a server that shows this certificate, of its own making; empty: plaintext.
std::shared_ptr<grpc::ChannelCredentials> vouched_for(const std::string& certificate_pem);

}  // namespace tidegate::live::link
