#include "sim/report/series.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "sim/report/sampler.h"
#include "sim/report/thinned.h"

namespace tidegate::sim {
namespace {

/// A value that jumps about, with one spike at a third of the way.
std::int64_t wild(std::int64_t i, std::int64_t n) { return i == n / 3 ? 9'999 : (i * 7'919) % 97; }

TEST(Series, KeepsEveryPeakEveryDipAndEverySumWhateverTheLength) {
  for (std::int64_t n : {1, 7, 8, 9, 15, 16, 17, 100, 1'000, 4'095, 4'097}) {
    SCOPED_TRACE(n);
    Sampler sampler(8);
    std::int64_t arrived = 0, most = 0, least = 1'000'000;
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t queued = wild(i, n);
      arrived += i % 5;
      most = std::max(most, queued);
      least = std::min(least, queued);
      sum += static_cast<double>(queued);
      sampler.sample(
          {.at = Instant() + seconds(i + 1), .arrived_total = arrived, .queued = queued});
    }
    const std::vector<Bucket>& buckets = sampler.series().buckets();
    ASSERT_LE(buckets.size(), 8U);
    EXPECT_GE(buckets.size(), static_cast<std::size_t>(std::min<std::int64_t>(n, 4)))
        << "no coarser than it must be";
    Extent all;
    std::int64_t samples = 0, counted = 0;
    Instant expected_from;
    for (const Bucket& bucket : buckets) {
      EXPECT_EQ(bucket.from, expected_from) << "no stretch of time is missing or told twice";
      expected_from = bucket.to;
      all.merge(bucket[Channel::kQueue]);
      samples += bucket.samples;
      counted += bucket.arrived;
      if (&bucket != &buckets.back()) {
        EXPECT_EQ(bucket.samples, sampler.series().samples_per_bucket());
      }
    }
    EXPECT_EQ(expected_from, Instant() + seconds(n));
    EXPECT_EQ(samples, n);
    EXPECT_EQ(counted, arrived);
    EXPECT_EQ(all.most, static_cast<double>(most));
    EXPECT_EQ(all.least, static_cast<double>(least));
    EXPECT_DOUBLE_EQ(all.sum, sum);
  }
}

TEST(Series, MergingPairsKeepsTheOddLastOne) {
  std::vector<Bucket> buckets(3);
  for (int i = 0; i < 3; ++i) {
    buckets[i].from = Instant() + seconds(i);
    buckets[i].to = Instant() + seconds(i + 1);
    buckets[i].samples = 1;
    buckets[i].cost_dollars = i;
    buckets[i].ready_sum.assign(static_cast<std::size_t>(i), 1);
  }
  merge_pairs(buckets);
  ASSERT_EQ(buckets.size(), 2U);
  EXPECT_EQ(buckets[0].to, Instant() + seconds(2));
  EXPECT_EQ(buckets[0].samples, 2);
  EXPECT_EQ(buckets[0].cost_dollars, 1) << "cost is a total: the later one";
  EXPECT_EQ(buckets[0].ready_sum, (std::vector<std::int64_t>{1}));
  EXPECT_EQ(buckets[1].samples, 1);
}

TEST(Sampler, TotalsBecomeRatesOverTheTimeBetweenSamples) {
  Sampler sampler(8);
  sampler.sample({.at = Instant(), .arrived_total = 0});
  sampler.sample(
      {.at = Instant() + seconds(2), .arrived_total = 10, .met_total = 3, .ended_total = 4});
  const std::vector<Bucket>& b = sampler.series().buckets();
  ASSERT_EQ(b.size(), 2U);
  EXPECT_EQ(b[0][Channel::kArrivals].count, 0) << "no time has passed: no rate";
  EXPECT_EQ(b[1][Channel::kArrivals].most, 5);
  EXPECT_EQ(b[1].met, 3);
  EXPECT_EQ(b[1].ended, 4);
}

TEST(Sampler, ALatencyNobodyMeasuredIsNoValue) {
  Sampler sampler(8);
  sampler.sample({.at = Instant() + seconds(1), .ttft_p99_seconds = -1});
  EXPECT_EQ(sampler.series().buckets()[0][Channel::kTtftP99].count, 0);
}

TEST(Sampler, ReadyReplicasAreCountedByVariant) {
  using S = control::ReplicaState;
  Sampler sampler(8);
  auto tell = [&](std::uint64_t id, std::size_t variant, S state) {
    sampler.replica({.id = ReplicaId(id), .variant = variant, .state = state});
  };
  tell(1, 1, S::kReady);
  tell(2, 0, S::kReady);
  tell(3, 1, S::kReady);
  tell(4, 1, S::kOrdered);
  tell(3, 1, S::kReady);  // said twice
  tell(2, 0, S::kSleeping);
  tell(4, 1, S::kGone);
  sampler.sample({.at = Instant() + seconds(1)});
  EXPECT_EQ(sampler.series().buckets()[0].ready_sum, (std::vector<std::int64_t>{0, 2}));
}

TEST(Thinned, TheLargestOfAllIsAlwaysKeptAndTheOrderStays) {
  for (std::int64_t n : {1, 3, 4, 5, 8, 9, 1'000, 1'023}) {
    SCOPED_TRACE(n);
    struct Item {
      std::int64_t index, size;
    };
    Thinned<Item> thinned(4, [](const Item& a, const Item& b) { return a.size < b.size; });
    for (std::int64_t i = 0; i < n; ++i) thinned.add({i, wild(i, n)});
    EXPECT_LE(thinned.kept().size(), 4U);
    EXPECT_EQ(thinned.total(), n);
    for (std::size_t k = 0; k < thinned.kept().size(); ++k) {
      // Brute force: the first largest of its stretch of every() neighbours.
      std::int64_t begin = static_cast<std::int64_t>(k) * thinned.every(), best = begin;
      for (std::int64_t i = begin; i < std::min(n, begin + thinned.every()); ++i) {
        if (wild(i, n) > wild(best, n)) best = i;
      }
      EXPECT_EQ(thinned.kept()[k].index, best);
    }
  }
}

}  // namespace
}  // namespace tidegate::sim
