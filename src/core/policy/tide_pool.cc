#include "core/policy/tide_pool.h"

#include <algorithm>

#include "core/base/math.h"
#include "core/policy/tide_fleet.h"

namespace tidegate::policy {

namespace {
constexpr double kPriorEvents = 0.5, kPriorHours = 24;
/// Surprises are rare: what happened a month ago still counts by a third.
constexpr double kMemoryHours = 30 * 24;

/// A sleeper at more than this share of the price of one awake is better awake: it serves at once.
constexpr double kDozePrice = 0.5;

double hours(Duration d) { return to_seconds(d) / 3'600; }

/// Surprises an hour that exceed `times` the capacity ordered.
double frequency(double times, const TideState& s) {
  // The next larger size that was counted: never more than what was seen.
  std::size_t size = 0;
  while (size < std::size(kTideSurprises) && kTideSurprises[size] < times - 1e-9) ++size;
  if (size == std::size(kTideSurprises)) return 0;
  const double seen = s.surprises.empty() ? 0 : s.surprises[size];
  return (kPriorEvents + seen) / (kPriorHours + s.surprise_hours);
}
}  // namespace

void watch_surprises(const Input& in, double sustained, Duration lead, TideState& s) {
  if (s.surprises.size() != std::size(kTideSurprises)) {
    s.surprises.assign(std::size(kTideSurprises), 0);
    s.watch_began = in.now;
    s.watch_sustained = sustained;
    s.watch_largest = 0;
  }
  s.watch_largest = std::max(s.watch_largest, s.fast);
  const Duration watched = in.now - s.watch_began;
  if (watched < lead) return;
  // A gap in what was seen is no calm.
  const double counted = std::min(hours(watched), 2 * hours(lead));
  const double kept = exp(-counted / kMemoryHours);
  s.surprise_hours = s.surprise_hours * kept + counted;
  for (std::size_t i = 0; i < s.surprises.size(); ++i) {
    const bool exceeded =
        s.watch_sustained > 0 && s.watch_largest > kTideSurprises[i] * s.watch_sustained;
    s.surprises[i] = s.surprises[i] * kept + (exceeded ? 1 : 0);
  }
  s.watch_began = in.now;
  s.watch_sustained = sustained;
  s.watch_largest = 0;
}

bool dozes(const Input& in, std::size_t variant) {
  const spec::Variant& v = in.model.variants[variant];
  return v.warm_pool.max_replicas.value() > 0 &&
         in.model.scaling.tide_without != spec::TidePart::kWarmPool &&
         spec::sleeper_cost_dollars(v) <= kDozePrice * v.cost_per_hour_dollars &&
         wake_time(in, variant) < usual_lead(in, variant);
}

std::int64_t sleepers(const Input& in, std::size_t variant, std::int64_t awake,
                      const TideCapacity& each, Duration lead, double share, const TideState& s) {
  const spec::Variant& v = in.model.variants[variant];
  const std::int64_t least = v.warm_pool.min_replicas.value();
  const std::int64_t most = v.warm_pool.max_replicas.value();
  if (most <= least || in.model.scaling.tide_without == spec::TidePart::kWarmPool) return least;
  const Duration sooner = lead - wake_time(in, variant);
  if (sooner <= Duration(0)) return least;
  const double price = spec::sleeper_cost_dollars(v);
  const double rescued = each.requests_per_second * to_seconds(sooner);  // a surprise
  const double usual = v.cost_per_hour_dollars / (each.requests_per_second * 3'600) / (1 - share);
  const double miss = in.model.slo.miss_cost_dollars.value_or(usual);
  const auto there = static_cast<double>(std::max<std::int64_t>(1, awake));
  std::int64_t count = 0;
  while (count < most) {
    // Of use whenever more comes than those before it serve.
    const double times = (there + static_cast<double>(count)) / there;
    if (frequency(times, s) * rescued * miss < price) break;
    ++count;
  }
  return std::max(least, count);
}

}  // namespace tidegate::policy
