#pragma once
// DrainRate: how fast the queue drains. Cost is tokens (request.h). A value; thread-safety: one
// owner.

#include <algorithm>
#include <cstdint>

#include "core/base/time.h"

namespace tidegate::route {

/// How fast replicas finish work while requests wait for them: only then is every slot busy, so
/// that the rate is what they can do and not what was asked of them. Kept per slot, so that it
/// holds when replicas are added; over the last one to two kBucket of such time.
class DrainRate {
 public:
  static constexpr Duration kBucket = seconds(30);
  static constexpr std::int64_t kEnough = 16;

  /// `waited`: a span during which requests waited and `slots` sequences were there to serve them.
  void passed(Duration waited, std::int64_t slots) {
    if (now_.span + waited > kBucket) {
      before_ = now_;
      now_ = {};
    }
    // A long silence counts as one bucket: no more is remembered anyway.
    waited = std::min(waited, kBucket);
    now_.span += waited;
    now_.slot_seconds += to_seconds(waited) * static_cast<double>(slots);
  }
  void finished(std::int64_t cost) {
    now_.cost += static_cast<double>(cost);
    ++now_.requests;
  }
  /// Measured over enough requests: each slot has turned over about once.
  bool known(std::int64_t slots) const {
    return slots > 0 && now_.requests + before_.requests >= std::max(kEnough, slots) &&
           now_.slot_seconds + before_.slot_seconds > 0;
  }
  /// Time to finish `cost` with `slots`; only if known.
  Duration time_for(std::int64_t cost, std::int64_t slots) const {
    double per_slot = (now_.cost + before_.cost) / (now_.slot_seconds + before_.slot_seconds);
    return seconds_f(static_cast<double>(cost) / (per_slot * static_cast<double>(slots)));
  }

 private:
  struct Bucket {
    Duration span{0};
    double slot_seconds = 0;
    double cost = 0;
    std::int64_t requests = 0;
  };
  Bucket now_, before_;
};

}  // namespace tidegate::route
