#pragma once
// Pacer: keeps bytes of many threads within a rate.
//
//   Pacer pacer(1'500'000'000);                      // bytes a second; 0: no limit
//   Instant go = pacer.take(now, bytes.size());      // wait until then
//
// A bucket that holds kBurst of the rate: what was not used is lost beyond that. Whoever takes
// pays after: a piece larger than the bucket goes through and the next waits. Thread-safe.

#include <algorithm>
#include <cstdint>
#include <mutex>

#include "core/base/time.h"

namespace tidegate::live::weights {

class Pacer {
 public:
  static constexpr Duration kBurst = millis(100);
  explicit Pacer(std::int64_t bytes_per_second) : rate_(bytes_per_second) {}

  /// When the caller may go on.
  Instant take(Instant now, std::int64_t bytes) {
    if (rate_ <= 0) return now;
    std::lock_guard lock(mutex_);
    const Instant earliest = now - kBurst;
    paid_ = started_ ? std::max(paid_, earliest) : earliest;
    started_ = true;
    paid_ = paid_ + seconds_f(static_cast<double>(bytes) / static_cast<double>(rate_));
    return std::max(paid_, now);
  }

 private:
  std::int64_t rate_;
  std::mutex mutex_;
  bool started_ = false;
  Instant paid_;  ///< until then the bytes taken fill the rate
};

}  // namespace tidegate::live::weights
