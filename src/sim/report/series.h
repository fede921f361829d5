#pragma once
// Series: samples over time in a bounded number of buckets, whatever the length of the run.
//
//   Series series(600);
//   for (...) series.add(bucket_of_one_sample);
//   series.buckets();   // at most 600, in order of time, none missing
//
// A bucket holds samples_per_bucket() samples in a row (the last perhaps fewer). When one more does
// not fit, neighbours merge two by two and the number doubles: after n samples there are between
// 300 and 600. Each channel keeps least, mean and most, so that no peak and no dip vanishes; counts
// and spans of time add up exactly. Thread-safety: one owner.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/fields.h"
#include "core/base/time.h"

namespace tidegate::sim {

enum class Channel : std::uint8_t {
  kArrivals,       ///< requests/s
  kQueue,          ///< requests at the gateway
  kEngineWaiting,  ///< requests in engines' queues
  kRunning,        ///< requests in engines' batches
  kKvUsage,        ///< 0..1
  kTtftP99,        ///< seconds, over scaling.window; no value where nothing ended
  kOrdered,        ///< replicas
  kStarting,
  kReady,
  kSleeping,
  kDraining,
  kDesired,
};
inline constexpr std::size_t kChannels = 12;

/// Least, mean and most of the values there were.
struct Extent {
  double sum = 0, least = 0, most = 0;
  std::int64_t count = 0;
  void add(double value) { merge({value, value, value, 1}); }
  void merge(const Extent& other);
  double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
};

struct Bucket {
  Instant from, to;
  std::int64_t samples = 0;
  std::array<Extent, kChannels> channels;
  std::int64_t arrived = 0, ended = 0, met = 0;  ///< requests, between from and to
  double cost_dollars = 0;                       ///< so far, at `to`
  std::vector<std::int64_t> ready_sum;           ///< by variant, over the samples

  Extent& operator[](Channel c) { return channels[static_cast<std::size_t>(c)]; }
  const Extent& operator[](Channel c) const { return channels[static_cast<std::size_t>(c)]; }
  /// `later` follows this one.
  void merge(const Bucket& later);
};

/// Neighbours two by two, in place; an odd last one stays.
void merge_pairs(std::vector<Bucket>& buckets);

class Series {
 public:
  /// `most` is even and > 0.
  explicit Series(std::size_t most) : most_(most) {}
  void add(Bucket sample);
  const std::vector<Bucket>& buckets() const { return buckets_; }
  std::int64_t samples_per_bucket() const { return per_bucket_; }

 private:
  std::size_t most_;
  std::int64_t per_bucket_ = 1;
  std::vector<Bucket> buckets_;
};

}  // namespace tidegate::sim

namespace tidegate {
template <>
struct EnumTokens<sim::Channel> {
  static constexpr std::string_view kTokens[] = {
      "arrivals", "queue",    "engineWaiting", "running",  "kvUsage",  "ttftP99",
      "ordered",  "starting", "ready",         "sleeping", "draining", "desired"};
};
}  // namespace tidegate
