#pragma once
// The only reader of clocks. World time is wall time times --time-scale, from one shared origin.
//
//   WorldClock clock(10.0);          // 10 world seconds pass in one real second
//   Instant now = clock.now();
//
// Spec durations are world time; socket, fsync and kill time-outs are wall time and do not scale.
// Thread-safety: all const members may be called from any thread.

#include "core/base/time.h"

namespace tidegate::net {

class WorldClock {
 public:
  /// `resume_at`: the world instant at construction (the journal's last one after a restart).
  explicit WorldClock(double scale = 1.0, Instant resume_at = Instant::from_nanos(0));
  Instant now() const;
  double scale() const { return scale_; }
  /// A span of world time as wall time, and back.
  Duration to_wall(Duration world) const;
  Duration to_world(Duration wall) const;
  /// Calendar time now (never scaled).
  static WallTime wall_now();
  /// Unscaled monotonic time, for socket time-outs and measurements.
  static Instant mono_now();

 private:
  double scale_;
  Instant origin_mono_;
  Instant origin_world_;
};

}  // namespace tidegate::net
