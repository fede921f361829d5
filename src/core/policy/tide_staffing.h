#pragma once
// Staffing: how much more than the mean rate must be there so that a share of the requests waits no
// longer than allowed. Internal to core/policy.
//
// Two things can exceed the mean, each a distance from it, added as independent errors are (root of
// the sum of squares):
//   chance    requests come as they come. With a = rate * service in service and b = beyond / sd
//             (sd^2 = a * dispersion), P(wait > w) = P(any) * exp(-beyond * w / (service *
//             dispersion)), where P(any) = 1 / (1 + b * Phi(b) / phi(b)) (Halfin and Whitt 1981;
//             the dispersion stands in the place of Allen and Cunneen's). Where nobody may wait:
//             the normal quantile, for the mean over a life.
//   error     the rate itself may be another than was said: the margin kept for that.
// Requests a second, seconds. Thread-safety: functions.
//
//   staffed_rate({.rate = 8, .error = 0.4, .service_seconds = 7, .wait_seconds = 1.9});   // 9.6

namespace tidegate::policy {

struct StaffingAsk {
  double rate = 0;
  double error = 0;  ///< margin of the rate forecast
  double dispersion = 1;
  double chance = 1;  ///< factor on the margin of chance, as experience has it
  double service_seconds = 1;
  double wait_seconds = 0;  ///< 0: none may wait
  double share = 0.99;      ///< of the requests, in [0.5, 1)
};

/// Never below the rate, and not falling in it.
double staffed_rate(const StaffingAsk& ask);

/// Standard normal distribution (Abramowitz and Stegun 26.2.17, error below 1e-7).
double normal_cdf(double x);

}  // namespace tidegate::policy
