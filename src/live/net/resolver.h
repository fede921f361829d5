#pragma once
// Resolver: addresses of names, asked for on threads of their own, so that a server of names that
// hangs holds up nobody but who waits for its names. Internal to live/net.
//
//   Resolver resolver(loop);
//   if (auto found = resolver.resolve(address, told)) ...   // known: `told` is dropped
//
// Numbers and "localhost" are known at once. Addresses are asked for anew after kRemember; until
// that is answered, and where it fails, the old ones hold for kKeep. A failure holds for kRetry. At
// most kMaxLookups names are asked for at a time, each once; the others wait their turn.
// Thread-safety: the loop's thread.

#include <sys/socket.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "live/net/http.h"
#include "live/net/loop.h"

namespace tidegate::net::http1 {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

class Resolver {
 public:
  using Found = Result<std::vector<SocketAddress>>;
  using Lookup = std::function<Found(const Address&)>;  ///< on any thread; may block
  using Told = std::function<void(const Found&)>;       ///< on the loop's
  static constexpr Duration kRemember = seconds(10), kKeep = seconds(300), kRetry = seconds(1);
  static constexpr std::size_t kMaxNames = 1024, kMaxLookups = 16;

  explicit Resolver(Loop& loop);
  Resolver(Loop& loop, Lookup lookup);
  ~Resolver() { close(); }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// What is known now; nothing: `told` is called later, unless it is closed first.
  std::optional<Found> resolve(const Address& address, Told told);
  /// Nobody is told any more; lookups that still run end unheard.
  void close();

 private:
  struct Known {
    Found found;
    Instant fresh_until, kept_until;
  };
  struct Mail;
  void ask(const Address& address);
  void start(const Address& address);
  void done(const Address& address, const Found& found);

  Loop& loop_;
  Lookup lookup_;
  std::shared_ptr<Mail> mail_;
  std::map<Address, Known> known_;
  std::map<Address, std::vector<Told>> waiting_;  ///< asked for
  std::deque<Address> queued_;                    ///< of those, whose lookup has not begun
  std::size_t running_ = 0;
};

}  // namespace tidegate::net::http1
