#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "core/base/ascii.h"
#include "core/base/math.h"
#include "core/base/reason.h"
#include "core/base/rng.h"
#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/base/window.h"

namespace tidegate {
namespace {

Instant at(double s) { return Instant::from_nanos(0) + seconds_f(s); }

TEST(Time, AdditionSaturatesInsteadOfWrappingAround) {
  EXPECT_TRUE((Instant::never() + seconds(1)).is_never());
  EXPECT_TRUE((Instant::from_nanos(INT64_MAX - 5) + seconds(1)).is_never());
  EXPECT_EQ((at(2) - at(0.5)), millis(1500));
  EXPECT_EQ(seconds_f(1e300), Duration::max());
  EXPECT_EQ(seconds_f(-0.25), millis(-250));
}

TEST(Math, AgreesWithLibmToFourUnitsInTheFifteenthDigit) {
  for (double x = -600; x < 600; x += 0.37) {
    EXPECT_NEAR(exp(x) / std::exp(x), 1, 1e-13) << x;
  }
  for (double x = 1e-300; x < 1e300; x *= 3.7) {
    EXPECT_NEAR(log(x), std::log(x), 4e-15 * std::max(1.0, std::abs(std::log(x)))) << x;
  }
  for (double t = -3; t < 3; t += 0.0137) {
    EXPECT_NEAR(sin_turns(t), std::sin(2 * M_PI * t), 1e-14) << t;
    EXPECT_NEAR(cos_turns(t), std::cos(2 * M_PI * t), 1e-14) << t;
  }
}

TEST(Math, EdgesAreDefined) {
  EXPECT_EQ(exp(-800), 0);
  EXPECT_TRUE(std::isinf(exp(800)));
  EXPECT_TRUE(std::isnan(log(-1)));
  EXPECT_EQ(pow(0, 2), 0);
  EXPECT_EQ(pow(5, 0), 1);
  EXPECT_NEAR(pow(2, 10), 1024, 1e-9);
  EXPECT_NEAR(normal_quantile(0.9), 1.2815515655446004, 1e-8);
  EXPECT_NEAR(normal_quantile(0.001), -3.090232306167813, 1e-7);
}

TEST(Rng, TheSameSeedAndNameGiveTheSameNumbersForEver) {
  Rng a(42, "arrivals"), b(42, "arrivals"), other(42, "lengths");
  std::uint64_t first = a.next();
  EXPECT_EQ(first, b.next());
  EXPECT_NE(first, other.next());
  // Golden: these numbers are API (scenario reports depend on them).
  Rng golden(1, "golden");
  EXPECT_EQ(golden.next(), 0x82c1a21b710920b8ULL);
  EXPECT_EQ(golden.normal(0, 1), -0x1.3f646673c2167p-4);
  EXPECT_EQ(golden.gamma(2.5, 3), 0x1.1f78e65681154p+3);
  EXPECT_EQ(tidegate::exp(1.25), 0x1.bec38edb0faf1p+1);
  EXPECT_EQ(tidegate::log(7), 0x1.f2272ae325a58p+0);
}

TEST(Rng, DistributionsHaveTheirMoments) {
  Rng rng(7, "moments");
  constexpr int kN = 200'000;
  double exponential = 0, gamma = 0, gamma2 = 0;
  std::vector<double> lognormal;
  for (int i = 0; i < kN; ++i) {
    exponential += rng.exponential(3);
    double g = rng.gamma(0.25, 4);
    gamma += g;
    gamma2 += g * g;
    lognormal.push_back(rng.lognormal_p50_p90(10, 25));
  }
  EXPECT_NEAR(exponential / kN, 3, 0.05);
  EXPECT_NEAR(gamma / kN, 1, 0.03);      // shape * scale
  EXPECT_NEAR(gamma2 / kN - 1, 4, 0.3);  // shape * scale^2
  std::sort(lognormal.begin(), lognormal.end());
  EXPECT_NEAR(lognormal[kN / 2], 10, 0.2);
  EXPECT_NEAR(lognormal[kN * 9 / 10], 25, 0.5);
}

TEST(Rng, BelowIsUniform) {
  Rng rng(3, "below");
  std::vector<int> seen(7);
  for (int i = 0; i < 70'000; ++i) ++seen[rng.below(7)];
  for (int count : seen) EXPECT_NEAR(count, 10'000, 500);
}

TEST(Window, MeanIsTimeWeightedOverWhatIsCovered) {
  TimeAverage w;
  EXPECT_EQ(w.mean(at(5), seconds(60), -1), -1) << "nothing known is not zero";
  w.set(10, at(0), seconds(60));
  EXPECT_DOUBLE_EQ(w.mean(at(10), seconds(60), -1), 10) << "the time before the first is not zero";
  w.set(20, at(10), seconds(60));
  EXPECT_DOUBLE_EQ(w.mean(at(20), seconds(60), -1), 15);
  EXPECT_DOUBLE_EQ(w.mean(at(70), seconds(60), -1), 20) << "what ended before the window is out";
  EXPECT_DOUBLE_EQ(w.max(at(30), seconds(60), -1), 20);
}

TEST(Window, ManyPointsFoldAndKeepTheArea) {
  TimeAverage w;
  Rng rng(5, "window");
  std::vector<Sample> all;
  for (double t = 0; t < 300; t += 0.1) {
    double v = rng.uniform() * 100;
    w.set(v, at(t), seconds(60));
    all.push_back({at(t), v});
    ASSERT_LE(w.samples_.size(), TimeAverage::kMaxSamples);
  }
  double exact = 0;
  Instant end = at(300), start = at(240);
  for (std::size_t i = 0; i < all.size(); ++i) {
    Instant from = std::max(all[i].at, start), to = i + 1 < all.size() ? all[i + 1].at : end;
    if (to > from) exact += all[i].value * to_seconds(to - from);
  }
  EXPECT_NEAR(w.mean(end, seconds(60), 0), exact / 60, 1.5);
}

TEST(Reasons, EveryCodeHasATokenOfItsOwnAndASentence) {
  std::set<std::string_view> tokens;
  for (std::size_t i = 0; i < std::size(EnumTokens<ReasonCode>::kTokens); ++i) {
    auto code = static_cast<ReasonCode>(i);
    EXPECT_TRUE(tokens.insert(token(code)).second) << token(code);
    EXPECT_NE(sentence(code), "unknown reason") << token(code);
    EXPECT_EQ(from_token<ReasonCode>(token(code)), code);
  }
  EXPECT_EQ(sentence(static_cast<ReasonCode>(tokens.size())), "unknown reason")
      << "a code without a token";
}

TEST(Reasons, TheOneThatBoundIsTheLastThatChangedANumber) {
  EXPECT_EQ(binding_reason({}), nullptr);
  std::vector<Reason> reasons = {{ReasonCode::kConcurrency, "", 1, 5, {}},
                                 {ReasonCode::kMaxReplicas, "", 5, 3, {}},
                                 {ReasonCode::kPendingCapacity, "", 3, 3, {}}};
  EXPECT_EQ(binding_reason(reasons)->code, ReasonCode::kMaxReplicas);
  reasons = {{ReasonCode::kMinReplicas, "", 1, 1, {}}, {ReasonCode::kNoChange, "", 1, 1, {}}};
  EXPECT_EQ(binding_reason(reasons)->code, ReasonCode::kNoChange);
}

TEST(Ascii, OnlyItsOwnLettersAndDigitsCount) {
  EXPECT_EQ(ascii::lower("X-Amz-\xc3\x84[@`{9"), "x-amz-\xc3\x84[@`{9");
  EXPECT_TRUE(ascii::equal_ignoring_case("Infinity", "iNFINITY"));
  EXPECT_FALSE(ascii::equal_ignoring_case("inf", "infinity"));
  EXPECT_FALSE(ascii::equal_ignoring_case("[", "{"));
  std::string letters, hex;
  for (int byte = -128; byte < 128; ++byte) {
    const char c = static_cast<char>(byte);
    if (ascii::is_alphanumeric(c)) letters += c;
    if (ascii::hex_digit(c) >= 0) hex += c;
  }
  EXPECT_EQ(letters, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
  EXPECT_EQ(hex, "0123456789ABCDEFabcdef");
  EXPECT_EQ(ascii::hex_digit('7') + ascii::hex_digit('A') + ascii::hex_digit('f'), 7 + 10 + 15);
}

}  // namespace
}  // namespace tidegate
