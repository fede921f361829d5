#pragma once
// Chance: one seed a run, a named stream a variable. xoshiro256** (Blackman and Vigna, 2018) seeded
// by splitmix64 over (seed, name). Our own distributions: the standard ones differ between
// libraries.
//
//   Rng arrivals(seed, "arrivals");
//   double gap_seconds = arrivals.exponential(1.0 / rate);

#include <cstdint>
#include <string_view>

namespace tidegate {

class Rng {
 public:
  Rng(std::uint64_t seed, std::string_view stream);
  std::uint64_t next();
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  /// Uniform integer in [0, n); n > 0. No modulo bias.
  std::uint64_t below(std::uint64_t n);
  double exponential(double mean);
  double normal(double mean, double stddev);
  /// Log-normal with the given median and 90th percentile (both > 0, p90 >= median).
  double lognormal_p50_p90(double p50, double p90);
  /// Gamma with shape > 0 and scale > 0 (Marsaglia and Tsang, 2000).
  double gamma(double shape, double scale);

 private:
  std::uint64_t s_[4];
};

}  // namespace tidegate
