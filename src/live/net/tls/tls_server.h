#pragma once
// TLS of a server, without sockets: bytes off the wire in, bytes for the wire out.
//
//   auto tls = TlsServer::create({.certificate_file = "tls.crt", .key_file = "tls.key"}).value();
//   auto stream = tls->accept();
//   auto state = stream->receive(bytes_read, plain, to_send);
//
// TLS 1.2 and 1.3, ALPN http/1.1 alone, no renegotiation, no compression, no early data. Where a
// client certificate is asked for, none is needed and none refused here: its owner has proven to
// hold the key, and client_subject() says whose word that is; sessions are not resumed then, so
// each handshake shows it anew. Errors carry OpenSSL's reason, never a secret. Bounds: a peer's
// chain kMaxPeerChain, records 16 KiB; the time a handshake may take is the connection's to keep
// (TlsOptions).
// Thread-safety: one owner. Source: RFC 8446, RFC 5246, RFC 7301.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"
#include "live/net/tls/certificates.h"

namespace tidegate::net {

enum class AskClient : std::uint8_t { kNo, kForCertificate };

struct TlsOptions {
  std::string certificate_file, key_file;  ///< PEM, leaf first; read again as they change
  KeyPair pair;                            ///< instead of files
  AskClient ask = AskClient::kNo;
  Duration handshake_timeout = seconds(10);
};

/// One connection.
class TlsStream {
 public:
  enum class State : std::uint8_t {
    kHandshake,
    kOpen,
    kEnded,  ///< the peer said that it sends no more
    kFailed  ///< what is to be sent holds the alert; nothing else goes
  };
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// Appends what arrived to `plain` and what has to be answered to `wire`.
  State receive(std::string_view bytes, std::string& plain, std::string& wire);
  /// Only while open. Appends to `wire`.
  void send(std::string_view plain, std::string& wire);
  /// Says that we send no more.
  void end(std::string& wire);
  State state() const { return state_; }
  const std::string& error() const { return error_; }  ///< of kFailed
  /// What the peer showed; empty: nothing.
  CertificateChain peer_chain() const;

 private:
  friend class TlsServer;
  struct Session;
  explicit TlsStream(std::unique_ptr<Session> session);
  State failed(std::string& wire);

  std::unique_ptr<Session> session_;
  State state_ = State::kHandshake;
  std::string error_;
};

class TlsServer {
 public:
  static constexpr std::size_t kMaxPeerChain = 32 << 10;
  static constexpr Duration kLookPeriod = seconds(1);
  /// An error names the file and what is wrong with it.
  static Result<std::shared_ptr<TlsServer>> create(TlsOptions options);
  ~TlsServer();

  enum class Look : std::uint8_t { kSame, kReadAgain };
  /// Looks at most each kLookPeriod whether the files have changed; new connections get the new
  /// certificate. One that cannot be used is told once and the old one stays.
  Result<Look> look(Instant now);
  std::unique_ptr<TlsStream> accept();
  const TlsOptions& options() const { return options_; }
  const std::string& certificate_pem() const { return certificate_pem_; }

 private:
  struct Context;
  explicit TlsServer(TlsOptions options);
  Result<void> load();
  std::string stamps() const;

  TlsOptions options_;
  std::unique_ptr<Context> context_;
  std::string certificate_pem_;
  std::string stamps_;  ///< of the files as read or refused last
  Instant looked_ = Instant::from_nanos(0);
};

}  // namespace tidegate::net
