// What the laws are built from: HPA's law on one reading, the mix over variants, the sliding
// maximum.

#include "core/policy/mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/base/rng.h"
#include "core/policy/metric.h"
#include "core/policy/recent.h"

namespace tidegate::policy {
namespace {

Instant at(double s) { return Instant::from_nanos(1'000'000'000'000) + seconds_f(s); }

signal::Signal fresh(double value, double coverage) {
  return {value, {}, signal::Source::kGateway, signal::Freshness::kFresh, coverage};
}

TEST(Metric, HpaCountsWhatItDidNotHearAgainstTheChange) {
  struct Row {
    const char* says;
    Extent extent;
    double value, coverage;
    Count count;
    std::int64_t replicas;
  };
  const Row rows[] = {
      {"a mean of half the target on all ten halves", Extent::kMean, 0.5, 1, {10, 10}, 5},
      {"with half of them silent: silent ones count as full, 7.5",
       Extent::kMean,
       0.5,
       0.5,
       {10, 10},
       8},
      {"a mean of 1.6 on all ten is sixteen", Extent::kMean, 1.6, 1, {10, 10}, 16},
      {"with half of them silent: silent ones count as idle, turned round: keep",
       Extent::kMean,
       1.6,
       0.5,
       {10, 10},
       10},
      {"not-ready ones count as idle on the way up", Extent::kMean, 1.5, 1, {10, 8}, 12},
      {"and may cancel it", Extent::kMean, 1.2, 1, {10, 8}, 10},
      {"none ready: nothing known of them, keep", Extent::kMean, 3, 1, {10, 0}, 10},
      {"a total on the way down with two of ten silent keeps two for them",
       Extent::kTotal,
       5,
       0.8,
       {10, 10},
       7},
      {"a ratio above one with none ready keeps instead of giving none",
       Extent::kRatio,
       4,
       1,
       {3, 0},
       3},
      {"a ratio multiplies the ready ones", Extent::kRatio, 2, 1, {4, 4}, 8},
      {"a ratio within the tolerance keeps", Extent::kRatio, 1.1, 1, {4, 4}, 4},
  };
  for (const Row& row : rows) {
    Reading reading{row.extent, fresh(row.value, row.coverage), 1};
    EXPECT_EQ(hpa_replicas(reading, row.count, {}), row.replicas) << row.says;
  }
}

TEST(Mix, FillsTheCheapestPerRequestHeldFirst) {
  spec::Model model;
  model.scaling.environment = spec::Environment::kCost;
  model.variants.resize(3);
  const double costs[] = {4, 1, 2};
  const std::int64_t sequences[] = {10, 10, 40};  // 0.4, 0.1 and 0.05 dollars a request
  for (std::size_t i = 0; i < 3; ++i) {
    model.variants[i].cost_per_hour_dollars = costs[i];
    model.variants[i].engine.max_num_seqs = sequences[i];
    model.variants[i].max_replicas = Replicas(2);
  }
  model.variants[0].min_replicas = Replicas(1);
  EXPECT_THAT(fill_order(model), testing::ElementsAre(2, 1, 0));
  struct Row {
    double requests;
    std::vector<std::int64_t> each;
  };
  const Row rows[] = {{0, {1, 0, 0}},   {10, {1, 0, 0}}, {11, {1, 0, 1}},
                      {90, {1, 0, 2}},  {91, {1, 1, 2}}, {110, {1, 2, 2}},
                      {120, {2, 2, 2}}, {121, {3, 2, 2}}};  // beyond all maxima: with the dearest,
                                                            // for the bounds
  for (const Row& row : rows) {
    EXPECT_EQ(split(model, replicas_for(model, row.requests)), row.each) << row.requests;
  }
}

TEST(Mix, WholeReplicasIgnoresRoundingNoiseAndNothingElse) {
  EXPECT_EQ(whole_replicas(7 / 0.7 / 10), 1);
  EXPECT_EQ(whole_replicas(0.1 * 3 / 0.1), 3);
  EXPECT_EQ(whole_replicas(1.0001), 2);
  EXPECT_EQ(whole_replicas(-3), 0);
  EXPECT_EQ(whole_replicas(std::nan("")), 0);
  EXPECT_EQ(whole_replicas(INFINITY), kMostReplicas);
}

TEST(Recent, IsTheMaximumOfTheWindowAgainstBruteForce) {
  Rng rng(7, "recent");
  std::vector<Sample> list, all;
  for (int i = 0; i < 3000; ++i) {
    Instant now = at(static_cast<double>(i));
    double value = static_cast<double>(rng.below(20));
    note(list, now, value, seconds(90));
    all.push_back({now, value});
    double brute = 0;
    for (const Sample& sample : all) {
      if (sample.at >= now - seconds(60)) brute = std::max(brute, sample.value);
    }
    ASSERT_EQ(largest(list, now, seconds(60)), brute) << i;
  }
}

TEST(Recent, IsBoundedAndErrsUpwards) {
  std::vector<Sample> list;
  for (std::size_t i = 0; i <= kMaxRecent; ++i) {
    note(list, at(static_cast<double>(i)), 1000.0 - static_cast<double>(i), seconds(900));
    EXPECT_LE(list.size(), kMaxRecent);
  }
  for (std::size_t back = 0; back <= kMaxRecent; ++back) {
    double exact = 1000.0 - static_cast<double>(kMaxRecent - back);
    double found = largest(list, at(static_cast<double>(kMaxRecent)),
                           seconds(static_cast<std::int64_t>(back)));
    EXPECT_GE(found, exact);
    EXPECT_LE(found, exact + 1);
  }
}

}  // namespace
}  // namespace tidegate::policy
