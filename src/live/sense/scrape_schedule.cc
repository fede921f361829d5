#include "live/sense/scrape_schedule.h"

#include <algorithm>

#include "core/base/rng.h"

namespace tidegate::live {

Duration scrape_phase(std::uint64_t seed, ReplicaId id, Duration period) {
  Rng rng(seed ^ (id.value() * 0x9E3779B97F4A7C15ULL), "scrape phase");
  return nanos(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(period.count()))));
}

Instant next_on_grid(Instant due, Instant now, Duration period) {
  if (now < due) return due;
  return due + period * ((now - due) / period + 1);
}

Duration scrape_backoff(std::uint64_t seed, ReplicaId id, int failures, Duration period,
                        Duration limit) {
  constexpr int kMaxDoublings = 20;
  std::int64_t factor = std::int64_t{1} << std::clamp(failures, 0, kMaxDoublings);
  Duration pause = period > limit / factor ? limit : period * factor;
  Rng rng(seed ^ (id.value() * 0x9E3779B97F4A7C15ULL) ^ static_cast<std::uint64_t>(failures),
          "scrape back-off");
  auto fifth = static_cast<std::uint64_t>(pause.count() / 5);
  Duration varied = pause - nanos(static_cast<std::int64_t>(fifth)) +
                    nanos(static_cast<std::int64_t>(rng.below(2 * fifth + 1)));
  return std::min(varied, limit);
}

}  // namespace tidegate::live
