#pragma once
// TLS of the stream between gateways and controllers: which files, and whether they are usable.
//
//   if (auto usable = check(client_tls); !usable) return usable;      // names flag, file and fault
//
// The controller shows a certificate; a gateway takes the CA's (or that certificate itself) and
// the name it was told in --leader, also where that name has many addresses. With a client CA a
// gateway must show a certificate as well. Files are looked at as live/rpc/server_tls.h says.
// Thread-safety: values and functions.

#include <string>

#include "core/base/result.h"
#include "live/rpc/server_tls.h"

namespace tidegate::live::link {

using rpc::ServerTls;  ///< of a controller: --gateway-tls-*

/// Of a gateway: --leader-tls-*. PEM files; all empty: plaintext.
struct ClientTls {
  std::string ca_file;
  std::string certificate_file, key_file;  ///< where the controller asks for one
  unsigned reload_seconds = rpc::kReloadSeconds;
  bool on() const { return !ca_file.empty(); }
};

Result<void> check(const ClientTls& tls);

}  // namespace tidegate::live::link
