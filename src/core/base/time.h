#pragma once
// Time as the core sees it: `Instant` is monotonic, `WallTime` is for people and calendars.
//
// Both count int64 nanoseconds and convert from nothing and into nothing: code in core is *given*
// `now`. The one place that reads a clock is live/net/clock.cc.
//
//   Instant now = Instant::from_nanos(0);
//   Instant later = now + seconds(5);

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>

namespace tidegate {

using Duration = std::chrono::duration<std::int64_t, std::nano>;

constexpr Duration nanos(std::int64_t n) { return Duration(n); }
constexpr Duration millis(std::int64_t n) { return Duration(n * 1'000'000); }
constexpr Duration seconds(std::int64_t n) { return Duration(n * 1'000'000'000); }
/// Seconds as a double, rounded to the nearest nanosecond. Values beyond +-292 years saturate.
constexpr Duration seconds_f(double s) {
  double n = s * 1e9;
  if (n >= 9.2e18) return Duration::max();
  if (n <= -9.2e18) return Duration::min();
  return Duration(static_cast<std::int64_t>(n + (n >= 0 ? 0.5 : -0.5)));
}
constexpr double to_seconds(Duration d) { return static_cast<double>(d.count()) / 1e9; }

/// A point on the process's monotonic axis, in nanoseconds. Goes on across restarts (the journal
/// keeps its epoch). `Instant::never()` is later than every other.
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant from_nanos(std::int64_t n) { return Instant(n); }
  static constexpr Instant never() { return Instant(std::numeric_limits<std::int64_t>::max()); }
  constexpr std::int64_t nanos() const { return nanos_; }
  constexpr bool is_never() const { return nanos_ == never().nanos_; }
  constexpr auto operator<=>(const Instant&) const = default;
  friend constexpr Instant operator+(Instant t, Duration d) {
    if (t.is_never()) return t;
    std::int64_t sum = 0;
    if (__builtin_add_overflow(t.nanos_, d.count(), &sum)) {
      return d.count() > 0 ? never() : Instant(std::numeric_limits<std::int64_t>::min());
    }
    return Instant(sum);
  }
  friend constexpr Instant operator-(Instant t, Duration d) { return t + Duration(-d.count()); }
  friend constexpr Duration operator-(Instant a, Instant b) {
    return Duration(a.nanos_ - b.nanos_);
  }
  constexpr Instant& operator+=(Duration d) { return *this = *this + d; }

 private:
  explicit constexpr Instant(std::int64_t n) : nanos_(n) {}
  std::int64_t nanos_ = 0;
};

/// Calendar time: nanoseconds since 1970-01-01T00:00:00Z.
class WallTime {
 public:
  constexpr WallTime() = default;
  static constexpr WallTime from_unix_nanos(std::int64_t n) { return WallTime(n); }
  constexpr std::int64_t unix_nanos() const { return nanos_; }
  constexpr auto operator<=>(const WallTime&) const = default;
  friend constexpr WallTime operator+(WallTime t, Duration d) {
    return WallTime(t.nanos_ + d.count());
  }
  friend constexpr Duration operator-(WallTime a, WallTime b) {
    return Duration(a.nanos_ - b.nanos_);
  }

 private:
  explicit constexpr WallTime(std::int64_t n) : nanos_(n) {}
  std::int64_t nanos_ = 0;
};

}  // namespace tidegate
