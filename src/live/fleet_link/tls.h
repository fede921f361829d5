#pragma once
// TLS of the stream between gateways and controllers: which files, and whether they are usable.
//
//   if (auto usable = check(server_tls); !usable) return usable;      // names flag, file and fault
//
// The controller shows a certificate; a gateway takes the CA's (or that certificate itself) and
// the name it was told in --leader, also where that name has many addresses. With a client CA a
// gateway must show a certificate as well. Files are looked at each kReload: a stream that is open
// goes on, the next one has what is new; half a renewal leaves the old. TLS 1.2 and 1.3. Source:
// gRPC, TlsServerCredentials, FileWatcherCertificateProvider. Thread-safety: values and functions.

#include <string>

#include "core/base/result.h"

namespace tidegate::live::link {

inline constexpr unsigned kReloadSeconds = 10;

/// Of a controller: --gateway-tls-*. PEM files; all empty: plaintext.
struct ServerTls {
  std::string certificate_file, key_file, client_ca_file;
  unsigned reload_seconds = kReloadSeconds;
  bool on() const { return !certificate_file.empty(); }
};

/// Of a gateway: --leader-tls-*. PEM files; all empty: plaintext.
struct ClientTls {
  std::string ca_file;
  std::string certificate_file, key_file;  ///< where the controller asks for one
  unsigned reload_seconds = kReloadSeconds;
  bool on() const { return !ca_file.empty(); }
};

Result<void> check(const ServerTls& tls);
Result<void> check(const ClientTls& tls);

}  // namespace tidegate::live::link
