#include "core/policy/tide_staffing.h"

#include <algorithm>
#include <cmath>

#include "core/base/math.h"

namespace tidegate::policy {

namespace {
constexpr double kInverseRootTwoPi = 0.3989422804014327;
/// Where nobody may wait the bound is on the pace of a request, a mean over its life, which wanders
/// less than the number in service does: by the root of 0.7, between lives alike and exponential.
constexpr double kMeanOfLife = 0.84;
constexpr int kSteps = 12;
constexpr double kCloseEnough = 1e-4, kLeastDeviations = 0.01;

double density(double x) { return kInverseRootTwoPi * exp(-x * x / 2); }

/// `at` is the density there.
double cdf_given(double x, double at) {
  const double t = 1 / (1 + 0.2316419 * std::abs(x));
  const double sum =
      t *
      (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return x < 0 ? at * sum : 1 - at * sum;
}

/// Deviations by which capacity must exceed the mean: the root of log P(late) = log(1 - share), by
/// Newton's method within a bracket; no more than `z`, where nobody may wait.
double deviations(double decay, double share, double z) {
  const double wanted = -log(1 - share);
  double low = 0, high = std::max(kLeastDeviations, z);
  double b = high / (1 + high * decay / wanted);  // right where either of the two terms is all
  for (int i = 0; i < kSteps; ++i) {
    const double at = density(b), below = cdf_given(b, at);
    const double odds = 1 + b * below / at;
    const double value = log(odds) + b * decay - wanted;
    if (std::abs(value) < kCloseEnough || (value < 0 && b >= high)) break;
    (value < 0 ? low : high) = b;
    // d/db of b * cdf / density
    const double slope = ((below + b * at) / at + b * b * below / at) / odds + decay;
    const double next = b - value / slope;
    b = next > low ? std::min(next, high) : (low + high) / 2;
  }
  return b;
}
}  // namespace

double normal_cdf(double x) { return cdf_given(x, density(x)); }

double staffed_rate(const StaffingAsk& ask) {
  if (!(ask.rate > 0)) return 0;
  const double share = std::clamp(ask.share, 0.5, 0.99999);
  const double z = normal_quantile(share);
  const double deviation = std::sqrt(ask.rate * ask.dispersion / ask.service_seconds);
  const double decay = deviation * ask.wait_seconds / std::max(1e-9, ask.dispersion);
  const double chance =
      ask.chance *
      (ask.wait_seconds > 0 ? std::min(z, deviations(decay, share, z)) : kMeanOfLife * z) *
      deviation;
  return ask.rate + std::sqrt(chance * chance + ask.error * ask.error);
}

}  // namespace tidegate::policy
