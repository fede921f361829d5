#pragma once
// Signals as events: SIGINT, SIGTERM and SIGHUP arrive as callbacks on a Loop, never as
// interruptions.
//
//   auto signals = Signals::create(*loop, [&](int number) { ... }).value();
//
// create() blocks the three in the calling thread: call it before other threads start, they inherit
// the mask. So do child processes: whoever forks unblocks them again (unblock_in_child). Destroying
// it closes the descriptor and restores the mask of before. Thread-safety: the loop's thread.

#include <signal.h>

#include <functional>
#include <memory>

#include "live/net/loop.h"

namespace tidegate::net {

class Signals {
 public:
  static Result<std::unique_ptr<Signals>> create(Loop& loop, std::function<void(int)> callback);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  /// Between fork and exec: gives the child an empty signal mask. Async-signal-safe.
  static void unblock_in_child();

 private:
  Signals(Loop& loop, int fd, sigset_t before) : loop_(loop), fd_(fd), before_(before) {}
  Loop& loop_;
  int fd_;
  sigset_t before_;
};

}  // namespace tidegate::net
