#pragma once
// What the parts of the HTTP server share: one ServerCore a server, one ServerConnection a socket,
// one ServerExchange a request. Internal to live/net.
//
// Lifetimes: the core lives as long as any of the others. A connection is in core.connections from
// accept to close(); close() keeps it alive until the end of the batch, so its methods may close it
// under their own feet. Connection and exchange point at each other with bare pointers; whichever
// ends first tells the other. Thread-safety: the loop's thread.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "live/net/deadline.h"
#include "live/net/http1_chunks.h"
#include "live/net/http1_head.h"
#include "live/net/http_server.h"
#include "live/net/tls/tls_server.h"

namespace tidegate::net::http1 {

class ServerConnection;
class ServerExchange;

struct ServerCore {
  ServerCore(Loop& on, Limits with, HttpServer::Handler call)
      : loop(on), limits(with), handler(std::move(call)) {}

  Loop& loop;
  Limits limits;
  const HttpServer::Handler handler;
  std::unordered_map<ServerConnection*, std::shared_ptr<ServerConnection>> connections;
  std::vector<std::shared_ptr<ServerConnection>> dirty;  // to flush at the end of this batch
  std::size_t buffered_bytes = 0;                        // of bodies being read
  std::size_t open_exchanges = 0;
  bool draining = false;
  bool parting = false;  // each connection ends with its next answer
  bool shut = false;     // the HttpServer is gone: no callback leaves any more
  std::array<char, 64 << 10> read_buffer;
  std::string head_buffer;
  std::string plain_buffer;  // as read over TLS
  std::string clear_buffer;  // to be sent over TLS

  /// "Sun, 06 Nov 1994 08:49:37 GMT", read at most once a second.
  std::string_view date();

 private:
  std::string date_;
  Instant date_read_ = Instant::from_nanos(0);
};

/// One socket: reads requests one after another, sends bytes, keeps the time-outs.
class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
 public:
  /// Batches of writes up to this size leave together at the end of the loop's batch.
  static constexpr std::size_t kFlushBytes = 32 << 10;
  /// After a refusal the client may still be sending: its bytes are read and dropped so that it
  /// gets to see the answer (a reset would wipe it out), for at most this long.
  static constexpr Duration kLinger = seconds(10);

  ServerConnection(std::shared_ptr<ServerCore> core, int fd, std::string peer,
                   std::unique_ptr<TlsStream> tls, Duration handshake_timeout);
  ~ServerConnection();
  Result<void> open();
  void close();
  /// The server drains: goes now if nothing is under way.
  void drain();

  // For the exchange.
  const std::string& peer() const { return peer_; }
  const std::shared_ptr<const CertificateChain>& client_certificates() const { return client_; }
  std::size_t unsent() const { return out_.size() - out_at_; }
  /// Sends head and body at once; what the socket does not take is kept.
  void send(std::string_view first, std::string_view second);
  /// Appends to what is sent at the end of this batch.
  void queue(std::string_view bytes);
  void flush();
  enum class Next : std::uint8_t { kKeepAlive, kClose };
  void response_done(Next next);
  /// Breaks the connection; `reset` also where a plain close would look like a proper end.
  enum class Break : std::uint8_t { kClose, kReset };
  void break_off(Break how);

 private:
  enum class Phase : std::uint8_t {
    kHandshake,
    kHead,
    kBody,
    kHandling,
    kFlushing,
    kLinger,
    kClosed
  };

  void on_event(std::uint32_t events);
  void on_readable();
  void on_expired();
  void take(std::string_view bytes);
  std::size_t consume(std::string_view bytes);
  /// Each returns how much it used; progress stops when it used nothing and the phase stays.
  std::size_t consume_head(std::string_view bytes);
  std::size_t consume_body(std::string_view bytes);
  void head_complete(bool more_follows);
  bool grow_body(std::string_view bytes);
  void dispatch();
  void refuse(int status, std::string_view message);
  void flushed();
  void next_request();
  void linger();
  void update_interest();
  void release_body_bytes();
  // Over TLS (http_server_tls.cc).
  void take_sealed(std::string_view bytes);
  void handshake_done();
  /// Encrypts what out_ holds in clear.
  void seal();
  void say_end();

  std::shared_ptr<ServerCore> core_;
  int fd_;
  std::string peer_;
  Phase phase_ = Phase::kHead;
  Deadline deadline_;
  ServerExchange* exchange_ = nullptr;

  std::string input_;  // read and not yet consumed
  bool consuming_ = false;
  bool input_paused_ = false;  // bytes arrived that must wait for the answer under way
  bool half_closed_ = false;
  bool head_begun_ = false;
  HeadScanner scanner_;
  Request request_;
  Framing framing_;
  ChunkReader chunks_;
  std::uint64_t body_left_ = 0;
  std::size_t counted_bytes_ = 0;  // this connection's part of core.buffered_bytes

  std::string out_;
  std::size_t out_at_ = 0;
  bool blocked_ = false;  // the socket took less than all: waits for EPOLLOUT
  bool dirty_ = false;
  bool close_after_ = false;

  std::unique_ptr<TlsStream> tls_;  // or none
  Duration handshake_timeout_;
  std::size_t sealed_ = 0;  // out_ is ready for the wire up to here, and in clear beyond
  std::shared_ptr<const CertificateChain> client_;
};

/// One request and its response: turns respond/start/write/finish into bytes.
class ServerExchange final : public Exchange, public std::enable_shared_from_this<ServerExchange> {
 public:
  ServerExchange(std::shared_ptr<ServerCore> core, ServerConnection* connection, Request request,
                 const Framing& framing);
  ~ServerExchange() override;
  const Request& request() const override { return request_; }
  std::string take_body() override { return std::move(request_.body); }
  std::string_view peer() const override { return peer_; }
  const std::vector<std::string>& client_certificates() const override;
  void respond(int status, const Headers& headers, std::string_view body) override;
  void start(int status, const Headers& headers) override;
  bool started() const override { return started_; }
  bool write(std::string_view bytes) override;
  void finish() override;
  void abort() override;
  bool closed() const override { return closed_; }
  void on_closed(std::function<void()> callback) override;
  void on_writable(std::function<void()> callback) override;

  // For the connection.
  void connection_closed();
  void connection_writable();

 private:
  enum class BodyKind : std::uint8_t { kNone, kLength, kChunked, kUntilClose };
  std::string& head(int status, const Headers& headers);
  void end_head(std::string& head);
  void detach(ServerConnection::Next next);
  void announce_closed();

  std::shared_ptr<ServerCore> core_;
  ServerConnection* connection_;
  Request request_;
  std::string peer_;
  std::shared_ptr<const CertificateChain> client_;
  bool http10_;
  bool is_head_;
  bool keep_alive_;
  bool started_ = false;
  bool closed_ = false;
  bool waits_writable_ = false;
  BodyKind kind_ = BodyKind::kNone;
  std::uint64_t left_ = 0;  // kLength: bytes still to come
  std::function<void()> on_closed_;
  std::function<void()> on_writable_;
};

}  // namespace tidegate::net::http1
