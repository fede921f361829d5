#pragma once
// Pacer: when an emulated engine looks at its model again. Arithmetic only; wall time in, wall time
// out.
//
//   Instant wake = pacer.next(now, event_at, streams);
//
// The model names its next event, but tokens of running streams become visible between events.
// Polling each millisecond would show them; most polls would see nothing, because a step cannot end
// sooner than the least step time after the one before. So: an event is met exactly, polls begin
// where a step may end, and wakes that follow a step are at least kGap apart: tokens due within it
// share one write.

#include <algorithm>

#include "core/base/time.h"

namespace tidegate::live {

enum class Streams : std::uint8_t { kNone, kSome };

class Pacer {
 public:
  static constexpr Duration kGap = millis(1);

  /// The model was advanced at `now`; a step has ended since the look before. `least_step`: no step
  /// that follows is shorter.
  void stepped(Instant now, Duration least_step) {
    // The boundary lies after the previous look, so the next one after that plus a step.
    earliest_step_ = previous_look_ + least_step;
    stepped_at_ = now;
    previous_look_ = now;
  }
  void looked(Instant now) { previous_look_ = now; }

  /// When to look next, never before `now`; `event_at` never(): idle.
  Instant next(Instant now, Instant event_at, Streams streams) const {
    if (event_at.is_never()) return event_at;
    Instant wake = event_at;
    if (streams == Streams::kSome) {
      Instant poll = std::max(now + kGap, earliest_step_);
      if (event_at > poll + kGap) wake = poll;
    }
    return std::max({wake, now, stepped_at_ + kGap});
  }

 private:
  Instant previous_look_, earliest_step_, stepped_at_;
};

}  // namespace tidegate::live
