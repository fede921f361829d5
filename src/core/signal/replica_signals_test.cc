#include "core/signal/replica_signals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/base/rng.h"

namespace tidegate::signal {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
Instant at(double s) { return Instant::from_nanos(static_cast<std::int64_t>(s * 1e9)); }

std::uint16_t row_of(const Dialect& d, std::string_view name) {
  for (std::size_t i = 0; i < d.rows.size(); ++i) {
    if (d.rows[i].name == name) return static_cast<std::uint16_t>(i);
  }
  ADD_FAILURE() << name;
  return 0;
}
const Dialect& vllm() { return dialect(DialectId::kVllm); }

Page page_with(std::initializer_list<std::pair<const char*, double>> values) {
  Page page(vllm());
  for (auto [name, value] : values) page.add({.row = row_of(vllm(), name), .value = value});
  return page;
}
/// Counts per bucket (not cumulative) over bounds 1, 2, 4 and beyond.
Page ttft_page(std::array<double, 4> counts, double sum) {
  Page page(vllm());
  std::uint16_t row = row_of(vllm(), "vllm:time_to_first_token_seconds");
  double total = 0;
  const double bounds[] = {1, 2, 4, kInf};
  for (std::size_t i = 0; i < 4; ++i) {
    total += counts[i];
    page.add({.row = row, .part = Part::kBucket, .value = total, .bound = bounds[i]});
  }
  page.add({.row = row, .part = Part::kCount, .value = total});
  page.add({.row = row, .part = Part::kSum, .value = sum});
  return page;
}

TEST(HistogramQuantile, InterpolatesLinearlyInsideABucket) {
  const std::vector<Bucket> buckets = {{1, 10}, {2, 30}, {4, 40}};
  struct Row {
    const char* sentence;
    double q, count, expected;
  };
  const Row rows[] = {
      {"the first bucket begins at zero", 0.125, 40, 0.5},
      {"the end of a bucket is its bound", 0.25, 40, 1.0},
      {"half way into the second", 0.5, 40, 1.5},
      {"into the third", 0.875, 40, 3.0},
      {"all are below the last bound", 1.0, 40, 4.0},
      {"beyond the last finite bound it is that bound", 0.9, 80, 4.0},
  };
  for (const Row& row : rows) {
    EXPECT_DOUBLE_EQ(histogram_quantile(buckets, row.count, row.q), row.expected) << row.sentence;
  }
  EXPECT_TRUE(std::isnan(histogram_quantile(buckets, 0, 0.5))) << "nothing was observed";
  EXPECT_TRUE(std::isnan(histogram_quantile({}, 5, 0.5))) << "no bounds";
}

TEST(HistogramQuantile, LiesWithinTheBucketThatHoldsTheTrueQuantile) {
  Rng rng(5, "samples");
  const std::vector<double> bounds = {0.1, 0.2, 0.5, 1, 2, 5, 10};
  for (int round = 0; round < 200; ++round) {
    std::vector<double> samples(1 + rng.below(200));
    for (double& s : samples) s = std::min(rng.exponential(1.5), 9.9);
    std::sort(samples.begin(), samples.end());
    std::vector<Bucket> buckets;
    for (double b : bounds) {
      auto below = std::upper_bound(samples.begin(), samples.end(), b) - samples.begin();
      buckets.push_back({b, static_cast<double>(below)});
    }
    for (double q : {0.01, 0.5, 0.9, 0.99, 1.0}) {
      double got = histogram_quantile(buckets, static_cast<double>(samples.size()), q);
      auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(samples.size())));
      double truth = samples[std::max<std::size_t>(rank, 1) - 1];
      auto upper = std::lower_bound(bounds.begin(), bounds.end(), truth);
      EXPECT_LE(got, *upper);
      EXPECT_GE(got, upper == bounds.begin() ? 0 : *(upper - 1));
    }
  }
}

TEST(ReplicaMeter, TurnsCountersIntoRates) {
  struct Scrape {
    const char* sentence;
    double seconds, total, rate;  // NaN: absent
  };
  const double nan = std::nan("");
  const Scrape scrapes[] = {
      {"the first page gives none", 0, 1000, nan},
      {"then growth over time", 1, 1100, 100},
      {"over all that was seen", 2, 1400, 200},
      {"a counter that falls was reset: it shows what came since", 4, 200, 150},
      {"still no window full", 5, 350, 150},
      {"the window slides: the last half to whole counts", 10, 350, 75},
      {"with a rate of zero known as zero", 20, 350, 0},
      {"a long gap forgets", 400, 9000, nan},
      {"and begins again", 401, 9010, 10},
  };
  ReplicaMeter meter;
  for (const Scrape& s : scrapes) {
    Page page = page_with({{"vllm:generation_tokens_total", s.total}});
    ReplicaSignals got = meter.read(page, at(s.seconds), {});
    Signal rate = got.rate(SignalId::kOutputTokens, at(s.seconds), {});
    EXPECT_EQ(rate.absent(), std::isnan(s.rate)) << s.sentence;
    if (!rate.absent()) {
      EXPECT_DOUBLE_EQ(rate.value, s.rate) << s.sentence;
    }
  }
}

TEST(ReplicaMeter, ConservesCountsThroughResets) {
  // Whatever the scrapes, the rate times its span never exceeds what was truly counted.
  Rng rng(9, "resets");
  for (int round = 0; round < 100; ++round) {
    ReplicaMeter meter;
    double shown = 0, truly = 0, now = 0;
    MeterOptions whole{.window = seconds(100'000), .forget_after = seconds(100'000)};
    meter.read(page_with({{"vllm:prompt_tokens_total", 0.0}}), at(0), whole);
    for (int i = 0; i < 50; ++i) {
      now += 1;
      if (rng.below(10) == 0) shown = 0;
      double growth = static_cast<double>(rng.below(100));
      shown += growth;
      truly += growth;
      auto s = meter.read(page_with({{"vllm:prompt_tokens_total", shown}}), at(now), whole);
      double seen = s.rate(SignalId::kPromptTokens, at(now), {}).value * now;
      ASSERT_LE(seen, truly + 1e-6);
    }
  }
}

TEST(ReplicaMeter, AChangeOfNameIsNotGrowth) {
  ReplicaMeter meter;
  meter.read(page_with({{"vllm:gpu_prefix_cache_hits_total", 50.0}}), at(0), {});
  auto s = meter.read(page_with({{"vllm:prefix_cache_hits_total", 9000.0}}), at(1), {});
  EXPECT_TRUE(s.rate(SignalId::kPrefixHitTokens, at(1), {}).absent());
}

TEST(ReplicaMeter, ReadsQuantilesFromWhatGrewInTheLastWindows) {
  MeterOptions o{.histograms = HistogramSet().with(SignalId::kTtft), .window = seconds(10)};
  ReplicaMeter meter;
  auto ttft = [&](std::array<double, 4> counts, double sum, double t) {
    return meter.read(ttft_page(counts, sum), at(t), o).latency(SignalId::kTtft);
  };
  EXPECT_EQ(ttft({100, 0, 0, 0}, 50, 0).count, 0) << "what was before us is not counted";
  LatencyReading r = ttft({100, 10, 0, 0}, 65, 1);
  EXPECT_EQ(r.count, 10);
  EXPECT_DOUBLE_EQ(r.mean_seconds, 1.5);
  EXPECT_DOUBLE_EQ(r.p50_seconds, 1.5);
  EXPECT_DOUBLE_EQ(r.p90_seconds, 1.9);
  r = ttft({4, 0, 0, 0}, 2, 2);
  EXPECT_EQ(r.count, 14) << "a reset: all four came since";
  EXPECT_EQ(ttft({4, 0, 0, 0}, 2, 11).count, 14) << "the window before still counts";
  EXPECT_EQ(ttft({4, 0, 6, 0}, 20, 12).count, 20);
  r = ttft({4, 0, 6, 0}, 20, 22);
  EXPECT_EQ(r.count, 6) << "two windows on, only the newer";
  EXPECT_DOUBLE_EQ(r.mean_seconds, 3);
  EXPECT_EQ(ttft({4, 0, 6, 0}, 20, 33).count, 0);
}

TEST(ReplicaMeter, KeepsNothingOfHistogramsNobodyAskedFor) {
  ReplicaMeter meter;
  meter.read(ttft_page({1, 0, 0, 0}, 1), at(0), {});
  auto s = meter.read(ttft_page({5, 0, 0, 0}, 5), at(1), {});
  EXPECT_EQ(s.latency(SignalId::kTtft).count, 0);
}

TEST(Peak, IsTheLargestOfTheLastMinuteToASlot) {
  Rng rng(7, "peak");
  Peak peak;
  std::vector<std::pair<double, double>> noted;  // time, value
  double t = 1'000;
  for (int i = 0; i < 3'000; ++i) {
    t += rng.uniform() < 0.01 ? 200 * rng.uniform() : rng.uniform() * 4;
    bool silent = rng.uniform() < 0.1;
    double value = silent ? std::nan("") : rng.uniform();
    if (!silent) noted.emplace_back(t, value);
    double got = peak.note(value, at(t)), least = -1, most = -1;
    for (auto [when, what] : noted) {
      if (when > t - 55) least = std::max(least, what);
      if (when >= t - 60) most = std::max(most, what);
    }
    if (most < 0) {
      EXPECT_TRUE(std::isnan(got)) << t;
      continue;
    }
    EXPECT_LE(got, most) << t;
    if (least >= 0) {
      EXPECT_GE(got, least) << t;
    }
  }
}

TEST(ReplicaMeter, RemembersThePeakOfAMinuteUntilAnotherProcessAnswers) {
  ReplicaMeter meter;
  auto read = [&](double kv, double waiting, double t) {
    return meter.read(
        page_with({{"vllm:kv_cache_usage_perc", kv}, {"vllm:num_requests_waiting", waiting}}),
        at(t), {});
  };
  EXPECT_EQ(read(0.9, 1, 100).kv_usage_peak, 0.9);
  ReplicaSignals later = read(0.2, 7, 130);
  EXPECT_EQ(later.kv_usage_peak, 0.9);
  EXPECT_EQ(later.waiting_peak, 7);
  EXPECT_EQ(later.value(SignalId::kKvUsage), 0.2);
  EXPECT_EQ(read(0.3, 0, 165).kv_usage_peak, 0.3);
  meter.reset();
  EXPECT_EQ(read(0.1, 0, 166).waiting_peak, 0);
}

TEST(Page, TakesTheMostBucketsAndLeavesFurtherOnesOut) {
  Page page(vllm());
  std::uint16_t row = row_of(vllm(), "vllm:time_to_first_token_seconds");
  for (std::size_t i = 0; i <= HistogramReading::kMaxBuckets; ++i) {
    page.add({.row = row, .part = Part::kBucket, .value = 1, .bound = static_cast<double>(i)});
  }
  EXPECT_EQ(page.histogram(SignalId::kTtft).buckets.size(), HistogramReading::kMaxBuckets);
  MeterOptions o{.histograms = HistogramSet::all()};
  page.add({.row = row, .part = Part::kCount, .value = 1});
  ReplicaMeter meter;
  meter.read(page, at(0), o);
  EXPECT_EQ(meter.read(page, at(1), o).latency(SignalId::kTtft).count, 0);
}

TEST(Page, NanIsAbsentNotZero) {
  Page page = page_with({{"vllm:num_requests_running", std::nan("")}});
  EXPECT_TRUE(page.empty());
  page.add({.row = row_of(vllm(), "vllm:num_requests_running"), .value = 3});
  page.add({.row = row_of(vllm(), "vllm:num_requests_running"), .value = std::nan("")});
  EXPECT_EQ(page.value(SignalId::kRunningRequests), 3);
}

TEST(ReplicaMeter, WhatCannotBeIsAbsentAndNamed) {
  struct Row {
    const char* says;
    const char* name;
    SignalId id;
    double value;
    bool believed;
  };
  const Row rows[] = {
      {"none", "vllm:num_requests_running", SignalId::kRunningRequests, 0, true},
      {"ten million", "vllm:num_requests_running", SignalId::kRunningRequests, 1e7, true},
      {"more than that", "vllm:num_requests_running", SignalId::kRunningRequests, 1e7 + 1, false},
      {"fewer than none", "vllm:num_requests_waiting", SignalId::kWaitingRequests, -1, false},
      {"1e300", "vllm:num_requests_waiting", SignalId::kWaitingRequests, 1e300, false},
      {"infinite", "vllm:num_requests_waiting", SignalId::kWaitingRequests, kInf, false},
      {"a full cache", "vllm:kv_cache_usage_perc", SignalId::kKvUsage, 1, true},
      {"per cent", "vllm:kv_cache_usage_perc", SignalId::kKvUsage, 85, false},
      {"less than empty", "vllm:kv_cache_usage_perc", SignalId::kKvUsage, -0.1, false},
      {"a total", "vllm:generation_tokens_total", SignalId::kOutputTokens, 1e12, true},
      {"a total below zero", "vllm:generation_tokens_total", SignalId::kOutputTokens, -5, false},
      {"a total of 1e300", "vllm:generation_tokens_total", SignalId::kOutputTokens, 1e300, false},
  };
  for (const Row& row : rows) {
    ReplicaMeter meter;
    const ReplicaSignals s = meter.read(page_with({{row.name, row.value}}), at(0), {});
    EXPECT_EQ(s.has(row.id), row.believed) << row.says;
    ASSERT_EQ(s.doubt.has_value(), !row.believed) << row.says;
    if (!s.doubt) continue;
    EXPECT_EQ(s.doubt->id, row.id) << row.says;
    EXPECT_EQ(s.doubt->value, row.value) << row.says;
  }
}

TEST(ReplicaMeter, ATotalThatLeapsHasNoRateForAWindowAndThenAgain) {
  ReplicaMeter meter;
  const MeterOptions o{.window = seconds(10)};
  auto total = [&](double tokens, double when) {
    return meter.read(page_with({{"vllm:generation_tokens_total", tokens}}), at(when), o);
  };
  const auto rate = [](const ReplicaSignals& s) {
    return s.rates[index_of(SignalId::kOutputTokens) - kGaugeCount];
  };
  total(0, 0);
  EXPECT_EQ(rate(total(100, 1)), 100);
  const ReplicaSignals leapt = total(1e14, 2);
  EXPECT_TRUE(std::isnan(rate(leapt)));
  ASSERT_TRUE(leapt.doubt);
  EXPECT_EQ(leapt.doubt->id, SignalId::kOutputTokens);
  for (int i = 3; i < 30; ++i) total(1e14 + 100 * (i - 2), i);
  EXPECT_NEAR(rate(total(1e14 + 2'800, 30)), 100, 1);
}

TEST(Freshness, FollowsTheAge) {
  const FreshnessRule rule{seconds(3), seconds(10)};
  EXPECT_EQ(rule.of(at(0), at(3)), Freshness::kFresh);
  EXPECT_EQ(rule.of(at(0), at(3.1)), Freshness::kStale);
  EXPECT_EQ(rule.of(at(0), at(9.9)), Freshness::kStale);
  EXPECT_EQ(rule.of(at(0), at(10)), Freshness::kAbsent);
  auto s = ReplicaMeter().read(page_with({{"vllm:num_requests_running", 7}}), at(0), {});
  EXPECT_EQ(s.signal(SignalId::kRunningRequests, at(4), rule).freshness, Freshness::kStale);
  EXPECT_EQ(s.signal(SignalId::kRunningRequests, at(4), rule).value, 7);
  EXPECT_EQ(s.signal(SignalId::kRunningRequests, at(10), rule), Signal{});
  EXPECT_EQ(s.signal(SignalId::kWaitingRequests, at(0), rule), Signal{}) << "not on the page";
}

}  // namespace
}  // namespace tidegate::signal
