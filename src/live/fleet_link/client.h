#pragma once
// Client: a gateway's end of its stream to whichever controller leads. gRPC beneath, none of it
// shows.
//
//   Client client(loop, {.leaders = {{"tidegate-controllers", 8083}}, .hello = hello}, hooks);
//   client.start();
//   if (!client.send(report)) ...      // no leader, or the last one is still on its way: ask again
//                                      // when hooks.writable comes
//
// Each address of each name is tried in turn (names are asked anew each round, in a thread: a
// headless Service has one address a pod) until one answers a hello with news; who does not lead
// refuses, and the next is tried. After a round without one there is a pause that doubles from
// kFirstPause to kLongestPause. A stream that ends is sought anew at once. Instead of names there
// may be somebody who knows where the leader is, and which certificate it shows: asked each round.
// One message is written and one read at a time. Wall time. Thread-safety: all of it on the loop's
// thread, hooks too.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "live/fleet_link/messages.h"
#include "live/fleet_link/tls.h"
#include "live/net/loop.h"

namespace tidegate::live::link {

/// Where the leader is, as it says itself.
struct LeaderPlace {
  net::Address address;                      ///< numeric
  std::string certificate_pem, server_name;  ///< that it shows and stands for; empty: plaintext
};

struct ClientOptions {
  std::vector<net::Address> leaders;  ///< at least one, or `leader`
  std::string token;                  ///< empty: none is shown
  Hello hello;
  ClientTls tls = {};  ///< off: plaintext; checked by whoever makes a Client
  /// What `hello` says of the leader before, asked anew each time.
  std::function<void(Hello&)> remember = nullptr;
  /// Instead of `leaders`: says where it is; nothing while nobody is known to lead.
  std::function<std::optional<LeaderPlace>()> leader = nullptr;
  static constexpr Duration kLongestPause = seconds(1);
  Duration longest_pause = kLongestPause;  ///< between rounds, wall
};

struct ClientHooks {
  std::function<void(const net::Address&)> found;  ///< it answered: it leads
  std::function<void(const News&)> news;
  std::function<void()> writable;
  std::function<void(const std::string& why)> lost;
};

class Client {
 public:
  static constexpr Duration kFirstPause = millis(100);
  static constexpr Duration kPatience = seconds(3);  ///< for the first news of one address
  static constexpr std::size_t kMaxAddresses = 64;   ///< tried in a round

  Client(net::Loop& loop, ClientOptions options, ClientHooks hooks);
  /// Ends the stream and waits for gRPC to let go of it.
  ~Client();
  void start();
  bool connected() const;
  /// Of the leader; nothing while there is none.
  net::Address leader() const;
  /// Why the last address tried was no leader, or why it was lost; for people.
  const std::string& trouble() const;
  bool send(const Report& report);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tidegate::live::link
