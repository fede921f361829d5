#include "core/policy/tide_trend.h"

#include <gtest/gtest.h>

#include "core/base/rng.h"

namespace tidegate::policy {
namespace {

constexpr double kWindow = 60, kLead = 300, kBin = 15;

/// Bins of 15 s as the forecast learns from them; what is said comes to its hour a lead time later.
struct Learner {
  TideState s;
  std::vector<std::pair<std::int64_t, TideForecast>> said;
  std::int64_t bins = 0;

  void bin(double rate) {
    const TideBin bin{rate, seconds(15)};
    ++bins, ++s.bins;
    while (!said.empty() && said.front().first <= bins) {
      judge_rise(said.front().second, bin, s);
      said.erase(said.begin());
    }
    s.last += mean_gain(bin, kWindow, s) * (rate - s.last);
    learn_trend(bin, kWindow, kLead, s);
    TideForecast next;
    next.level = s.last;
    next.rise = rise(kLead, kWindow, s);
    said.emplace_back(bins + static_cast<std::int64_t>(kLead / kBin), next);
  }
  void calm(int length, double rate) {
    for (int i = 0; i < length; ++i) bin(rate);
  }
  void climb(int length, double from, double to) {
    for (int i = 0; i < length; ++i) bin(from + (to - from) * (i + 1) / length);
  }
};

TEST(TideTrend, ALongRiseIsContinuedAtItsSlope) {
  Learner l;
  l.calm(40, 20);
  l.climb(120, 20, 80);  // half an hour: 1/30 a second
  EXPECT_NEAR(l.s.trend.slope, 60.0 / 1'800, 0.1 * 60.0 / 1'800);
  // From the middle of the window on, `window` seconds ago in the mean.
  EXPECT_NEAR(l.s.last + rise(kLead, kWindow, l.s), 80 + 10, 1.5);
}

TEST(TideTrend, FallsAndCalmsAreNotContinued) {
  Learner l;
  l.calm(40, 20);
  EXPECT_EQ(l.s.trend.slope, 0);
  l.climb(80, 20, 5);
  EXPECT_EQ(l.s.trend.slope, 0);
}

TEST(TideTrend, ChanceIsNoSlope) {
  Learner l;
  Rng rng(7, "arrivals");
  int slopes = 0;
  for (int i = 0; i < 2'000; ++i) {
    double arrivals = 0;  // Poisson, 10/s
    for (double at = rng.exponential(0.1); at < kBin; at += rng.exponential(0.1)) ++arrivals;
    l.bin(arrivals / kBin);
    slopes += l.s.trend.slope > 0 ? 1 : 0;
  }
  EXPECT_LT(slopes, 20) << "three deviations: about one in seven hundred";
}

TEST(TideTrend, WhatWasSaidAndCameIsBelievedAndWhatDidNotIsNot) {
  EXPECT_DOUBLE_EQ(believed_trend(TideState{}), 0.25);
  Learner comes, does_not;
  for (int i = 0; i < 4; ++i) {
    comes.calm(60, 20), comes.climb(160, 20, 90);
    does_not.calm(60, 20), does_not.climb(8, 20, 90);  // two minutes, over when it would be ready
  }
  EXPECT_GT(believed_trend(comes.s), 0.7);
  EXPECT_LT(believed_trend(does_not.s), 0.1);
  does_not.calm(48 * 3'600 / 15, 20);
  EXPECT_GT(believed_trend(does_not.s), 0.15) << "it is forgotten in time";
}

TEST(TideTrend, NothingIsBelievedMoreThanWhollyNorLessThanNotAtAll) {
  Learner wild;
  for (int i = 0; i < 20; ++i) {
    wild.climb(30, 1, 2'000);
    wild.calm(30, i % 2 == 0 ? 0 : 1e9);
    EXPECT_GE(believed_trend(wild.s), 0);
    EXPECT_LE(believed_trend(wild.s), 1);
    EXPECT_GE(rise(kLead, kWindow, wild.s), 0);
  }
}

}  // namespace
}  // namespace tidegate::policy
