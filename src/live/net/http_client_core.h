#pragma once
// What the parts of the HTTP client share. Internal to live/net.
//
// A Call is one request with its handler; a ClientConnection is one socket that serves one call at
// a time and waits in the pool between them. Lifetimes: the core holds calls and connections;
// methods that run user callbacks keep what they still need alive. Thread-safety: the loop's
// thread.

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "live/net/deadline.h"
#include "live/net/http1_chunks.h"
#include "live/net/http1_head.h"
#include "live/net/http_client.h"
#include "live/net/resolver.h"

namespace tidegate::net::http1 {

class ClientConnection;

struct AddressHash {
  std::size_t operator()(const Address& address) const {
    return std::hash<std::string>()(address.host) * 31 + address.port;
  }
};
struct Call {
  HttpClient::CallId id;
  ClientRequest request;
  ClientHandler handler;
  std::string head;                              // of the request, as it goes out
  std::shared_ptr<ClientConnection> connection;  // null: not yet, or over
  bool over = false;                             // no callback follows
  bool paused = false;
  bool retried = false;
  bool head_seen = false;
  std::string_view body() const {
    return request.shared_body ? std::string_view(*request.shared_body)
                               : std::string_view(request.body);
  }
};

struct ClientCore : std::enable_shared_from_this<ClientCore> {
  ClientCore(Loop& on, HttpClient::Options with) : loop(on), options(with), resolver(on) {}

  Loop& loop;
  const HttpClient::Options options;
  bool shut = false;
  std::uint64_t next_id = 1;
  std::unordered_map<std::uint64_t, std::shared_ptr<Call>> calls;
  using Pool = std::vector<std::shared_ptr<ClientConnection>>;  // the back is reused first
  std::unordered_map<Address, Pool, AddressHash> idle;
  Resolver resolver;
  std::array<char, 64 << 10> read_buffer;

  enum class Reuse : std::uint8_t { kAllowed, kFresh };
  void begin(const std::shared_ptr<Call>& call, Reuse reuse);
  void resolved(const std::shared_ptr<Call>& call, const Resolver::Found& found);
  /// Takes the call off the books; the handler is not called.
  void forget(Call& call);
  void fail_call(const std::shared_ptr<Call>& call, ClientErrorKind kind, std::string message);
  void fail_later(const std::shared_ptr<Call>& call, ClientErrorKind kind, std::string message);
  /// Into the pool, or closed if that is full.
  void keep(const std::shared_ptr<ClientConnection>& connection);
  void drop_idle(const ClientConnection* connection);
  void shut_down();
};

class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
  static constexpr std::size_t kMaxHeadBytes = 256 << 10;
  static constexpr std::size_t kMaxHeaders = 256;

  ClientConnection(std::shared_ptr<ClientCore> core, Address address);
  ~ClientConnection();
  /// Starts to connect to the first of `candidates`; later ones are tried when one refuses.
  void connect(std::shared_ptr<Call> call, std::vector<SocketAddress> candidates);
  /// A pooled connection takes the next call.
  void reuse(std::shared_ptr<Call> call);
  void close();
  void paused_changed();
  const Address& address() const { return address_; }

 private:
  enum class Phase : std::uint8_t { kConnecting, kHead, kBody, kIdle, kClosed };
  enum class BodyKind : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

  void try_next_candidate();
  void on_event(std::uint32_t events);
  void on_connected();
  void on_readable();
  void on_expired();
  void send_request();
  void continue_sending();
  void take(std::string_view bytes);
  std::size_t consume(std::string_view bytes);
  std::size_t consume_head(std::string_view bytes);
  std::size_t consume_body(std::string_view bytes);
  void head_complete();
  /// False: the call was cancelled or paused meanwhile.
  bool deliver(std::string_view data);
  enum class Leftover : std::uint8_t { kNone, kSome };
  void response_complete(Leftover leftover);
  /// The socket ended, or failed with `error`.
  void lost(int error);
  void fail(ClientErrorKind kind, std::string message);
  void update_interest();
  /// 0: none.
  void set_deadline(Duration wall);
  bool paused() const { return call_ && call_->paused; }

  std::shared_ptr<ClientCore> core_;
  Address address_;
  int fd_ = -1;
  Phase phase_ = Phase::kConnecting;
  Deadline deadline_;
  std::shared_ptr<Call> call_;
  std::vector<SocketAddress> candidates_;
  std::size_t candidate_ = 0;
  std::string connect_error_;
  bool reused_ = false;
  bool resuming_ = false;  // held input comes before what the socket has
  bool hung_up_ = false;   // unwatched because of a hang-up while paused

  std::size_t sent_ = 0;  // of the call's head and body together
  bool blocked_ = false;
  bool send_failed_ = false;

  std::string input_;  // read and not yet consumed
  bool consuming_ = false;
  bool any_byte_ = false;  // of this call's response
  HeadScanner scanner_;
  ResponseHead head_;
  BodyKind kind_ = BodyKind::kNone;
  ChunkReader chunks_;
  std::uint64_t left_ = 0;
  std::uint64_t received_ = 0;
};

/// "GET /path HTTP/1.1\r\n..." with its empty line, or why the request cannot be written.
Result<std::string> encode_request_head(const ClientRequest& request, std::size_t body_bytes);

}  // namespace tidegate::net::http1
