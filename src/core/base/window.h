#pragma once
// Window: a sliding average over wall-to-wall buckets, and the maximum of recent values.
//
// TimeAverage is the time-weighted mean of a step function over the last `length` (buckets of
// length/60, as Knative's TimedFloat64Buckets): a value holds from when it is set until the next.
// History before the first value does not count as zero: the mean is over the time covered. All
// state is a value: copyable, comparable, listed by fields().

#include <algorithm>
#include <tuple>
#include <vector>

#include "core/base/fields.h"
#include "core/base/time.h"

namespace tidegate {

/// One (time, value) point of a step function.
struct Sample {
  Instant at;
  double value = 0;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"at", &Sample::at}, Field{"value", &Sample::value});
  }
  bool operator==(const Sample&) const = default;
};

class TimeAverage {
 public:
  static constexpr std::size_t kMaxSamples = 64;

  /// Sets the value from `now` on. Calls must not go back in time; equal times replace the value.
  /// Points closer than length/kMaxSamples fold into the one before, weighted by time.
  void set(double value, Instant now, Duration length);
  /// Mean over [now - length, now], over the part that is covered; `fallback` where nothing is.
  double mean(Instant now, Duration length, double fallback) const;
  /// The largest value in force within [now - length, now].
  double max(Instant now, Duration length, double fallback) const;
  double last(double fallback) const { return samples_.empty() ? fallback : samples_.back().value; }
  /// How much of the window is covered by values.
  Duration covered(Instant now, Duration length) const;
  bool empty() const { return samples_.empty(); }

  std::vector<Sample> samples_;  ///< oldest first; public only for fields()
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"samples", &TimeAverage::samples_});
  }
  bool operator==(const TimeAverage&) const = default;
};

}  // namespace tidegate
