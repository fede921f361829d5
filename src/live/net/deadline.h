#pragma once
// Deadline: a time-out that moves often and fires rarely. Moving it later costs nothing: the one
// timer behind it fires early, sees the new time and goes back to sleep.
//
//   Deadline idle(loop, [this] { close(); });
//   idle.set(loop.now() + seconds(75));    // each time something arrives
//
// The callback may destroy the Deadline. Thread-safety: the loop's thread.

#include <functional>
#include <memory>
#include <utility>

#include "live/net/loop.h"

namespace tidegate::net {

class Deadline {
 public:
  Deadline(Loop& loop, std::function<void()> expired)
      : loop_(loop), expired_(std::make_shared<std::function<void()>>(std::move(expired))) {}
  ~Deadline() { loop_.cancel(timer_); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void set(Instant at) {
    at_ = at;
    if (at.is_never() || at >= armed_) return;
    loop_.cancel(timer_);
    arm();
  }
  void clear() { at_ = Instant::never(); }

 private:
  void arm() {
    armed_ = at_;
    timer_ = loop_.at(at_, [this] { fired(); });
  }
  void fired() {
    armed_ = Instant::never();
    timer_ = Loop::TimerId::kNone;
    if (at_.is_never()) return;
    if (at_ > loop_.now()) return arm();
    at_ = Instant::never();
    auto expired = expired_;
    (*expired)();
  }

  Loop& loop_;
  std::shared_ptr<std::function<void()>> expired_;
  Instant at_ = Instant::never();
  Instant armed_ = Instant::never();
  Loop::TimerId timer_ = Loop::TimerId::kNone;
};

}  // namespace tidegate::net
