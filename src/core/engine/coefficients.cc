#include "core/engine/coefficients.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/base/math.h"

namespace tidegate::engine {
namespace {

constexpr double kFemto = 1e-15;
constexpr double kMostLogFs = 39;  ///< e^39 fs: about 87 s
constexpr std::array<std::int64_t Profile::*, Coefficients::kCount> kMembers = {
    &Profile::c0_fs, &Profile::c1_fs, &Profile::c2_fs, &Profile::c3_fs, &Profile::c4_fs};

/// A coefficient in prefill tokens (c1), and how many times more or less is still usual.
struct Usual {
  std::size_t index;
  double ratio;
  double spread;
};
constexpr Usual kUsual[] = {{0, 170, 1.65}, {2, 0.25, 1.65}, {4, 5e-5, 2.0}};
constexpr double kContextRatio = 0.0015;  ///< c3: one of many, by heads and precision; not a belief

/// To five digits: more is noise, and a profile is read by people.
std::int64_t rounded(std::int64_t fs) {
  std::int64_t unit = 1;
  while (fs / unit >= 100'000) unit *= 10;
  return (fs + unit / 2) / unit * unit;
}

}  // namespace

Coefficients Coefficients::typical(double prefill_token_seconds) {
  Coefficients out;
  const double c1 = log(std::max(prefill_token_seconds, 1e-12) / kFemto);
  out.log_fs.assign(kCount, c1);
  for (const Usual& usual : kUsual) out.log_fs[usual.index] += log(usual.ratio);
  out.log_fs[3] += log(kContextRatio);
  return out;
}

Coefficients Coefficients::of(const Profile& profile) {
  Coefficients out;
  for (std::size_t i = 0; i < kCount; ++i) {
    out.log_fs[i] = log(static_cast<double>(std::max<std::int64_t>(1, profile.*kMembers[i])));
  }
  return out;
}

void Coefficients::apply(Profile& profile) const {
  for (std::size_t i = 0; i < kCount; ++i) {
    const double fs = exp(std::min(log_fs[i], kMostLogFs));
    profile.*kMembers[i] = rounded(static_cast<std::int64_t>(fs + 0.5));
  }
  profile.c0_fs = std::max<std::int64_t>(1, profile.c0_fs);
}

double Coefficients::strangeness() const {
  double sum = 0;
  for (const Usual& usual : kUsual) {
    double off = (log_fs[usual.index] - log_fs[1] - log(usual.ratio)) / log(usual.spread);
    sum += log(1 + off * off);
  }
  return sum;
}

}  // namespace tidegate::engine
