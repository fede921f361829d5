#include "core/plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/rng.h"
#include "core/plan/memory.h"
#include "core/plan/plan_for_test.h"
#include "core/spec/cron.h"

namespace tidegate::plan {
namespace {

TEST(Plan, BoundsBindAndSayWhose) {
  Follower fleet{model_with(), {}, {3}, {}};
  fleet.model.scaling.environment = spec::Environment::kHa;
  EXPECT_EQ(fleet.one(0, 0), 2);
  EXPECT_TRUE(fleet.says(ReasonCode::kEnvironmentFloor));
  fleet.model.variants[0].min_replicas = Replicas(4);
  EXPECT_EQ(fleet.one(1, 0), 4);
  EXPECT_TRUE(fleet.says(ReasonCode::kMinReplicas));
  EXPECT_EQ(fleet.one(2, 21), 20);
  EXPECT_TRUE(fleet.says(ReasonCode::kMaxReplicas));
  EXPECT_EQ(fleet.one(3, 20), 20);
  EXPECT_FALSE(fleet.says(ReasonCode::kMaxReplicas));
}

TEST(Plan, IncompleteDataMayRaiseAndNeverLowers) {
  Follower fleet{model_with(), {}, {4}, {}};
  EXPECT_EQ(fleet.one(0, 2, false), 4);
  EXPECT_TRUE(fleet.says(ReasonCode::kMissingData));
  EXPECT_EQ(fleet.one(1, 6, false), 6);
  EXPECT_EQ(fleet.one(2, 2, true), 2);
}

struct RateRow {
  const char* says;
  spec::SelectPolicy select;
  std::vector<spec::ScalePolicy> policies;
  std::int64_t from, wanted, after;
};

TEST(Plan, RatesLimitEachDirectionAsHpaDoes) {
  using spec::ScalePolicyType;
  const spec::ScalePolicy percent{ScalePolicyType::kPercent, 50, seconds(15)};
  const spec::ScalePolicy pods{ScalePolicyType::kPods, 3, seconds(15)};
  const RateRow rows[] = {
      {"no policies, no limit", spec::SelectPolicy::kMax, {}, 2, 15, 15},
      {"up by half, rounded up", spec::SelectPolicy::kMax, {percent}, 3, 15, 5},
      {"up by the larger of both", spec::SelectPolicy::kMax, {percent, pods}, 2, 15, 5},
      {"up by the smaller of both", spec::SelectPolicy::kMin, {percent, pods}, 2, 15, 3},
      {"disabled", spec::SelectPolicy::kDisabled, {pods}, 2, 15, 2},
      {"from nothing at least one", spec::SelectPolicy::kMax, {percent}, 0, 15, 1},
      {"down by half, rounded down", spec::SelectPolicy::kMax, {percent}, 5, 0, 2},
      {"down by the larger of both", spec::SelectPolicy::kMax, {percent, pods}, 10, 0, 5},
      {"down by the smaller of both", spec::SelectPolicy::kMin, {percent, pods}, 10, 0, 7},
      {"down disabled", spec::SelectPolicy::kDisabled, {}, 10, 0, 10},
      {"not limited within the rate", spec::SelectPolicy::kMax, {pods}, 10, 8, 8},
  };
  for (const RateRow& row : rows) {
    Follower fleet{model_with(), {}, {row.from}, {}};
    spec::ScalingRules rules{std::nullopt, row.select, std::nullopt, row.policies};
    fleet.model.scaling.scale_up = fleet.model.scaling.scale_down = rules;
    EXPECT_EQ(fleet.one(0, row.wanted), row.after) << row.says;
  }
}

TEST(Plan, RatesCountWhatChangedWithinThePeriod) {
  Follower fleet{model_with(), {}, {4}, {}};
  fleet.model.scaling.scale_up.policies = {{spec::ScalePolicyType::kPods, 3, seconds(15)}};
  EXPECT_EQ(fleet.one(0, 20), 7);
  EXPECT_EQ(fleet.one(10, 20), 7);
  EXPECT_TRUE(fleet.says(ReasonCode::kScaleUpRate));
  EXPECT_EQ(fleet.one(15, 20), 10);
}

TEST(Plan, HpaAndKedaHaveThePublishedRates) {
  for (spec::PolicyKind kind : {spec::PolicyKind::kHpa, spec::PolicyKind::kKeda}) {
    Follower fleet{model_with(), {}, {2}, {}};
    fleet.model.scaling.policy = kind;
    EXPECT_EQ(fleet.one(0, 20), 6) << token(kind);
    EXPECT_EQ(fleet.one(15, 20), 12) << token(kind);
    EXPECT_EQ(fleet.one(16, 0), 0) << token(kind);
  }
}

TEST(Plan, PrewarmAddsOneOverWhatIsActiveOncePerLeadTime) {
  Follower fleet{model_with(), {}, {2}, {}};
  fleet.model.scaling.prewarm = spec::Prewarm{0.7, seconds(180)};
  fleet.model.queue.max_requests = 100;
  EXPECT_EQ(fleet.one(0, 2, true, 69), 2);
  EXPECT_EQ(fleet.one(1, 2, true, 70), 3);
  EXPECT_TRUE(fleet.says(ReasonCode::kPrewarm));
  EXPECT_EQ(fleet.one(2, 2, true, 90), 3);    // ordered already
  EXPECT_EQ(fleet.one(100, 1, true, 0), 3);   // held for the lead time
  EXPECT_EQ(fleet.one(181, 2, true, 90), 4);  // and once more
}

TEST(Plan, AScheduleWindowReplacesTheBounds) {
  Follower fleet{model_with(), {}, {1}, {}};
  spec::ScheduleWindow always;
  always.cron = "* * * * *";
  always.fields = spec::parse_cron(always.cron).value();
  always.min_replicas = Replicas(3);
  fleet.model.scaling.schedule = {always};
  EXPECT_EQ(fleet.one(0, 1), 3);
  EXPECT_TRUE(fleet.says(ReasonCode::kSchedule));
  fleet.model.scaling.schedule[0].max_replicas = Replicas(5);
  EXPECT_EQ(fleet.one(1, 9), 5);
  fleet.model.variants[0].min_replicas = Replicas(2);
  fleet.model.scaling.schedule[0].min_replicas = Replicas(0);
  EXPECT_EQ(fleet.one(2, 0), 0);  // a window may also let go
}

TEST(Plan, AScheduleBindsTheSumOverVariants) {
  Follower fleet{model_with(2), {}, {0, 0}, {}};
  fleet.model.variants[0].max_replicas = Replicas(2);
  spec::ScheduleWindow always;
  always.cron = "* * * * *";
  always.fields = spec::parse_cron(always.cron).value();
  always.min_replicas = Replicas(3);
  always.max_replicas = Replicas(4);
  fleet.model.scaling.schedule = {always};
  EXPECT_THAT(fleet.step(0, {0, 0}), testing::ElementsAre(2, 1));
  EXPECT_THAT(fleet.step(1, {9, 9}), testing::ElementsAre(2, 2));
}

TEST(Plan, FailedCapacityIsLimitedAndOfferedElsewhere) {
  Follower fleet{model_with(2), {}, {2, 0}, {}};
  fleet.model.scaling.scale_down_delay = seconds(60);
  EXPECT_THAT(fleet.step(0, {4, 0}), testing::ElementsAre(4, 0));
  fleet.now_running = {3, 0};  // the fourth did not come
  capacity_failed(fleet.memory.variants[0], 3, at(31));
  EXPECT_THAT(fleet.step(1, {5, 0}), testing::ElementsAre(3, 2));
  EXPECT_TRUE(fleet.says(ReasonCode::kCapacityFailed));
  EXPECT_THAT(fleet.step(2, {5, 0}), testing::ElementsAre(3, 2)) << "taken over once";
  EXPECT_THAT(fleet.step(31, {5, 0}), testing::ElementsAre(5, 2));  // retried; the other stays
  EXPECT_THAT(fleet.step(92, {5, 0}), testing::ElementsAre(5, 0));
}

TEST(Plan, FailedCapacityNeverCutsWhatIsReadyOrTheMinimum) {
  Follower fleet{model_with(), {}, {3}, {}};
  fleet.one(0, 3);
  capacity_failed(fleet.memory.variants[0], 1, at(30));
  EXPECT_EQ(fleet.one(1, 5), 3);
  fleet.model.variants[0].min_replicas = Replicas(4);
  EXPECT_EQ(fleet.one(2, 5), 4);
}

/// Two variants, of which the first is on its way.
struct OnTheWay {
  spec::Model model = model_with(2);
  Memory memory;
  Plan plan;
  std::int64_t waiting = 1;
  std::vector<std::int64_t> step(double t, std::vector<std::int64_t> ready, std::int64_t starting,
                                 std::int64_t overdue, std::vector<std::int64_t> wanted) {
    signal::Observation seen = observe(model, std::move(ready), waiting);
    seen.variants[0].fleet.starting = Replicas(starting);
    seen.variants[0].overdue = overdue;
    std::tie(plan, memory) =
        run(model, seen, want(model, std::move(wanted)), {}, std::move(memory), at(t));
    return {plan.variants[0].replicas.value(), plan.variants[1].replicas.value()};
  }
};

TEST(Plan, WhatIsReadyStaysUntilWhatTakesItsPlaceIs) {
  OnTheWay fleet;
  EXPECT_THAT(fleet.step(0, {0, 4}, 0, 0, {3, 0}), testing::ElementsAre(3, 3));
  EXPECT_EQ(fleet.plan.reasons.back().code, ReasonCode::kHandover);
  EXPECT_THAT(fleet.step(1, {1, 3}, 2, 0, {3, 0}), testing::ElementsAre(3, 2));
  EXPECT_THAT(fleet.step(2, {3, 2}, 0, 0, {3, 0}), testing::ElementsAre(3, 0));
  // Half as large a one in its place: twice as many.
  fleet.model.variants[1].engine.max_num_seqs = 5;
  fleet.model.variants[0].engine.max_num_seqs = 10;
  fleet.model.scaling.concurrency_target.reset();
  EXPECT_THAT(fleet.step(3, {0, 9}, 3, 0, {3, 0}), testing::ElementsAre(3, 6));
  fleet.model.variants[1].max_replicas = Replicas(5);
  EXPECT_THAT(fleet.step(4, {0, 6}, 3, 0, {3, 0}), testing::ElementsAre(3, 5)) << "its maximum";
}

TEST(Plan, AnOverdueStartIsLeftAndNotCountedOn) {
  OnTheWay fleet;
  fleet.model.scaling.scale_down_delay = seconds(60);
  EXPECT_THAT(fleet.step(0, {1, 0}, 0, 0, {4, 0}), testing::ElementsAre(4, 0));
  EXPECT_THAT(fleet.step(50, {1, 0}, 3, 0, {4, 0}), testing::ElementsAre(4, 0));
  EXPECT_THAT(fleet.step(60, {1, 0}, 3, 2, {4, 0}), testing::ElementsAre(4, 2)) << "one is young";
  EXPECT_THAT(fleet.step(70, {1, 2}, 3, 3, {4, 0}), testing::ElementsAre(4, 3));
  EXPECT_THAT(fleet.step(71, {1, 3}, 3, 3, {2, 0}), testing::ElementsAre(4, 3)) << "as any surplus";
  EXPECT_THAT(fleet.step(72, {1, 3}, 3, 3, {2, 0}), testing::ElementsAre(4, 3)) << "and no more";
  EXPECT_THAT(fleet.step(140, {1, 3}, 3, 3, {2, 0}), testing::ElementsAre(2, 1));
  EXPECT_THAT(fleet.step(150, {2, 1}, 0, 0, {2, 0}), testing::ElementsAre(2, 1)) << "it came";
  EXPECT_THAT(fleet.step(211, {2, 1}, 0, 0, {2, 0}), testing::ElementsAre(2, 0));
  EXPECT_THAT(fleet.step(212, {0, 0}, 2, 2, {0, 0}), testing::ElementsAre(2, 0))
      << "held, not wanted";
}

TEST(Plan, WhereNothingIsToBeDoneNobodyMakesUpForAnother) {
  OnTheWay fleet;
  fleet.waiting = 0;
  fleet.model.variants[0].min_replicas = Replicas(3);
  EXPECT_THAT(fleet.step(0, {0, 4}, 3, 3, {3, 0}), testing::ElementsAre(3, 0));
}

TEST(Plan, AFloorThatDoesNotComeIsTakenOverToo) {
  OnTheWay fleet;
  fleet.model.scaling.policy = spec::PolicyKind::kHpa;
  fleet.model.variants[0].min_replicas = Replicas(3);
  EXPECT_THAT(fleet.step(0, {0, 1}, 3, 2, {1, 0}), testing::ElementsAre(3, 2)) << "one is young";
  EXPECT_THAT(fleet.step(1, {1, 2}, 2, 2, {1, 0}), testing::ElementsAre(3, 2));
}

TEST(Plan, WhereAllStartsAreOverdueNothingMoreIsAskedForTheirSake) {
  OnTheWay fleet;
  fleet.model.variants.pop_back();
  signal::Observation seen = observe(fleet.model, {1}, 9);
  seen.variants[0].fleet.starting = Replicas(3);
  seen.variants[0].overdue = 3;
  const Plan plan = run(fleet.model, seen, want(fleet.model, {4}), {}, {}, at(0)).first;
  EXPECT_EQ(plan.variants[0].replicas, Replicas(4));
  EXPECT_EQ(plan.reasons[0].code, ReasonCode::kCapacityFailed);
}

TEST(Plan, WhatIsOnTheWayIsNamed) {
  spec::Model model = model_with();
  signal::Observation seen = observe(model, {1});
  seen.variants[0].fleet.starting = Replicas(3);
  auto [plan, memory] = run(model, seen, want(model, {4}), {}, {}, at(0));
  EXPECT_EQ(plan.variants[0].replicas, Replicas(4));
  EXPECT_EQ(plan.reasons.back().code, ReasonCode::kPendingCapacity);
}

TEST(Plan, VictimsAreBootingThenIdleThenYoung) {
  auto row = [](std::uint64_t id, bool booting, std::int64_t tokens, std::int64_t requests,
                double ready) {
    return ReplicaRow{ReplicaId(id), 0,      booting ? std::uint8_t{1} : std::uint8_t{0},
                      requests,      tokens, at(ready)};
  };
  std::vector<ReplicaRow> rows = {row(1, false, 900, 2, 0), row(2, false, 100, 5, 0),
                                  row(3, true, 0, 0, 0),    row(4, true, 0, 0, 0),
                                  row(5, false, 100, 4, 0), row(6, false, 100, 4, 50)};
  rows.push_back(row(7, false, 0, 0, 0));
  rows.back().variant = 1;  // another variant's
  auto ids = [&](std::int64_t target) {
    std::vector<std::uint64_t> out;
    for (ReplicaId id : choose_moves(rows, 0, 6, {target, 0}).stop) out.push_back(id.value());
    return out;
  };
  EXPECT_THAT(ids(0), testing::ElementsAre(4, 3, 6, 5, 2, 1));
  EXPECT_THAT(ids(4), testing::ElementsAre(4, 3));
  EXPECT_THAT(ids(6), testing::IsEmpty());
}

TEST(Memory, ScaleEventsAreBounded) {
  VariantMemory memory;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i <= kMaxScaleEvents + 5; ++i) {
    set_target(memory, static_cast<std::int64_t>(i % 2 == 0 ? 7 : 3), at(static_cast<double>(i)));
    EXPECT_LE(memory.scale_events.size(), kMaxScaleEvents);
  }
  for (const Sample& event : memory.scale_events) sum += static_cast<std::int64_t>(event.value);
  EXPECT_EQ(sum, memory.target);
}

spec::Model random_model(Rng& rng) {
  spec::Model model = model_with(1 + rng.below(3));
  model.scaling.scale_down_delay = seconds(static_cast<std::int64_t>(rng.below(3) * 20));
  if (rng.below(2) == 0) {
    model.scaling.prewarm = spec::Prewarm{0.1, seconds(20)};
    model.queue.max_requests = 100;
  }
  if (rng.below(2) == 0) {
    model.scaling.scale_up.policies = {
        {spec::ScalePolicyType::kPods, static_cast<std::int64_t>(rng.below(4) + 1), seconds(15)}};
    model.scaling.scale_down.policies = {{spec::ScalePolicyType::kPercent, 50, seconds(15)}};
    if (rng.below(2) == 0) model.scaling.scale_down.select_policy = spec::SelectPolicy::kMin;
  }
  if (rng.below(3) == 0) model.scaling.policy = spec::PolicyKind::kHpa;
  if (rng.below(3) == 0) model.scaling.scale_up.stabilization_window = seconds(5);
  for (spec::Variant& variant : model.variants) {
    if (rng.below(2) == 0) {
      variant.min_replicas = Replicas(static_cast<std::int64_t>(rng.below(3)));
    }
    variant.max_replicas = Replicas(static_cast<std::int64_t>(2 + rng.below(10)));
  }
  return model;
}

TEST(PlanProperty, ReasonsChainExactlyBoundsHoldAndMissingDataNeverLowers) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Rng rng(seed, "plan");
    Follower fleet{random_model(rng), {}, {}, {}};
    std::size_t count = fleet.model.variants.size();
    for (std::size_t i = 0; i < count; ++i) {
      auto most = static_cast<std::uint64_t>(fleet.model.variants[i].max_replicas.value());
      fleet.now_running.push_back(static_cast<std::int64_t>(rng.below(most + 1)));
    }
    double t = 0;
    for (int step = 0; step < 60; ++step) {
      t += static_cast<double>(rng.below(8) + 1);
      std::vector<std::int64_t> wanted, before = fleet.now_running;
      for (std::size_t i = 0; i < count; ++i) {
        wanted.push_back(static_cast<std::int64_t>(rng.below(15)));
      }
      bool complete = rng.below(4) != 0;
      bool failing = false;
      if (!fleet.memory.variants.empty() && rng.below(10) == 0) {
        capacity_failed(fleet.memory.variants[rng.below(count)],
                        static_cast<std::int64_t>(rng.below(6)) - 1, at(t + 5));
      }
      for (const VariantMemory& known : fleet.memory.variants) {
        failing = failing || known.capacity_failed_until > at(t);
      }
      fleet.step(t, wanted, complete, static_cast<std::int64_t>(rng.below(20)));
      std::vector<std::int64_t> chain = wanted;
      for (const Reason& reason : fleet.last.reasons) {
        std::size_t i = static_cast<std::size_t>(reason.variant.back() - '0');
        ASSERT_EQ(reason.before, chain[i]) << "seed " << seed << " " << token(reason.code);
        chain[i] = reason.after;
      }
      for (std::size_t i = 0; i < count; ++i) {
        const spec::Variant& variant = fleet.model.variants[i];
        ASSERT_EQ(fleet.now_running[i], chain[i]) << "seed " << seed;
        ASSERT_GE(Replicas(fleet.now_running[i]), spec::min_replicas(fleet.model, variant));
        ASSERT_LE(Replicas(fleet.now_running[i]), variant.max_replicas) << "seed " << seed;
        if (!complete && !failing && step > 0) {
          ASSERT_GE(fleet.now_running[i], before[i]) << "seed " << seed;
        }
      }
    }
  }
}

TEST(PlanProperty, AConstantRecommendationComesToRest) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed, "rest");
    Follower fleet{random_model(rng), {}, {}, {}};
    fleet.model.scaling.prewarm.reset();
    std::vector<std::int64_t> wanted;
    for (std::size_t i = 0; i < fleet.model.variants.size(); ++i) {
      fleet.now_running.push_back(static_cast<std::int64_t>(rng.below(3)));
      wanted.push_back(static_cast<std::int64_t>(rng.below(15)));
    }
    int direction_changes = 0;
    std::vector<std::int64_t> before = fleet.step(0, wanted);
    for (int t = 1; t < 300; ++t) {
      std::vector<std::int64_t> after = fleet.step(t, wanted);
      for (std::size_t i = 0; i < after.size(); ++i) {
        std::int64_t low = spec::min_replicas(fleet.model, fleet.model.variants[i]).value();
        std::int64_t rest =
            std::clamp(wanted[i], low, fleet.model.variants[i].max_replicas.value());
        bool away = (after[i] - before[i]) * (rest - before[i]) < 0;
        direction_changes += away ? 1 : 0;
        if (t == 299) {
          EXPECT_EQ(after[i], rest) << "seed " << seed;
        }
      }
      before = after;
    }
    EXPECT_EQ(direction_changes, 0) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tidegate::plan
