#include "core/policy/tide_staffing.h"

#include <algorithm>
#include <cmath>

#include "core/base/math.h"

namespace tidegate::policy {

namespace {
constexpr double kInverseRootTwoPi = 0.3989422804014327;
constexpr double kMostDeviations = 8;
/// Where nobody may wait the bound is on the pace of a request, a mean over its life, which wanders
/// less than the number in service does: by the root of 0.7, between lives alike and exponential.
constexpr double kMeanOfLife = 0.84;
constexpr int kHalvings = 24;  // of eight deviations: to the last millionth

double density(double x) { return kInverseRootTwoPi * exp(-x * x / 2); }

/// Share of requests that wait longer than allowed, `b` deviations beyond the mean.
double late(double b, double decay) {
  const double any = 1 / (1 + b * normal_cdf(b) / density(b));
  return any * exp(-std::min(600.0, b * decay));
}

/// Deviations by which capacity must exceed the mean.
double deviations(double decay, double share) {
  const double allowed = 1 - share;
  double low = 0, high = kMostDeviations;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (late(middle, decay) > allowed ? low : high) = middle;
  }
  return high;
}
}  // namespace

double normal_cdf(double x) {
  if (x < 0) return 1 - normal_cdf(-x);
  const double t = 1 / (1 + 0.2316419 * x);
  const double sum =
      t *
      (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return 1 - density(x) * sum;
}

double staffed_rate(const StaffingAsk& ask) {
  if (!(ask.rate > 0)) return 0;
  const double share = std::clamp(ask.share, 0.5, 0.99999);
  const double z = normal_quantile(share);
  const double deviation = std::sqrt(ask.rate * ask.dispersion / ask.service_seconds);
  const double decay = deviation * ask.wait_seconds / std::max(1e-9, ask.dispersion);
  const double chance =
      ask.chance *
      (ask.wait_seconds > 0 ? std::min(z, deviations(decay, share)) : kMeanOfLife * z) * deviation;
  return ask.rate + std::sqrt(chance * chance + ask.error * ask.error);
}

}  // namespace tidegate::policy
