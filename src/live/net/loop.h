#pragma once
// Loop: one thread's epoll loop with timers in wall time. Everything on it runs on that thread;
// only post() and stop() may be called from others.
//
//   auto loop = Loop::create().value();
//   loop->after(millis(50), [] { ... });
//   loop->run();                      // until stop()
//
// Callbacks must not block. A callback may destroy its own source (unwatch, cancel) safely.

#include <cstdint>
#include <functional>
#include <memory>

#include "core/base/result.h"
#include "core/base/time.h"

namespace tidegate::net {

class Loop {
 public:
  using Callback = std::function<void()>;
  using FdCallback = std::function<void(std::uint32_t epoll_events)>;
  enum class TimerId : std::uint64_t { kNone = 0 };

  static Result<std::unique_ptr<Loop>> create();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Monotonic wall time, read once per wake-up and on refresh.
  Instant now() const;
  TimerId at(Instant mono, Callback callback);
  TimerId after(Duration wall, Callback callback);
  void cancel(TimerId id);
  /// Runs `callback` on the loop's thread soon. Thread-safe.
  void post(Callback callback);
  /// Runs `callback` after the current batch of events, before sleeping (same thread only).
  void defer(Callback callback);

  /// Level-triggered watch of `fd` for `events` (EPOLLIN, EPOLLOUT, ...). Does not own the fd.
  Result<void> watch(int fd, std::uint32_t events, FdCallback callback);
  void change(int fd, std::uint32_t events);
  void unwatch(int fd);
  /// Calls back when the process ends (pidfd); the pidfd is owned by the loop.
  Result<void> watch_process(int pid, Callback ended);

  void run();
  /// Runs events that are ready and timers due within `wall`; returns when it has passed or stop()
  /// is called. For tests and drain loops.
  void run_for(Duration wall);
  /// Runs until `done()` or `limit` passes; true if done.
  bool run_until(const std::function<bool()>& done, Duration limit);
  void stop();

 private:
  Loop();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::net
