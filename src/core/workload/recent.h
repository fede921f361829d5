#pragma once
// RecentQuantile: quantiles of the values of about the last `window`, in bounded memory: kSlots
// sketches that take turns. The gateway's TTFT and ITL signals, live and simulated.
//
//   RecentQuantile ttft;
//   ttft.add(0.4, now, seconds(60));
//   double p99 = ttft.quantile(0.99, now, seconds(60), seen);
//
// Between window * (1 - 1/kSlots) and window are remembered. A change of window forgets all.
// Seconds; error as Sketch. Thread-safety: one owner.

#include <array>
#include <cstdint>

#include "core/base/time.h"
#include "core/workload/workload.h"

namespace tidegate::workload {

class RecentQuantile {
 public:
  static constexpr std::int64_t kSlots = 6;
  void add(double value, Instant now, Duration window);
  /// Quantile over the window; `seen` is how many values it rests on.
  double quantile(double q, Instant now, Duration window, std::int64_t& seen) const;
  /// All that quantile() looks at, as one.
  Sketch over(Instant now, Duration window) const;

 private:
  struct Slot {
    std::int64_t turn = -1;
    Sketch sketch;
  };
  static std::int64_t turn_of(Instant now, Duration window);
  Duration window_{0};
  std::array<Slot, kSlots> slots_;
};

}  // namespace tidegate::workload
