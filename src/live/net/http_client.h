#pragma once
// HTTP/1.1 client on a Loop with a keep-alive pool per address.
//
//   HttpClient client(loop);
//   auto call = client.send({.address = a, .method = "GET", .path = "/health"},
//                           {.on_head = ..., .on_data = ..., .on_end = ..., .on_error = ...});
//   client.cancel(call);   // closes the connection: the server aborts
//
// Exactly one of on_end and on_error is called, once, last; neither after cancel(). Never from
// inside send(). A keep-alive connection that the server closed before the first byte of a response
// is retried once on a fresh one, silently. Thread-safety: the loop's thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "live/net/http.h"
#include "live/net/loop.h"

namespace tidegate::net {

enum class ClientErrorKind : std::uint8_t {
  kConnect,   // refused, unreachable, name not found, connect time-out
  kReset,     // closed or reset before the end
  kTimeout,   // response time-out
  kProtocol,  // not HTTP, over a limit
};
struct ClientError {
  ClientErrorKind kind = ClientErrorKind::kReset;
  bool after_head = false;  ///< the response head was seen already
  std::string message;
};

struct ClientRequest {
  Address address;
  std::string method = "GET";
  std::string path = "/";
  Headers headers;  ///< Host and Content-Length are added
  std::string body;
  std::shared_ptr<const std::string> shared_body;  ///< instead of `body`: not copied
  Duration connect_timeout = seconds(5);
  Duration first_byte_timeout{0};      ///< until the head; 0: none
  Duration idle_timeout{0};            ///< longest pause in the body; 0: none
  std::size_t max_response_bytes = 0;  ///< 0: none; over it kProtocol
};

struct ClientHandler {
  std::function<void(int status, const Headers& headers)> on_head;
  std::function<void(std::string_view bytes)> on_data;
  std::function<void()> on_end;
  std::function<void(const ClientError&)> on_error;
};

/// A small whole response, for callers that need no streaming.
struct Response {
  int status = 0;
  Headers headers;
  std::string body;
};

class HttpClient {
 public:
  enum class CallId : std::uint64_t { kNone = 0 };
  struct Options {
    std::size_t max_idle_per_address = 256;
    Duration idle_timeout = seconds(30);
  };
  explicit HttpClient(Loop& loop);
  HttpClient(Loop& loop, Options options);
  ~HttpClient();
  CallId send(ClientRequest request, ClientHandler handler);
  /// Whole response or error.
  CallId fetch(ClientRequest request, std::function<void(Result<Response>)> done);
  void cancel(CallId id);
  /// Stops and restarts reading of a response (back-pressure).
  void pause(CallId id);
  void resume(CallId id);
  std::size_t open_calls() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Blocking call on a private loop: for the command line (`status`, `scale`, ...).
Result<Response> fetch_blocking(ClientRequest request, Duration timeout);

}  // namespace tidegate::net
