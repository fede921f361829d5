#pragma once
// The gateway's own port, with TLS where `options` names a certificate: of every role that has one.
// Thread-safety: the loop's thread.

#include "live/gateway/gateway.h"
#include "live/run/run_options.h"

namespace tidegate::live {

/// Where it listens now.
Result<net::Address> listen(Gateway& gateway, const RunOptions& options);

}  // namespace tidegate::live
