#include "core/base/math.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace tidegate {
namespace {

constexpr double kLn2High = 6.93147180369123816490e-01;  // 32 bits of ln 2
constexpr double kLn2Low = 1.90821492927058770002e-10;
constexpr double kLog2E = 1.44269504088896338700e+00;
constexpr double kPi = 3.14159265358979323846;

/// x * 2^k for results in the normal range, by bits.
double scale(double x, int k) {
  if (k > 1000)
    return x * std::bit_cast<double>(std::uint64_t{2023} << 52) *
           std::bit_cast<double>(static_cast<std::uint64_t>(1023 + k - 1000) << 52);
  if (k < -1000)
    return x * std::bit_cast<double>(std::uint64_t{23} << 52) *
           std::bit_cast<double>(static_cast<std::uint64_t>(1023 + k + 1000) << 52);
  return x * std::bit_cast<double>(static_cast<std::uint64_t>(1023 + k) << 52);
}

/// Taylor series of sin and cos on |x| <= pi/4.
double sin_small(double x) {
  double x2 = x * x, term = x, sum = x;
  for (int i = 1; i <= 9; ++i) {
    term *= -x2 / static_cast<double>((2 * i) * (2 * i + 1));
    sum += term;
  }
  return sum;
}
double cos_small(double x) {
  double x2 = x * x, term = 1, sum = 1;
  for (int i = 1; i <= 9; ++i) {
    term *= -x2 / static_cast<double>((2 * i - 1) * (2 * i));
    sum += term;
  }
  return sum;
}

}  // namespace

double exp(double x) {
  if (x != x) return x;
  if (x > 709.0) return std::numeric_limits<double>::infinity();
  if (x < -700.0) return 0;
  double k = std::floor(x * kLog2E + 0.5);
  double r = (x - k * kLn2High) - k * kLn2Low;  // |r| <= ln2/2
  double term = 1, sum = 1;
  for (int i = 1; i <= 17; ++i) {
    term *= r / static_cast<double>(i);
    sum += term;
  }
  return scale(sum, static_cast<int>(k));
}

double log(double x) {
  if (x != x || x < 0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0) return -std::numeric_limits<double>::infinity();
  if (x == std::numeric_limits<double>::infinity()) return x;
  int k = 0;
  auto bits = std::bit_cast<std::uint64_t>(x);
  if ((bits >> 52) == 0) {     // subnormal
    x *= 18014398509481984.0;  // 2^54
    bits = std::bit_cast<std::uint64_t>(x);
    k = -54;
  }
  k += static_cast<int>((bits >> 52) & 0x7ff) - 1023;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffULL) | (std::uint64_t{1023} << 52));
  if (m > 1.41421356237309504880) {
    m *= 0.5;
    k += 1;
  }
  // log(m) = 2 atanh(s), s = (m-1)/(m+1), |s| <= 0.1716
  double s = (m - 1) / (m + 1), s2 = s * s, power = s, sum = 0;
  for (int i = 1; i <= 25; i += 2) {
    sum += power / static_cast<double>(i);
    power *= s2;
  }
  double dk = static_cast<double>(k);
  return dk * kLn2High + (2 * sum + dk * kLn2Low);
}

double pow(double base, double exponent) {
  if (exponent == 0) return 1;
  if (base == 0) return exponent > 0 ? 0 : std::numeric_limits<double>::infinity();
  return exp(exponent * log(base));
}

double sin_turns(double turns) {
  double f = turns - std::floor(turns);                         // [0, 1)
  double eighth = std::floor(f * 8);                            // 0..7
  double x = 2 * kPi * (f - std::floor((eighth + 1) / 2) / 4);  // |x| <= pi/4
  switch ((static_cast<int>(eighth) + 1) / 2 % 4) {
    case 0:
      return sin_small(x);
    case 1:
      return cos_small(x);
    case 2:
      return -sin_small(x);
    default:
      return -cos_small(x);
  }
}

double cos_turns(double turns) { return sin_turns(turns + 0.25); }

double normal_quantile(double p) {
  static constexpr double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
                                 -2.759285104469687e+02, 1.383577518672690e+02,
                                 -3.066479806614716e+01, 2.506628277459239e+00};
  static constexpr double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
                                 -1.556989798598866e+02, 6.680131188771972e+01,
                                 -1.328068155288572e+01};
  static constexpr double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
                                 -2.400758277161838e+00, -2.549732539343734e+00,
                                 4.374664141464968e+00,  2.938163982698783e+00};
  static constexpr double d[] = {7.784695709041462e-03, 3.224671290700398e-01,
                                 2.445134137142996e+00, 3.754408661907416e+00};
  if (p <= 0) return -std::numeric_limits<double>::infinity();
  if (p >= 1) return std::numeric_limits<double>::infinity();
  auto tail = [&](double q) {
    return (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
           ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
  };
  if (p < 0.02425) return tail(std::sqrt(-2 * log(p)));
  if (p > 1 - 0.02425) return -tail(std::sqrt(-2 * log(1 - p)));
  double q = p - 0.5, r = q * q;
  return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
         (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

}  // namespace tidegate
