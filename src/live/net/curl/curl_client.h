#pragma once
// HTTPS client on a Loop: libcurl's multi interface driven by our epoll, for API servers,
// Prometheus and clouds. The data path and scraping use net/http_client.h, which is smaller and
// faster.
//
//   CurlClient client(loop);
//   client.fetch({.url = "https://10.0.0.1:443/version", .tls = tls}, [](Result<Response> r) {...});
//
// Exactly one of on_end and on_error is called, once, last; neither after cancel(). Never from
// inside send(). A handler may send, cancel or destroy the client. Errors of the handshake begin
// with "TLS: ". Time-outs are wall time. HTTP/2 where the server speaks it. The environment's
// proxies are honoured, but never for loopback. Thread-safety: the loop's thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "live/net/http_client.h"

namespace tidegate::net {

/// PEM texts win over files. No CA at all: the system's.
struct Tls {
  std::string ca_pem, ca_file;
  std::string certificate_pem, certificate_file;
  std::string key_pem, key_file;
  std::string server_name;  ///< to expect in the certificate instead of the URL's host
  bool verify = true;
  bool operator==(const Tls&) const = default;
};

struct CurlRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;
  std::shared_ptr<const Tls> tls;
  std::string proxy;  ///< empty: the environment's
  /// "aws:amz:REGION:SERVICE": signed with AWS Signature 4 by these keys.
  std::string sigv4, sigv4_key, sigv4_secret;
  Duration connect_timeout = seconds(10);
  Duration total_timeout{0};           ///< 0: none
  Duration idle_timeout{0};            ///< longest pause, also before the head; 0: none
  bool http2 = true;                   ///< where the server speaks it
  std::size_t max_response_bytes = 0;  ///< 0: none; over it kProtocol
};

class CurlClient {
 public:
  enum class CallId : std::uint64_t { kNone = 0 };
  explicit CurlClient(Loop& loop);
  ~CurlClient();
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  CallId send(CurlRequest request, ClientHandler handler);
  /// Whole response or error.
  CallId fetch(CurlRequest request, std::function<void(Result<Response>)> done);
  void cancel(CallId id);
  std::size_t open_calls() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tidegate::net
