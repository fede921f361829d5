#pragma once
// The address of this machine (in a pod: the pod's) that others of the cluster reach it at.
//
//   auto host = own_host({"0.0.0.0", 8443}, "https://10.96.0.1:443");   // "10.244.1.7"
//
// Where it listens at one address it is that; else the one from which it reaches the API server, by
// the routing table: nothing is sent. May wait for a name to be resolved: for the start alone.
// Thread-safety: a function.

#include <string>

#include "core/base/result.h"
#include "live/net/http.h"

namespace tidegate::live {

Result<std::string> own_host(const net::Address& listen, const std::string& server_url);

}  // namespace tidegate::live
