#pragma once
// TLS of a gRPC server of ours: which files, whether they are usable, and whether the address is.
// gRPC itself would say no more than that it failed.
//
//   if (auto usable = check(tls, "--keda-tls"); !usable) return usable;   // names flag, file, fault
//   if (auto free = can_listen(address); !free) return free;
//
// Files are looked at each reload_seconds: a connection that is open goes on, the next one has what
// is new; half a renewal leaves the old. Thread-safety: functions of the file system and of one
// socket that is closed again.

#include <string>

#include "core/base/result.h"
#include "live/net/http.h"

namespace tidegate::live::rpc {

inline constexpr unsigned kReloadSeconds = 10;

/// PEM files; all empty: plaintext. A client CA asks callers for a certificate of it.
struct ServerTls {
  std::string certificate_file, key_file, client_ca_file;
  unsigned reload_seconds = kReloadSeconds;
  bool on() const { return !certificate_file.empty(); }
};

/// `flags` is what their flags begin with: "--keda-tls".
Result<void> check(const ServerTls& tls, const std::string& flags);
/// A file of CA certificates, as the flag names it.
Result<void> check_authorities(const std::string& flag, const std::string& file);
Result<void> can_listen(const net::Address& address);

}  // namespace tidegate::live::rpc
