// The oracle against brute force, against what it was given, and against itself.
#include "sim/search/oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/spec/options.h"
#include "sim/search/test_trace.h"
#include "sim/search/timeline.h"
#include "sim/search/trial.h"

namespace tidegate::sim {
namespace {

struct Least {
  double gpu_hours = std::numeric_limits<double>::infinity();
  std::int64_t tried = 0;
};

/// Every schedule with one of 0..most replicas in each slot.
Least brute_force(const OracleOptions& options, const Arrivals& arrivals, std::int64_t slots,
                  std::int64_t most) {
  Least out;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(slots), 0);
  for (;;) {
    WorldOptions one = options.world;
    Timeline line(options.world.initial);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      line.set(0, static_cast<std::int64_t>(i) * options.slot, counts[i]);
    }
    one.schedule = line.schedule();
    auto played = play(std::move(one), arrivals, {.end = options.end});
    ++out.tried;
    if (played->totals.score.attainment() >= options.attainment) {
      out.gpu_hours = std::min(out.gpu_hours, played->totals.gpu_hours);
    }
    std::size_t digit = 0;
    while (digit < counts.size() && counts[digit] == most) counts[digit++] = 0;
    if (digit == counts.size()) return out;
    ++counts[digit];
  }
}

TEST(Oracle, FindsOnASmallGridWhatTryingEverythingFinds) {
  const Duration slot = seconds(60);
  const std::vector<std::vector<double>> shapes = {
      {0.2, 1.5, 0.2}, {1, 0, 0, 1}, {0, 0.6, 1.2, 0.1}, {1.5, 0.3, 0.3, 1.5}};
  for (const auto& rates : shapes) {
    for (double attainment : {0.7, 0.95}) {
      for (std::int64_t initial : {0, 1}) {
        Trace trace = steps(rates, slot, 7);
        OracleOptions options{.world = slow_world(0, 2, initial),
                              .open = opener(trace),
                              .attainment = attainment,
                              .end = Instant() + static_cast<std::int64_t>(rates.size()) * slot,
                              .slot = slot};
        auto arrivals = Arrivals::read(options.open);
        // One slot more: a fleet may leave while the last requests end.
        auto slots = static_cast<std::int64_t>(rates.size()) + 1;
        Least least = brute_force(options, *arrivals, slots, 2);
        auto found = oracle(options);
        ASSERT_TRUE(found.has_value());
        std::string label = testing::PrintToString(rates) + " at " + std::to_string(attainment) +
                            " from " + std::to_string(initial) + ", found by " + found->found_by +
                            " in " + std::to_string(found->evaluations);
        EXPECT_EQ(found->reached, std::isfinite(least.gpu_hours)) << label;
        if (!found->reached) continue;
        EXPECT_DOUBLE_EQ(found->totals.gpu_hours, least.gpu_hours) << label;
      }
    }
  }
}

/// What `simulate` would hand over: each policy played, billed to the end of the slowest.
struct Compared {
  OracleOptions options;
  std::vector<Played> policies;
};

Compared with_policies(OracleOptions options, const std::vector<spec::PolicyChoice>& policies) {
  auto arrivals = Arrivals::read(options.open);
  Compared out;
  options.end = Instant() + arrivals->last();
  for (int pass = 0; pass < 2; ++pass) {  // the second bills all to the common end
    out.policies.clear();
    for (const spec::PolicyChoice& choice : policies) {
      WorldOptions world = options.world;
      world.model.scaling.policy = choice.policy;
      world.model.scaling.policy_knob = choice.knob;
      out.policies.push_back(*play(world, *arrivals, {.end = options.end}));
    }
    for (const Played& played : out.policies) options.end = std::max(options.end, played.end);
  }
  for (std::size_t i = 0; i < policies.size(); ++i) {
    options.candidates.push_back(
        {std::string(token(policies[i].policy)), out.policies[i].realised, out.policies[i].totals});
  }
  out.options = options;
  return out;
}

const std::vector<double> kDay = {0.5, 0.7, 2, 6, 9, 8, 4, 5, 9, 12, 7, 3, 1, 0.5};

OracleOptions day(double attainment, std::uint64_t seed) {
  return {.world = slow_world(1, 16, 1),
          .open = opener(steps(kDay, seconds(60), seed)),
          .attainment = attainment,
          .budget = 100'000};
}

TEST(Oracle, NeverLosesToAPolicyOfTheRunThatReachesTheLevel) {
  using spec::PolicyKind;
  for (double attainment : {0.5, 0.9}) {
    Compared run = with_policies(day(attainment, 1), {{PolicyKind::kStatic, 12},
                                                      {PolicyKind::kConcurrency, {}},
                                                      {PolicyKind::kHpa, 1},
                                                      {PolicyKind::kKpa, {}}});
    auto found = oracle(run.options);
    ASSERT_TRUE(found.has_value());
    EXPECT_TRUE(found->reached) << attainment;
    EXPECT_GE(found->totals.score.attainment(), attainment);
    for (const Played& policy : run.policies) {
      if (policy.totals.score.attainment() < attainment) continue;
      EXPECT_LE(found->totals.gpu_hours, policy.totals.gpu_hours) << attainment;
    }
  }
}

TEST(Oracle, ItsScheduleGivesItsFigures) {
  auto found = oracle(day(0.9, 1));
  ASSERT_TRUE(found.has_value());
  OracleOptions options = day(0.9, 1);
  auto arrivals = Arrivals::read(options.open);
  WorldOptions world = options.world;
  world.schedule = found->schedule;
  auto played = play(world, *arrivals, {.end = found->end});
  EXPECT_EQ(played->totals.gpu_hours, found->totals.gpu_hours);
  EXPECT_EQ(played->totals.score.met, found->totals.score.met);
  EXPECT_EQ(played->end, found->end);
}

TEST(Oracle, ThreadsChangeNothing) {
  OracleOptions one = day(0.9, 3), many = day(0.9, 3);
  one.threads = 1;
  many.threads = 5;
  auto a = oracle(one), b = oracle(many);
  EXPECT_EQ(a->schedule, b->schedule);
  EXPECT_EQ(a->totals.gpu_hours, b->totals.gpu_hours);
  EXPECT_EQ(a->evaluations, b->evaluations);
  EXPECT_EQ(a->simulated, b->simulated);
  EXPECT_EQ(a->found_by, b->found_by);
}

TEST(Oracle, MoreBudgetIsNeverDearer) {
  double before = std::numeric_limits<double>::infinity();
  for (std::int64_t budget : {20'000, 60'000, 200'000}) {
    OracleOptions options = day(0.9, 1);
    options.budget = budget;
    auto found = oracle(options);
    ASSERT_TRUE(found->reached);
    EXPECT_LE(found->totals.gpu_hours, before) << budget;
    before = found->totals.gpu_hours;
    // What one batch has begun is ended.
    EXPECT_LE(found->simulated, budget + 20'000);
  }
}

TEST(Oracle, ABudgetOfNothingStillTriesAFew) {
  OracleOptions options = day(0.9, 1);
  options.budget = 0;
  auto found = oracle(options);
  EXPECT_EQ(found->evaluations, OracleOptions::kLeastEvaluations);
  EXPECT_TRUE(found->exhausted);
}

TEST(Oracle, BoundsOfTheSpecAndItsWindowsHold) {
  OracleOptions options = day(0.5, 1);
  options.world = slow_world(2, 5, 2);
  // The trace begins on a Monday at 00:00: five minutes from 00:05 on at least four.
  spec::ScheduleWindow window{.cron = "5 0 * * *", .duration = seconds(300)};
  window.fields = {.minutes = 1ULL << 5,
                   .hours = 1,
                   .days_of_month = ~0U,
                   .months = ~0U,
                   .days_of_week = ~0U,
                   .any_day_of_month = true,
                   .any_day_of_week = true};
  window.min_replicas = Replicas(4);
  options.world.model.scaling.schedule = {window};
  auto found = oracle(options);
  ASSERT_TRUE(found.has_value());
  std::int64_t now = 2;
  auto check = [&](Duration from, Duration until) {
    bool open = from < seconds(600) && until > seconds(300);
    EXPECT_GE(now, open ? 4 : 2) << to_seconds(from);
    EXPECT_LE(now, 5);
  };
  Duration at{0};
  for (const ScheduleStep& step : found->schedule) {
    if (step.at > at) check(at, step.at);
    at = step.at;
    now = step.replicas;
  }
  check(at, std::max(at, seconds(14 * 60)));
}

TEST(Oracle, OfTwoVariantsItTakesTheOneWithFewerDevicesARequest) {
  OracleOptions options = day(0.9, 1);
  options.world = slow_world(0, 16, 0);
  spec::Model& model = options.world.model;
  model.variants.push_back(model.variants[0]);
  model.variants[0].name = "wide";
  model.variants[0].hardware.count = 4;
  model.variants[1].name = "narrow";
  options.world.initial = {0, 1};
  auto found = oracle(options);
  ASSERT_TRUE(found->reached);
  for (const ScheduleStep& step : found->schedule) EXPECT_EQ(step.variant, 1U);
  // All devices count the same again: both may be used, and no more GPU-hours are needed.
  EXPECT_DOUBLE_EQ(found->totals.gpu_hours, found->totals.replica_hours);
}

TEST(Oracle, SaysWhenNothingReachesTheLevel) {
  OracleOptions options = day(0.99, 1);
  options.world = slow_world(0, 2, 1);
  auto found = oracle(options);
  ASSERT_TRUE(found.has_value());
  EXPECT_FALSE(found->reached);
  EXPECT_LT(found->totals.score.attainment(), 0.99);
  EXPECT_GT(found->totals.score.attainment(), 0);
}

TEST(Oracle, RefusesWhatMakesNoSense) {
  for (double attainment : {0.0, -1.0, 1.5}) {
    OracleOptions options = day(attainment, 1);
    EXPECT_THAT(oracle(options).error().message, testing::HasSubstr("above 0 and at most 1"));
  }
  OracleOptions options = day(0.9, 1);
  options.open = opener({});
  EXPECT_THAT(oracle(options).error().message, testing::HasSubstr("no request"));
}

}  // namespace
}  // namespace tidegate::sim
