#include "core/policy/tide_trend.h"

#include <algorithm>
#include <cmath>

#include "core/base/math.h"
#include "core/policy/tide_work.h"

namespace tidegate::policy {

namespace {
/// In variances: three deviations.
constexpr double kClearRise = 9;
/// Unseen, a quarter of a rise is believed; that is worth one rise to twice the rate.
constexpr double kPriorBelieved = 0.25, kPriorSquares = 1;
constexpr double kMemorySeconds = 4 * 3'600;
/// What came counts for no more rises than this, nor falls.
constexpr double kWildest = 3;
}  // namespace

void learn_trend(const TideBin& bin, double window, double lead, TideState& s) {
  const double memory = std::max(2 * window, lead);
  TideTrend& t = s.trend;
  t.mean += mean_gain(bin, memory, s) * (bin.requests_per_second - t.mean);
  const double above = s.last - t.mean;
  // Of two exponentially weighted means of the same counts.
  const double chance =
      s.last * s.dispersion * (0.5 / window + 0.5 / memory - 2 / (window + memory));
  const double rising = std::max(0.0, above);
  t.slope = believed_share(rising, chance, kClearRise) * rising / (memory - window);
}

double rise(double ahead, double window, const TideState& s) {
  return s.trend.slope * (window + ahead);
}

double believed_trend(const TideState& s) {
  return std::clamp(
      (s.trend.products + kPriorBelieved * kPriorSquares) / (s.trend.squares + kPriorSquares), 0.0,
      1.0);
}

void judge_rise(const TideForecast& said, const TideBin& bin, TideState& s) {
  const double kept = exp(-to_seconds(bin.length) / kMemorySeconds);
  s.trend.squares *= kept;
  s.trend.products *= kept;
  if (!(said.rise > 0) || !(said.level > 0)) return;
  const double rose = said.rise / said.level;
  const double came = (bin.requests_per_second - said.level) / said.level;
  s.trend.squares += rose * rose;
  s.trend.products += rose * std::clamp(came, -kWildest * rose, kWildest * rose);
}

}  // namespace tidegate::policy
