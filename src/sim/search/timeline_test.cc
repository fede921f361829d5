// Timelines against counting second by second, and arrivals against the trace they were read from.
#include "sim/search/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "sim/search/demand.h"
#include "sim/search/parallel.h"
#include "sim/search/test_trace.h"

namespace tidegate::sim {
namespace {

constexpr std::int64_t kSeconds = 40;

/// The fleet at each second that a schedule leads to.
std::vector<std::int64_t> counts(const Schedule& schedule, std::int64_t initial) {
  std::vector<std::int64_t> out(kSeconds, initial);
  for (const ScheduleStep& step : schedule) {
    for (std::int64_t s = step.at / seconds(1); s < kSeconds; ++s) {
      out[static_cast<std::size_t>(s)] = step.replicas;
    }
  }
  return out;
}

TEST(Timeline, IsWhatCountingSecondBySecondGives) {
  Rng rng(3, "edits");
  for (int run = 0; run < 200; ++run) {
    Timeline line({2});
    std::vector<std::int64_t> want(kSeconds, 2);
    for (int edit = 0; edit < 12; ++edit) {
      auto from = static_cast<std::int64_t>(rng.below(kSeconds));
      auto until = from + static_cast<std::int64_t>(rng.below(10));
      Span span{seconds(from), seconds(until)};
      auto in_span = [&](auto change) {
        for (std::int64_t s = from; s < std::min(until, kSeconds); ++s) {
          auto& n = want[static_cast<std::size_t>(s)];
          n = change(n);
        }
      };
      if (rng.below(2) == 0) {
        std::int64_t by = rng.below(2) == 0 ? 1 : -1;
        line.add(0, span, by);
        in_span([&](std::int64_t n) { return n + by; });
      } else {
        line.clamp(0, span, {1, 3});
        in_span([](std::int64_t n) { return std::clamp<std::int64_t>(n, 1, 3); });
      }
    }
    Schedule schedule = line.schedule();
    EXPECT_EQ(counts(schedule, 2), want);
    double sum = 0;
    for (std::int64_t n : want) sum += static_cast<double>(n);
    EXPECT_DOUBLE_EQ(line.weight({1}, seconds(kSeconds)), sum);
    EXPECT_EQ(Timeline::of({2}, schedule), line) << "there and back";
    EXPECT_EQ(Timeline::of({2}, schedule).hash(), line.hash());
    // No step says what held already.
    std::int64_t before = 2;
    for (const ScheduleStep& step : schedule) {
      EXPECT_NE(step.replicas, before);
      before = step.replicas;
    }
  }
}

TEST(Timeline, EqualFleetsAreEqualWhateverTheWayThere) {
  Timeline a({1}), b({1});
  a.add(0, {seconds(1), seconds(9)}, 2);
  b.add(0, {seconds(1), seconds(5)}, 1);
  b.add(0, {seconds(5), seconds(9)}, 2);
  EXPECT_NE(a.hash(), b.hash());
  b.add(0, {seconds(1), seconds(5)}, 1);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.hash(), b.hash());
}

TEST(Arrivals, PartsAreTheTraceCutInTwo) {
  Trace all = poisson(2, 500, 10, 5);
  Duration cut = seconds(100);
  auto first = Arrivals::read(part_of(opener(all), Duration(0), cut));
  auto second = Arrivals::read(part_of(opener(all), cut, Duration::max()));
  EXPECT_EQ(first->count() + second->count(), 500);
  EXPECT_LT(first->last(), cut);
  EXPECT_EQ(second->last(), all.back().at - cut);
}

TEST(Arrivals, ALongTraceIsOpenedAnewAndIsTheSame) {
  Trace all = poisson(2, 300, 10, 5);
  auto kept = Arrivals::read(opener(all), 300), streamed = Arrivals::read(opener(all), 299);
  for (int pass = 0; pass < 2; ++pass) {
    auto a = *kept->open(), b = *streamed->open();
    workload::TraceRequest x, y;
    std::size_t n = 0;
    while (a->next(x)) {
      ASSERT_TRUE(b->next(y));
      EXPECT_EQ(x.at, y.at);
      EXPECT_EQ(x.at, all[n++].at);
    }
    EXPECT_FALSE(b->next(y));
    EXPECT_EQ(n, all.size());
  }
}

TEST(Arrivals, BinsHoldEveryRequestOfATraceOfAnyLength) {
  for (std::int64_t gap : {1, 1'000, 1'000'000}) {
    Trace all;
    for (std::int64_t i = 0; i < 1000; ++i) all.push_back(request_at(seconds(i * gap), 10, 5));
    auto arrivals = Arrivals::read(opener(all));
    EXPECT_LE(arrivals->bins().size(), Arrivals::kMostBins);
    std::vector<std::int64_t> want(arrivals->bins().size(), 0);
    for (const auto& r : all) ++want[static_cast<std::size_t>(r.at / arrivals->bin())];
    for (std::size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(arrivals->bins()[i].requests, want[i]) << gap << " " << i;
      ASSERT_EQ(arrivals->bins()[i].prompt_tokens, 10 * want[i]);
    }
  }
}

TEST(Demand, OrdersAheadAndBridgesShortGaps) {
  WorldOptions world = slow_world(0, 9, 0);
  // Five requests a second in the second, the fourth and the eighth minute.
  auto arrivals = Arrivals::read(opener(steps({0, 5, 0, 5, 0, 0, 0, 5}, seconds(60), 1)));
  Demand demand(*arrivals, world.model, {1}, seconds(60));
  auto line = demand.follow({.window = seconds(60), .ahead = seconds(60), .headroom = 1}, {0});
  Schedule schedule = line.schedule();
  ASSERT_EQ(schedule.size(), 4U);
  EXPECT_EQ(schedule[0].at, seconds(0)) << "a minute before the first";
  EXPECT_EQ(schedule[1].at, seconds(240)) << "kept over the gap of one minute";
  EXPECT_EQ(schedule[1].replicas, 0);
  EXPECT_EQ(schedule[2].at, seconds(360)) << "a minute before the last";
  EXPECT_EQ(schedule[3].at, seconds(480));
}

TEST(Demand, AColdStartIsTheLatePartOfEveryStage) {
  spec::Model model = model_with(0, 1);
  spec::ColdStart& cold = model.variants[0].cold_start;
  cold.procurement = {.p50 = seconds(1), .p90 = seconds(10)};
  // Of a file of samples the loader fills both.
  cold.image = {.p50 = seconds(5), .p90 = seconds(9), .samples = {seconds(1), seconds(100)}};
  cold.weights = {.bytes = 30'000'000'000, .bandwidth_bytes_per_second = 1'000'000'000};
  cold.engine = {.p50 = seconds(2), .p90 = seconds(5)};
  EXPECT_EQ(start_time(model), seconds(10 + 9 + 30 + 5));
}

TEST(Parallel, EveryIndexOnceWhateverTheThreads) {
  for (std::size_t threads : {1U, 2U, 7U}) {
    for (std::size_t n : {0U, 1U, 5U, 100U}) {
      std::vector<std::atomic<int>> seen(n);
      for_each_index(n, threads, [&](std::size_t i) { ++seen[i]; });
      for (const auto& times : seen) EXPECT_EQ(times, 1);
    }
  }
}

}  // namespace
}  // namespace tidegate::sim
