#pragma once
// The gateway's own port, with TLS where `options` names a certificate, and how it introduces
// itself to who leads: of every role that has one. Thread-safety: the loop's thread.

#include "live/fleet_link/follower.h"
#include "live/gateway/gateway.h"
#include "live/run/run_options.h"

namespace tidegate::live {

/// Where it listens now.
Result<net::Address> listen(Gateway& gateway, const RunOptions& options);
/// `at`: where it listens. Of this process: who comes back under another name is another.
link::FollowerOptions follower_options(const RunOptions& options, const net::Address& at);

}  // namespace tidegate::live
