#pragma once
// Server: the leader's end of the streams of gateways. gRPC beneath, none of it shows.
//
//   auto server = Server::create(loop, {.listen = {"127.0.0.1", 8083}}, hooks).value();
//   server->lead("pod-a");             // until then every stream is refused
//   if (!server->send(peer, news)) ...  // the message before is still on its way: ask again when
//                                       // hooks.writable(peer) comes
//
// A stream is opened by its first message, a Hello; then reports come. Of each stream one report is
// read at a time, and the next when the hook has returned; one message is written at a time: so a
// slow peer holds one message, and is told the newest when it has read that.
// Refused are: who shows no token or another (UNAUTHENTICATED), who comes while we do not lead
// (FAILED_PRECONDITION, with the leader's name where it is known), one stream too many
// (RESOURCE_EXHAUSTED), a protocol we do not speak (FAILED_PRECONDITION, with both builds), and who
// says no hello (INVALID_ARGUMENT). The token is never logged.
// Thread-safety: all of it on the loop's thread, hooks too; gRPC has threads of its own.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "core/base/strong.h"
#include "live/fleet_link/messages.h"
#include "live/fleet_link/tls.h"
#include "live/net/loop.h"

namespace tidegate::live::link {

using PeerId = Id<struct PeerIdTag>;

struct ServerOptions {
  net::Address listen{"127.0.0.1", 8083};
  std::string token;  ///< empty: none is asked
  ServerTls tls;      ///< off: plaintext
  std::size_t max_streams = 256;
};

struct ServerHooks {
  std::function<void(PeerId, const Hello&)> opened;
  std::function<void(PeerId, const Report&)> report;
  std::function<void(PeerId)> writable;
  std::function<void(PeerId)> closed;
};

class Server {
 public:
  /// shutdown() waits this long for peers that do not read (wall).
  static constexpr Duration kShutdownPatience = millis(500);
  static constexpr std::size_t kMaxMemoryBytes = 512ULL << 20;  ///< of gRPC's buffers

  /// Error: the address cannot be listened on, or a file of TLS is none.
  static Result<std::unique_ptr<Server>> create(net::Loop& loop, ServerOptions options,
                                                ServerHooks hooks);
  ~Server();

  net::Address address() const;
  /// From now on streams are taken. `name`: who leads, for people.
  void lead(const std::string& name);
  /// Ends every stream and refuses new ones; `leader` is named to them, empty: not known.
  void follow(const std::string& leader);
  /// False: not open, or the last message is still on its way.
  bool send(PeerId peer, const News& news);
  void close(PeerId peer, const std::string& why);
  /// Ends every stream and stops listening. Idempotent; no hook is called after.
  void shutdown();

 private:
  struct State;
  explicit Server(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tidegate::live::link
