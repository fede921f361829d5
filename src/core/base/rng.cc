#include "core/base/rng.h"

#include <bit>
#include <cmath>

#include "core/base/math.h"

namespace tidegate {
namespace {

std::uint64_t splitmix(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

constexpr double kZ90 = 1.2815515655446004;  // normal quantile of 0.9

}  // namespace

Rng::Rng(std::uint64_t seed, std::string_view stream) {
  std::uint64_t state = seed;
  for (char c : stream) state = splitmix(state) ^ static_cast<unsigned char>(c);
  for (auto& word : s_) word = splitmix(state);
}

std::uint64_t Rng::next() {
  std::uint64_t result = std::rotl(s_[1] * 5, 7) * 9;
  std::uint64_t t = s_[1] << 17;
  s_[2] ^= s_[0];
  s_[3] ^= s_[1];
  s_[1] ^= s_[2];
  s_[0] ^= s_[3];
  s_[2] ^= t;
  s_[3] = std::rotl(s_[3], 45);
  return result;
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::uint64_t Rng::below(std::uint64_t n) {
  std::uint64_t limit = (0 - n) % n;  // first value that would not bias
  std::uint64_t r = next();
  while (r < limit) r = next();
  return r % n;
}

double Rng::exponential(double mean) { return -mean * log(1.0 - uniform()); }

double Rng::normal(double mean, double stddev) {
  double u = 1.0 - uniform();  // (0, 1]
  return mean + stddev * std::sqrt(-2 * log(u)) * cos_turns(uniform());
}

double Rng::lognormal_p50_p90(double p50, double p90) {
  double sigma = log(p90 / p50) / kZ90;
  return p50 * exp(sigma * normal(0, 1));
}

double Rng::gamma(double shape, double scale) {
  if (shape < 1) {
    double u = 1.0 - uniform();
    return gamma(shape + 1, scale) * pow(u, 1 / shape);
  }
  double d = shape - 1.0 / 3.0;
  double c = 1 / std::sqrt(9 * d);
  for (;;) {
    double x = normal(0, 1);
    double v = 1 + c * x;
    if (v <= 0) continue;
    v = v * v * v;
    double u = 1.0 - uniform();
    if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) return d * v * scale;
  }
}

}  // namespace tidegate
