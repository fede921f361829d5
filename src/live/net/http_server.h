#pragma once
// HTTP/1.1 server on a Loop: whole requests in (head and body), responses out, whole or streamed.
//
//   HttpServer server(loop, limits, [](ExchangePtr x) { x->respond(200, {}, "hello"); });
//   Address bound = server.listen({"127.0.0.1", 0}).value();
//
// The seam of the data path: core/route and the gateway see only Exchange. Requests that
// smuggle (Content-Length with Transfer-Encoding, differing lengths, bare CR or LF, obs-fold,
// blanks in names, bad chunk sizes, more than one Host) get 400 and the connection is closed.
// With a TlsServer (tls/tls_server.h) the same over TLS.
// Thread-safety: the loop's thread.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "live/net/http.h"
#include "live/net/loop.h"

namespace tidegate::net {

class TlsServer;

/// One request and its response. Kept alive by whoever holds the pointer; after the connection dies
/// every call is a no-op and closed() is true.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const Request& request() const = 0;
  /// Moves the body out (to keep it while waiting without a copy).
  virtual std::string take_body() = 0;
  virtual std::string_view peer() const = 0;  ///< ip:port
  /// What the client showed over TLS, leaf first, in DER. It holds the leaf's key; whose word that
  /// is, client_subject() says (tls/certificates.h). Empty: nothing, or no TLS.
  virtual const std::vector<std::string>& client_certificates() const = 0;

  /// The whole response. Adds Content-Length, Connection and Date.
  virtual void respond(int status, const Headers& headers, std::string_view body) = 0;
  /// Head now, body by write(), end by finish(). Chunked, or with the Content-Length in `headers`;
  /// an HTTP/1.0 client gets a body that ends with the connection.
  virtual void start(int status, const Headers& headers) = 0;
  virtual bool started() const = 0;
  /// Queues bytes and sends what the socket takes at once. False: over the high-water mark; stop
  /// until on_writable. Never loses bytes.
  virtual bool write(std::string_view bytes) = 0;
  virtual void finish() = 0;
  /// Breaks the connection so that the client sees an incomplete body.
  virtual void abort() = 0;
  virtual bool closed() const = 0;
  /// Client left (or write timed out) before finish(). Called once, never from inside a call on
  /// this object.
  virtual void on_closed(std::function<void()> callback) = 0;
  virtual void on_writable(std::function<void()> callback) = 0;
};
using ExchangePtr = std::shared_ptr<Exchange>;

class HttpServer {
 public:
  using Handler = std::function<void(ExchangePtr)>;
  HttpServer(Loop& loop, Limits limits, Handler handler);
  ~HttpServer();
  /// Of bodies that are read from now on.
  void set_max_body_bytes(std::size_t bytes);
  /// Binds and listens; an error names the address and the cause ("address already in use").
  /// With `tls`, that is all the port speaks.
  Result<Address> listen(const Address& address, std::shared_ptr<TlsServer> tls = nullptr);
  /// Goes on accepting; each connection ends with its next answer, so that its client looks again
  /// for who serves.
  void part();
  /// Stops accepting; open exchanges go on and their connections close after them.
  void drain();
  std::size_t connections() const;
  std::size_t open_exchanges() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tidegate::net
