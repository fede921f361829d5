// A controller with a warm pool: whom it wakes and puts to sleep, and that it says so once.

#include "core/control/warm_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/base/rng.h"
#include "core/control/control_test_world.h"

namespace tidegate::control {
namespace {

spec::Model model_with_pool(std::int64_t asleep) {
  spec::Model model = model_with(1, 6);
  model.scaling.scale_down_delay = Duration(0);
  model.scaling.window = seconds(1);
  model.scaling.target_utilization = 1;
  spec::Variant& variant = model.variants[0];
  variant.warm_pool = {.min_replicas = Replicas(asleep), .max_replicas = Replicas(asleep)};
  variant.cold_start.wake_level1 = spec::Spread{seconds(1), seconds(1), {}};
  return model;
}

Bench with_pool(std::int64_t asleep) { return Bench(model_with_pool(asleep)); }

void change(Bench& bench, std::uint64_t id, ReplicaState state, double t) {
  bench.send(ReplicaChanged{ReplicaId(id), "v0", state, {}, 0}, t);
}

TEST(WarmPool, WhatIsBoundForThePoolIsNobodysCapacity) {
  struct Row {
    const char* label;
    signal::Fleet fleet;
    plan::Wanted wanted;
    std::int64_t falling, active, pooled;
  };
  auto fleet = [](std::int64_t ordered, std::int64_t starting, std::int64_t ready,
                  std::int64_t sleeping) {
    return signal::Fleet{.ordered = Replicas(ordered),
                         .starting = Replicas(starting),
                         .ready = Replicas(ready),
                         .sleeping = Replicas(sleeping)};
  };
  const Row rows[] = {
      {"without a pool all are active", fleet(1, 1, 3, 0), {2, 0}, 0, 5, 0},
      {"the refill boots", fleet(1, 0, 3, 0), {3, 1}, 0, 3, 1},
      {"the refill is ready and about to sleep", fleet(0, 0, 4, 0), {3, 1}, 0, 3, 1},
      {"what boots to serve is active", fleet(0, 1, 3, 1), {4, 1}, 0, 4, 0},
      {"a full pool needs no refill", fleet(1, 0, 3, 1), {3, 1}, 0, 4, 0},
      {"nor one that fills by itself", fleet(1, 0, 3, 0), {3, 1}, 1, 4, 0},
  };
  for (Row row : rows) {
    lend_to_pool(row.fleet, row.wanted, Replicas(row.falling));
    EXPECT_EQ(row.fleet.active().value(), row.active) << row.label;
    EXPECT_EQ(row.fleet.pooled.value(), row.pooled) << row.label;
  }
}

TEST(WarmPool, IsFilledOnceKeptAndRefilledAfterUse) {
  Bench bench = with_pool(1);
  change(bench, 1, ReplicaState::kReady, 0);
  bench.observe(0, 0, 5);
  ASSERT_EQ(bench.applied(), (std::vector<std::int64_t>{2}));  // one awake, one for the pool
  EXPECT_EQ(bench.last_apply_action().asleep, Replicas(1));
  change(bench, 2, ReplicaState::kStarting, 1);
  for (double t = 2; t < 60; ++t) bench.observe(t, 0, 5);
  EXPECT_EQ(bench.applied().size(), 1u) << "the refill is not taken for capacity";
  change(bench, 2, ReplicaState::kReady, 60);
  bench.observe(61, 0, 5);
  ASSERT_EQ(bench.all<Sleep>().size(), 1u);
  ReplicaId sleeper = bench.all<Sleep>()[0].id;
  for (double t = 62; t < 65; ++t) bench.observe(t, 0, 5);
  EXPECT_EQ(bench.all<Sleep>().size(), 1u) << "said once while nothing has come of it";
  change(bench, sleeper.value(), ReplicaState::kDraining, 65);
  EXPECT_FALSE(bench.announced(ReasonCode::kForeignWrite)) << "it drains by our word";
  for (double t = 66; t < 90; ++t) bench.observe(t, 0, 5);
  change(bench, sleeper.value(), ReplicaState::kSleeping, 90);
  bench.observe(91, 0, 5);
  EXPECT_EQ(bench.all<Sleep>().size(), 1u);
  EXPECT_EQ(bench.applied().size(), 1u);

  bench.observe(98, 10, 10);  // two are needed
  bench.observe(100, 10, 10);
  ASSERT_EQ(bench.all<Wake>(), (std::vector<Wake>{{sleeper}}));
  EXPECT_EQ(bench.applied(), (std::vector<std::int64_t>{2, 3})) << "and a third to refill the pool";
  bench.observe(101, 10, 10);
  change(bench, sleeper.value(), ReplicaState::kStarting, 101.5);
  change(bench, 3, ReplicaState::kOrdered, 101.6);
  bench.observe(103, 10, 10);
  EXPECT_EQ(bench.all<Wake>().size(), 1u);
  change(bench, sleeper.value(), ReplicaState::kReady, 104);
  bench.observe(105, 0, 20);
  EXPECT_EQ(bench.applied().size(), 2u);
  EXPECT_EQ(bench.controller.view().desired[0].replicas, Replicas(2));
  EXPECT_EQ(bench.controller.view().desired[0].asleep, Replicas(1));
  EXPECT_FALSE(bench.announced(ReasonCode::kForeignWrite));
}

TEST(WarmPool, ASleeperThatDiesIsReplacedAndAnOrderThatCameToNothingIsGivenAgain) {
  Bench bench = with_pool(1);
  change(bench, 1, ReplicaState::kReady, 0);
  change(bench, 2, ReplicaState::kReady, 0);
  bench.observe(0, 0, 5);
  ASSERT_EQ(bench.all<Sleep>().size(), 1u);
  const double lasts = to_seconds(kToldLasts);
  bench.observe(lasts - 1, 0, 5);
  EXPECT_EQ(bench.all<Sleep>().size(), 1u);
  bench.observe(lasts + 1, 0, 5);
  EXPECT_EQ(bench.all<Sleep>().size(), 2u) << "nothing came of the first";
  ReplicaId sleeper = bench.all<Sleep>()[1].id;
  change(bench, sleeper.value(), ReplicaState::kDraining, lasts + 2);
  change(bench, sleeper.value(), ReplicaState::kSleeping, lasts + 3);
  change(bench, sleeper.value(), ReplicaState::kFailed, lasts + 4);
  bench.observe(lasts + 5, 0, 5);
  EXPECT_EQ(bench.last_apply("v0"), 2) << "the actuator keeps two and so starts another";
  EXPECT_FALSE(bench.announced(ReasonCode::kForeignWrite));
}

TEST(WarmPool, ByHandWhilePausedItWakesAndDoesNotRefill) {
  Bench bench = with_pool(1);
  change(bench, 1, ReplicaState::kReady, 0);
  change(bench, 2, ReplicaState::kSleeping, 0);
  bench.observe(0, 0, 5);
  bench.send(OperatorSaid{Said::kPause, "", 0, {}}, 1);
  bench.send(OperatorSaid{Said::kScale, "", 2, {}}, 2);
  EXPECT_EQ(bench.all<Wake>(), (std::vector<Wake>{{ReplicaId(2)}}));
  EXPECT_EQ(bench.last_apply("v0"), 2);
  EXPECT_EQ(bench.last_apply_action().asleep, Replicas(0));
  bench.send(OperatorSaid{Said::kScale, "", 3, {}}, 3);
  EXPECT_EQ(bench.last_apply("v0"), 3);
  EXPECT_EQ(bench.all<Wake>().size(), 1u);
}

TEST(WarmPool, AtRestartSleepersAreKept) {
  Start start;
  start.targets.push_back({"v0", Replicas(1), Replicas(1)});
  Bench bench(model_with_pool(1), start);
  for (std::uint64_t id : {1, 2}) {
    bench.send(
        ReplicaChanged{
            ReplicaId(id), "v0", id == 1 ? ReplicaState::kReady : ReplicaState::kSleeping, {}, 1},
        0);
  }
  bench.observe(0, 0, 5);
  EXPECT_EQ(bench.applied(), (std::vector<std::int64_t>{2}));
  EXPECT_TRUE(bench.last_apply_action().victims.empty());
  EXPECT_TRUE(bench.all<Wake>().empty());
  EXPECT_TRUE(bench.all<Sleep>().empty());
}

/// A fleet that does as told, late, drops orders, and loses replicas: after each event counts are
/// within bounds, nobody is told two things, and the fleet comes to rest at what was wanted.
struct Obedient {
  Bench bench = with_pool(2);
  Rng rng;
  std::map<std::uint64_t, ReplicaState> replicas;
  std::map<std::uint64_t, ReplicaState> next;  ///< what each will say next
  std::int64_t wanted = 0;
  std::uint64_t last = 0;
  std::size_t read = 0;

  explicit Obedient(std::uint64_t seed) : rng(seed, "obedient") {}

  std::int64_t alive() const {
    return std::count_if(replicas.begin(), replicas.end(), [&](const auto& one) {
      auto coming = next.find(one.first);
      bool leaves = coming != next.end() && coming->second == ReplicaState::kGone;
      return !leaves && one.second != ReplicaState::kGone;
    });
  }
  void say(std::uint64_t id, ReplicaState state, double t) {
    replicas[id] = state;
    change(bench, id, state, t);
    if (state == ReplicaState::kGone) replicas.erase(id);
  }
  void obey(double t) {
    std::set<std::uint64_t> told;
    for (; read < bench.actions.size(); ++read) {
      if (const auto* apply = std::get_if<Apply>(&bench.actions[read])) {
        EXPECT_LE(apply->replicas.value(), 6);
        EXPECT_GE(apply->awake().value(), 1);
        EXPECT_LE(apply->asleep.value(), 2);
        wanted = apply->replicas.value();
        for (ReplicaId id : apply->victims) {
          EXPECT_TRUE(told.insert(id.value()).second) << "told to stop and something else";
          if (alive() <= wanted || !replicas.contains(id.value())) continue;
          if (replicas[id.value()] != ReplicaState::kDraining) {
            say(id.value(), ReplicaState::kDraining, t);
          }
          next[id.value()] = ReplicaState::kGone;
        }
      } else if (const auto* wake = std::get_if<Wake>(&bench.actions[read])) {
        EXPECT_TRUE(told.insert(wake->id.value()).second);
        EXPECT_EQ(replicas[wake->id.value()], ReplicaState::kSleeping);
        if (rng.below(8) == 0) continue;  // lost
        say(wake->id.value(), ReplicaState::kStarting, t);
        next[wake->id.value()] = ReplicaState::kReady;
      } else if (const auto* sleep = std::get_if<Sleep>(&bench.actions[read])) {
        EXPECT_TRUE(told.insert(sleep->id.value()).second);
        EXPECT_EQ(replicas[sleep->id.value()], ReplicaState::kReady);
        if (rng.below(8) == 0) continue;
        say(sleep->id.value(), ReplicaState::kDraining, t);
        next[sleep->id.value()] = ReplicaState::kSleeping;
      }
    }
    while (alive() < wanted) {
      say(++last, ReplicaState::kStarting, t);
      next[last] = ReplicaState::kReady;
    }
  }
  void step(double t, std::int64_t load, bool quiet) {
    for (auto one = next.begin(); one != next.end();) {
      if (rng.below(4) != 0) {
        ++one;
        continue;
      }
      auto [id, state] = *one;
      one = next.erase(one);
      if (replicas.contains(id)) say(id, state, t);
      obey(t);
    }
    if (!quiet && !replicas.empty() && rng.below(40) == 0) {
      auto one = std::next(replicas.begin(), static_cast<long>(rng.below(replicas.size())));
      const std::uint64_t id = one->first;
      next.erase(id);
      say(id, ReplicaState::kFailed, t);
      obey(t);
      say(id, ReplicaState::kGone, t);
      obey(t);
    }
    bench.observe(t, 0, load);
    obey(t);
  }
};

TEST(WarmPool, AFleetThatDoesAsToldComesToRestAtWhatWasWanted) {
  for (std::uint64_t seed = 0; seed < 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Obedient fleet(seed);
    double t = 0;
    for (; t < 300; ++t) fleet.step(t, static_cast<std::int64_t>(fleet.rng.below(50)), false);
    const auto load = static_cast<std::int64_t>(1 + fleet.rng.below(50));
    for (; t < 500; ++t) fleet.step(t, load, true);
    const std::int64_t awake = std::min<std::int64_t>(6, (load + 9) / 10);
    std::map<ReplicaState, std::int64_t> counts;
    for (auto [id, state] : fleet.replicas) ++counts[state];
    EXPECT_EQ(counts[ReplicaState::kSleeping],
              std::min<std::int64_t>(2, 6 - counts[ReplicaState::kReady]));
    EXPECT_GE(counts[ReplicaState::kReady], awake);
    EXPECT_EQ(counts[ReplicaState::kStarting] + counts[ReplicaState::kDraining], 0);
    EXPECT_EQ(fleet.bench.controller.view().desired[0].replicas.value(),
              counts[ReplicaState::kReady]);
    std::size_t said = fleet.bench.all<Apply>().size() + fleet.bench.all<Wake>().size() +
                       fleet.bench.all<Sleep>().size();
    for (double end = t + 60; t < end; ++t) fleet.step(t, load, true);
    EXPECT_EQ(fleet.bench.all<Apply>().size() + fleet.bench.all<Wake>().size() +
                  fleet.bench.all<Sleep>().size(),
              said)
        << "at rest nothing is ordered";
    EXPECT_FALSE(fleet.bench.announced(ReasonCode::kForeignWrite));
  }
}

}  // namespace
}  // namespace tidegate::control
