#include "core/workload/workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/rng.h"

namespace tidegate::workload {
namespace {

spec::LatencyBound bound(Duration value) {
  spec::LatencyBound b;
  b.bound = value;
  return b;
}

TEST(MetTest, EveryBoundThatIsGivenMustHold) {
  spec::Slo all;
  all.ttft = bound(seconds(2));
  all.itl = bound(millis(60));
  all.e2e = bound(seconds(10));
  spec::Slo only_itl;
  only_itl.itl = bound(millis(60));
  auto served = [](Duration ttft, Duration e2e, std::int64_t tokens,
                   Ending ending = Ending::kCompleted) {
    return Served{ending, ttft, e2e, Tokens(tokens)};
  };
  const struct {
    const char* label;
    spec::Slo slo;
    Served request;
    bool met;
  } rows[] = {
      {"no bound is always met", {}, served(seconds(99), seconds(999), 5), true},
      {"a lost request never is", {}, served(millis(1), millis(2), 5, Ending::kLost), false},
      {"a rejected one neither", {}, served(millis(1), millis(2), 5, Ending::kRejected), false},
      {"nor one that timed out", {}, served(millis(1), millis(2), 5, Ending::kTimedOut), false},
      {"TTFT at its bound", all, served(seconds(2), seconds(2), 1), true},
      {"TTFT one nanosecond over", all, served(seconds(2) + nanos(1), seconds(3), 100), false},
      {"ITL at its bound", all, served(seconds(1), seconds(7), 101), true},
      {"ITL a hundredth of a nanosecond over", all, served(seconds(1), seconds(7) + nanos(1), 101),
       false},
      {"one token has no ITL", only_itl, served(seconds(1), seconds(100), 1), true},
      {"E2E over", all, served(seconds(2), seconds(10) + nanos(1), 10'000), false},
  };
  for (const auto& row : rows) EXPECT_EQ(met(row.slo, row.request), row.met) << row.label;
}

TEST(SketchTest, QuantilesAreWithinTheErrorOfTheSortedValues) {
  Rng rng(7, "sketch");
  for (int shape = 0; shape < 3; ++shape) {
    Sketch sketch;
    std::vector<double> values;
    for (int i = 0; i < 20'000; ++i) {
      double v = shape == 0   ? rng.exponential(0.2)
                 : shape == 1 ? rng.lognormal_p50_p90(1.0, 30.0)
                              : 2e-6 + rng.uniform() * 1e5;
      values.push_back(v);
      sketch.add(v);
    }
    std::sort(values.begin(), values.end());
    double sum = 0;
    for (double v : values) sum += v;
    for (double q : {0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
      double exact = values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
      if (exact < 1e-6) exact = 0;
      EXPECT_NEAR(sketch.quantile(q), exact, exact * Sketch::kRelativeError * (1 + 1e-9))
          << "q " << q << " shape " << shape;
    }
    EXPECT_NEAR(sketch.mean(), sum / 20'000, 1e-9 * sum);
  }
}

TEST(SketchTest, MergingIsTheSameAsAddingToOne) {
  Rng rng(1, "merge");
  Sketch whole;
  Sketch left;
  Sketch right;
  for (int i = 0; i < 5000; ++i) {
    double v = rng.exponential(i % 2 ? 0.001 : 50);
    whole.add(v);
    (i % 2 ? left : right).add(v);
  }
  left.merge(right);
  EXPECT_EQ(left.count(), whole.count());
  for (double q = 0; q <= 1; q += 0.05) EXPECT_EQ(left.quantile(q), whole.quantile(q));
}

TEST(SketchTest, OddValuesAreCountedAndHarmNothing) {
  Sketch sketch;
  EXPECT_EQ(sketch.quantile(0.5), 0);
  sketch.add(0);
  sketch.add(-1);
  sketch.add(9e-7);
  sketch.add(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(sketch.quantile(1), 0);
  sketch.add(1e-6);
  EXPECT_NEAR(sketch.quantile(1), 1e-6, 1e-8);
  sketch.add(1e300);
  sketch.add(std::numeric_limits<double>::infinity());
  EXPECT_GT(sketch.quantile(1), 1e11) << "in the last bucket";
  EXPECT_TRUE(std::isfinite(sketch.quantile(1)));
  EXPECT_TRUE(std::isfinite(sketch.sum()));
  EXPECT_EQ(sketch.count(), 7);
  sketch.clear();
  EXPECT_EQ(sketch.count(), 0);
  EXPECT_EQ(sketch.quantile(1), 0);
}

TEST(ScoreTest, CountsEveryArrivalOnce) {
  spec::Slo slo;
  slo.ttft = bound(seconds(1));
  Score score;
  EXPECT_EQ(score.attainment(), 1.0);
  score.add(slo, {Ending::kCompleted, millis(500), seconds(2), Tokens(4)});
  score.add(slo, {Ending::kCompleted, seconds(5), seconds(6), Tokens(1)});
  score.add(slo, {Ending::kRejected, {}, {}, {}});
  score.add(slo, {Ending::kTimedOut, {}, {}, {}});
  score.add(slo, {Ending::kLost, {}, {}, {}});
  EXPECT_EQ(score.requests, 5);
  EXPECT_EQ(score.completed + score.rejected + score.timed_out + score.lost, 5);
  EXPECT_EQ(score.met, 1);
  EXPECT_EQ(score.attainment(), 0.2);
  EXPECT_EQ(score.ttft.count(), 2);
  EXPECT_EQ(score.itl.count(), 1) << "one token has no gap";
  EXPECT_NEAR(score.itl.quantile(0.5), 0.5, 0.5 * Sketch::kRelativeError);
}

}  // namespace
}  // namespace tidegate::workload
