#include "live/net/clock.h"

#include <time.h>

#include "core/base/check.h"

namespace tidegate::net {
namespace {

std::int64_t read_clock(clockid_t clock) {
  timespec t{};
  TIDEGATE_CHECK(clock_gettime(clock, &t) == 0);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

WorldClock::WorldClock(double scale, Instant resume_at)
    : scale_(scale), origin_mono_(mono_now()), origin_world_(resume_at) {
  TIDEGATE_CHECK(scale > 0);
}

Instant WorldClock::now() const { return origin_world_ + to_world(mono_now() - origin_mono_); }

Duration WorldClock::to_wall(Duration world) const {
  // Scale 1 stays in integers: exact however long the process runs.
  return scale_ == 1.0 ? world : seconds_f(to_seconds(world) / scale_);
}

Duration WorldClock::to_world(Duration wall) const {
  return scale_ == 1.0 ? wall : seconds_f(to_seconds(wall) * scale_);
}

WallTime WorldClock::wall_now() { return WallTime::from_unix_nanos(read_clock(CLOCK_REALTIME)); }

Instant WorldClock::mono_now() { return Instant::from_nanos(read_clock(CLOCK_MONOTONIC)); }

}  // namespace tidegate::net
