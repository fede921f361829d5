// tide, part by part: the mix against brute force, the season, the pool and what misses teach.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/base/rng.h"
#include "core/policy/mix.h"
#include "core/policy/tide_credit.h"
#include "core/policy/tide_forecast.h"
#include "core/policy/tide_mix.h"
#include "core/policy/tide_pool.h"
#include "core/policy/tide_season.h"

namespace tidegate::policy {
namespace {

spec::Variant variant(double cost, std::int64_t least, std::int64_t most) {
  spec::Variant out;
  out.cost_per_hour_dollars = cost;
  out.min_replicas = Replicas(least);
  out.max_replicas = Replicas(most);
  return out;
}

struct Filled {
  double price = 0, sustained = 0;
};
Filled filled(const spec::Model& model, const std::vector<double>& each,
              const std::vector<std::int64_t>& counts) {
  Filled out;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    out.price += static_cast<double>(counts[i]) * model.variants[i].cost_per_hour_dollars;
    out.sustained += static_cast<double>(counts[i]) * each[i];
  }
  return out;
}

/// The least price of all ways to sustain `rate` within the bounds; infinite where there is none.
double least_price(const spec::Model& model, const std::vector<double>& each, double rate,
                   std::size_t place = 0) {
  if (place == each.size()) return rate <= 1e-9 ? 0 : INFINITY;
  const spec::Variant& v = model.variants[place];
  double best = INFINITY;
  for (std::int64_t n = v.min_replicas->value(); n <= v.max_replicas.value(); ++n) {
    const auto many = static_cast<double>(n);
    best = std::min(best, many * v.cost_per_hour_dollars +
                              least_price(model, each, rate - many * each[place], place + 1));
  }
  return best;
}

TEST(TideMix, SustainsTheRateWithinBoundsAndIsSeldomDearerThanTheBestOfAll) {
  Rng rng(7, "mix");
  int best = 0, cases = 0;
  for (int i = 0; i < 400; ++i) {
    spec::Model model;
    std::vector<double> each;
    for (int v = 0; v < 3; ++v) {
      model.variants.push_back(variant(1 + 9 * rng.uniform(), rng.below(2), 2 + rng.below(4)));
      each.push_back(1 + 9 * rng.uniform());
    }
    const double rate = 40 * rng.uniform();
    const double cheapest = least_price(model, each, rate);
    if (!std::isfinite(cheapest)) continue;
    const auto counts = cheapest_mix(model, each, cheapest_first(model, each), rate);
    const Filled got = filled(model, each, counts);
    EXPECT_GE(got.sustained, rate - 1e-6) << "case " << i;
    for (std::size_t v = 0; v < counts.size(); ++v) {
      EXPECT_LE(counts[v], model.variants[v].max_replicas.value()) << "case " << i;
      EXPECT_GE(counts[v], model.variants[v].min_replicas->value()) << "case " << i;
    }
    EXPECT_LE(got.price, cheapest + 10) << "never a whole replica too many, case " << i;
    best += got.price <= cheapest + 1e-9 ? 1 : 0;
    ++cases;
  }
  EXPECT_GT(cases, 200);
  EXPECT_GT(best, cases * 8 / 10);
}

TEST(TideMix, ASmallRestGoesToASmallReplica) {
  spec::Model model;
  model.variants = {variant(10, 0, 8), variant(4, 0, 8)};
  const std::vector<double> each = {10, 3};
  const auto order = cheapest_first(model, each);
  EXPECT_EQ(cheapest_mix(model, each, order, 12), (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(cheapest_mix(model, each, order, 18), (std::vector<std::int64_t>{2, 0}));
  EXPECT_EQ(cheapest_mix(model, each, order, 0), (std::vector<std::int64_t>{0, 0}));
}

constexpr std::int64_t kMonday = 1'704'067'200;  // 1 January 2024, 00:00 UTC
WallTime wall(double days) {
  return WallTime::from_unix_nanos(
      static_cast<std::int64_t>((static_cast<double>(kMonday) + days * 86'400) * 1e9));
}
/// Nine to five ten times the night.
double office(double days) {
  const double hour = (days - std::floor(days)) * 24;
  return hour >= 9 && hour < 17 ? 20 : 2;
}
void live_through(double from, double to, double level, TideState& s) {
  for (double day = from; day < to; day += 60.0 / 86'400) {
    learn_season({level * office(day), seconds(60)}, wall(day) + seconds(60), s);
  }
}

TEST(TideSeason, SaysNothingOfATimeOfDayItHasNotSeen) {
  TideState s;
  EXPECT_FALSE(season_rate(wall(0.5), s).has_value());
  live_through(0, 0.4, 1, s);
  EXPECT_FALSE(season_rate(wall(0.7), s).has_value());
}

TEST(TideSeason, KnowsAfterADayThatTheMorningComes) {
  TideState s;
  live_through(0, 1 + 8.5 / 24, 1, s);
  const auto then = season_rate(wall(1 + 10.0 / 24), s);
  ASSERT_TRUE(then.has_value());
  EXPECT_NEAR(*then, 20, 1);
  EXPECT_NEAR(season_rate(wall(1 + 20.0 / 24), s).value_or(0), 2, 0.2);
}

TEST(TideSeason, ABusierDayHasTheSameShape) {
  TideState s;
  live_through(0, 1, 1, s);
  live_through(1, 1 + 8.0 / 24, 3, s);  // the night was three times as busy
  EXPECT_NEAR(season_rate(wall(1 + 12.0 / 24), s).value_or(0), 60, 5);
}

TEST(TideSeason, TheWeekendHasItsOwnDayOnceThereWasOne) {
  TideState s;
  live_through(0, 5, 1, s);
  for (double day = 5; day < 7; day += 60.0 / 86'400) {
    learn_season({2, seconds(60)}, wall(day) + seconds(60), s);
  }
  EXPECT_NEAR(season_rate(wall(5 + 12.0 / 24), s).value_or(0), 2, 0.3);
  live_through(7, 7 + 8.0 / 24, 1, s);
  EXPECT_NEAR(season_rate(wall(7 + 12.0 / 24), s).value_or(0), 20, 1.5);
}

/// A world with a pool: what is asleep costs `share` of what is awake.
struct PoolCase {
  spec::Model model;
  signal::Observation seen;
  TideCapacity each{.requests_per_second = 5};
  TideState state;
  explicit PoolCase(double share) {
    model.variants.push_back(variant(4, 1, 64));
    model.variants[0].warm_pool.max_replicas = Replicas(40);
    model.variants[0].warm_pool.cost_per_hour_dollars = 4 * share;
  }
  std::int64_t asleep(std::int64_t awake) const {
    return sleepers({model, seen, Instant()}, 0, awake, each, seconds(120), 0.99, state);
  }
};

TEST(TidePool, WhatCostsNothingSleepsAndWhatCostsAsMuchAsAwakeDoesNot) {
  EXPECT_EQ(PoolCase(0).asleep(5), 40);
  EXPECT_EQ(PoolCase(1).asleep(5), 0);
}

TEST(TidePool, ItGrowsWithTheSurprisesSeenUpToTheirSize) {
  PoolCase c(0.25);
  EXPECT_EQ(c.asleep(5), 0);
  c.state.surprises.assign(std::size(kTideSurprises), 0);
  for (std::size_t i = 0; i < std::size(kTideSurprises) && kTideSurprises[i] < 3; ++i) {
    c.state.surprises[i] = 6;
  }
  c.state.surprise_hours = 24;
  EXPECT_EQ(c.asleep(5), 8) << "2.5 times five were seen six times in a day";
  c.state.surprise_hours = 24 * 30;
  EXPECT_EQ(c.asleep(5), 0) << "six times in a month are not worth it";
}

TEST(TidePool, ASleeperIsWorthWhatItServesBeforeAStartWouldBeThere) {
  struct Row {
    std::int64_t wake_seconds, asleep;
  };
  std::int64_t before = 41;
  for (const Row& row : {Row{5, 6}, Row{60, 2}, Row{100, 0}, Row{120, 0}, Row{300, 0}}) {
    PoolCase c(0.12);
    c.state.surprises.assign(std::size(kTideSurprises), 0);
    for (std::size_t i = 0; i < std::size(kTideSurprises) && kTideSurprises[i] < 3; ++i) {
      c.state.surprises[i] = 6.0 / static_cast<double>(i + 1);  // larger ones are rarer
    }
    c.state.surprise_hours = 24;
    const Duration wake = seconds(row.wake_seconds);
    c.model.variants[0].cold_start.wake_level1 = spec::Spread{wake, wake, {}};
    const std::int64_t asleep = c.asleep(5);
    EXPECT_EQ(asleep, row.asleep) << row.wake_seconds;
    EXPECT_LE(asleep, before);
    before = asleep;
  }
  PoolCase free(0);
  free.model.variants[0].cold_start.wake_level1 = spec::Spread{seconds(120), seconds(120), {}};
  EXPECT_EQ(free.asleep(5), 0) << "whatever it costs: there no sooner than a start";
}

TEST(TidePool, CountsASurpriseOnceALeadTime) {
  PoolCase c(0);
  Instant now;
  const Input in{c.model, c.seen, now};
  watch_surprises(in, 10, seconds(100), c.state);
  c.state.fast = 33;
  for (int i = 0; i < 250; ++i) {
    now = now + seconds(1);
    watch_surprises({c.model, c.seen, now}, 10, seconds(100), c.state);
  }
  EXPECT_NEAR(c.state.surprises[4], 2, 0.01) << "2.5 times";
  EXPECT_EQ(c.state.surprises[6], 0) << "4 times";
}

/// A fleet of ten requests/s whose real capacity is `real` of that, under load that swings.
double learned_credit(double real, double errors) {
  spec::Model model;
  signal::Observation seen;
  TideState s;
  Rng rng(3, "credit");
  double flight = 0;
  for (int t = 0; t < 3 * 3'600; ++t) {
    const double swing = (t / 300) % 2 == 0 ? 2 : 9;
    s.tick_seconds = 1;
    s.tick_requests = std::floor(swing + rng.uniform());
    s.last = swing;
    const Stay stay = stay_of({model, seen, Instant()}, 5, 1, s);
    const bool late = play(10 * real, stay, s, flight) > 0;
    const auto came = static_cast<std::int64_t>(s.tick_requests);
    seen.demand.judged_total += came;
    seen.demand.met_total += late || rng.uniform() < errors ? 0 : came;
    play_credits({model, seen, Instant()}, 10, 5, 1, s);
    if (t % 20 == 19) learn_credit({swing, seconds(20)}, 10, 0.99, s);
  }
  return s.credit;
}

TEST(TideCredit, MissesThatComeWithTheLoadShowTheCapacityThatIsThere) {
  EXPECT_NEAR(learned_credit(1, 0), 1, 0.02);
  EXPECT_NEAR(learned_credit(0.6, 0), 0.58, 0.06);
}

TEST(TideCredit, MissesThatDoNotAreNobodysCapacity) {
  EXPECT_NEAR(learned_credit(1, 0.05), 1, 0.02);
}

TEST(TideCredit, AMissWhereHardlyAnyMayBeSaysLittleOfChance) {
  // Ten times the misses that chance may have, of few requests and of as many times as many.
  auto learned = [](std::int64_t judged) {
    spec::Model model;
    signal::Observation seen;
    TideState s;
    s.tick_seconds = 1;
    play_credits({model, seen, Instant()}, 1e9, 5, 1, s);
    seen.demand.judged_total = judged;
    seen.demand.met_total = judged - judged / 20;
    play_credits({model, seen, Instant()}, 1e9, 5, 1, s);
    learn_credit({1e9, seconds(20)}, 1e9, 0.99, s);
    return s.luck;
  };
  EXPECT_NEAR(learned(100'000), 1 + 0.02 * 9, 0.002);
  EXPECT_NEAR(learned(600), 1 + 0.02 * 9 / 2, 0.002) << "three misses were to be expected";
  EXPECT_LT(learned(60), 1 + 0.02 * 9 / 9);
}

TEST(TideCredit, TotalsThatGoBackTeachNothing) {
  spec::Model model;
  signal::Observation seen;
  TideState s;
  for (std::int64_t total : {100, 50, 0, 500}) {
    seen.demand.judged_total = total;
    seen.demand.met_total = total == 0 ? 700 : total;
    play_credits({model, seen, Instant()}, 10, 5, 1, s);
    EXPECT_EQ(s.bin_missed, 0) << total;
  }
}

}  // namespace
}  // namespace tidegate::policy
