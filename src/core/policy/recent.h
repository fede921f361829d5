#pragma once
// Recent: the largest of the values noted over a sliding window, exactly, in few entries.
//
// A monotonic queue: entry (t, v) says "v was last noted at t and all since was smaller". The
// smallest of recent values is had by noting their negatives. Bounded by kMaxRecent entries: over
// it the two closest values become one, kept at the larger value and the later time, so the answer
// is never too low. Values, one owner. Source: sliding window maximum by an ascending minima queue
// (folklore).
//
//   note(list, now, 7, seconds(900));
//   double high = largest(list, now, seconds(300));

#include <cstddef>
#include <vector>

#include "core/base/time.h"
#include "core/base/window.h"

namespace tidegate::policy {

inline constexpr std::size_t kMaxRecent = 64;

/// Notes `value` at `now` (not before the last) and forgets what is older than `keep`.
void note(std::vector<Sample>& list, Instant now, double value, Duration keep);

/// Largest value noted in [now - length, now]; the last one noted where the window holds none; 0 if
/// empty.
double largest(const std::vector<Sample>& list, Instant now, Duration length);

}  // namespace tidegate::policy
