#pragma once
// What the router learns: how much output to expect, and how fast the queue drains.
// Tokens, nanoseconds. Values; thread-safety: one owner.

#include <algorithm>
#include <cstdint>

#include "core/base/time.h"

namespace tidegate::route {

/// Expected output tokens of a request. Clients that name a limit use some share of it, the others
/// some mean length: both are learned as moving averages over about kMemory requests. Until kEnough
/// have been seen a limit up to kHugeOutput is believed, else kDefaultOutput.
class OutputEstimate {
 public:
  static constexpr std::int64_t kDefaultOutput = 256;
  static constexpr std::int64_t kHugeOutput = 1024;
  static constexpr std::int64_t kEnough = 16;
  static constexpr double kMemory = 64;

  std::int64_t expect(std::int64_t max_output) const {
    if (max_output <= 0) return plain_.seen < kEnough ? kDefaultOutput : round_up(plain_.mean);
    if (share_.seen >= kEnough) {
      return std::min(max_output, round_up(share_.mean * static_cast<double>(max_output)));
    }
    return max_output <= kHugeOutput ? max_output : kDefaultOutput;
  }
  void learn(std::int64_t max_output, std::int64_t output) {
    if (output <= 0) return;
    auto tokens = static_cast<double>(std::min<std::int64_t>(output, 1LL << 40));
    if (max_output <= 0) return plain_.add(tokens);
    share_.add(std::min(1.0, tokens / static_cast<double>(max_output)));
  }

 private:
  struct Mean {
    double mean = 0;
    std::int64_t seen = 0;
    void add(double value) {
      ++seen;
      mean += (value - mean) / std::min(static_cast<double>(seen), kMemory);
    }
  };
  static std::int64_t round_up(double tokens) {
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(tokens + 0.999));
  }
  Mean plain_;  ///< output tokens where no limit is said
  Mean share_;  ///< output / limit
};

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
