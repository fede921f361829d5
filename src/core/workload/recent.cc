#include "core/workload/recent.h"

#include <algorithm>
#include <cstddef>

namespace tidegate::workload {

std::int64_t RecentQuantile::turn_of(Instant now, Duration window) {
  return now.nanos() / std::max<std::int64_t>(1, window.count() / kSlots);
}

void RecentQuantile::add(double value, Instant now, Duration window) {
  if (window != window_) {
    slots_ = {};
    window_ = window;
  }
  std::int64_t turn = turn_of(now, window);
  Slot& slot = slots_[static_cast<std::size_t>(turn % kSlots)];
  if (slot.turn != turn) {
    slot.turn = turn;
    slot.sketch.clear();
  }
  slot.sketch.add(value);
}

double RecentQuantile::quantile(double q, Instant now, Duration window, std::int64_t& seen) const {
  seen = 0;
  if (window != window_) return 0;
  std::array<const Sketch*, kSlots> recent{};
  std::size_t count = 0;
  std::int64_t turn = turn_of(now, window);
  for (const Slot& slot : slots_) {
    if (slot.turn < 0 || slot.turn <= turn - kSlots) continue;
    recent[count++] = &slot.sketch;
    seen += slot.sketch.count();
  }
  return Sketch::quantile_of({recent.data(), count}, q);
}

Sketch RecentQuantile::over(Instant now, Duration window) const {
  Sketch out;
  if (window != window_) return out;
  const std::int64_t turn = turn_of(now, window);
  for (const Slot& slot : slots_) {
    if (slot.turn >= 0 && slot.turn > turn - kSlots) out.merge(slot.sketch);
  }
  return out;
}

}  // namespace tidegate::workload
