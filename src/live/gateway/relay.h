#pragma once
// Relay: the life of one request at the gateway, from its body to its last byte.
//
//   waits -> bound -> (first byte) relaying -> over
//
// The router owns the decision, the relay the two sockets. Response bytes go on as they come:
// nothing is kept but the tail of a whole JSON answer, to read its usage. A client that reads
// slowly pauses the engine's socket. The body is kept until the first byte, for another try.
// Internal to live/gateway. Thread-safety: the loop's thread.

#include <memory>
#include <string>
#include <string_view>

#include "core/route/router.h"
#include "format/openai_sse.h"
#include "live/gateway/traffic.h"
#include "live/net/http_client.h"
#include "live/net/http_server.h"
#include "live/net/loop.h"

namespace tidegate::live {

class Lane;

/// A request as it will be sent to an engine.
struct Forward {
  std::string path;  ///< with its query
  net::Headers headers;
  std::shared_ptr<const std::string> body;
  std::string request_id;  ///< the client's or ours
  bool stream = false;
};

class Relay : public std::enable_shared_from_this<Relay> {
 public:
  static constexpr std::size_t kTailBytes = 4096;       ///< of a whole answer, to find its usage in
  static constexpr std::size_t kErrorBytes = 64 << 10;  ///< of an engine's error, sent in band

  Relay(Lane& lane, net::ExchangePtr exchange, Forward forward, Instant arrived);
  /// Hands the request to the router.
  void begin(const route::Arrived& arrived);

  RequestId id() const { return id_; }
  bool bound_to(ReplicaId id) const { return bound_ && replica_ == id; }
  /// Its client has bytes of the engine's answer.
  bool relaying() const { return relaying_; }
  Instant last_heard() const { return last_heard_; }

  // ---- what the router says ----
  void dispatch(ReplicaId replica, const net::Address& address);
  void answer(route::Outcome outcome, Duration retry_after);
  void cancel_call();
  /// Its replica is down and had said nothing: it waits again, and what it still says is nobody's.
  void withdraw();

  /// Its replica vanished and its socket said nothing.
  void replica_lost();
  /// Shutdown will wait no longer.
  void break_off();
  /// The gateway is being destroyed.
  void abandon();

 private:
  void client_left();
  void on_head(int status, const net::Headers& headers);
  void on_data(std::string_view bytes);
  void on_end();
  void on_error(const net::ClientError& error);
  void failed(bool busy);
  void begin_relaying();
  void start_response();
  void read_usage(std::string_view bytes);
  void pass_on(std::string_view bytes);
  void finish_response();
  void finished();
  void over(route::Outcome outcome);
  void watch_wait();
  void keep_alive();
  Instant now() const;

  Lane& lane_;
  net::ExchangePtr exchange_;
  Forward forward_;
  RequestId id_;
  Instant arrived_;
  Instant bound_at_;
  Instant last_heard_;  ///< when the engine's last bytes came
  Ended ended_;
  ReplicaId replica_;
  net::HttpClient::CallId call_ = net::HttpClient::CallId::kNone;
  net::Loop::TimerId wait_timer_ = net::Loop::TimerId::kNone;
  net::Headers head_;  ///< the engine's, for the client
  format::SseScanner scanner_;
  std::string tail_;  ///< end of a whole answer, or all of an error sent in band
  bool bound_ = false;
  bool sse_ = false;       ///< the engine streams
  bool early_ = false;     ///< 200 went out while it waited
  bool relaying_ = false;  ///< first byte seen
  bool over_ = false;
};

}  // namespace tidegate::live
