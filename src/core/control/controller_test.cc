#include "core/control/controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/control/control_test_world.h"

namespace tidegate::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Controller, OrdersWhatABacklogAtZeroNeedsAtOnce) {
  Bench bench(model_with(0, 20));
  bench.observe(0, 0, 0);
  bench.observe(0.3, 50, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(0, 8));  // ceil(50 / 7)
  EXPECT_TRUE(bench.announced(ReasonCode::kActivation));
  bench.observe(1.3, 50, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(0, 8));  // not ordered twice
}

TEST(Controller, DecidesOnceAPeriodAndKeepsWhatComesBetween) {
  Bench bench(model_with(1, 20));
  bench.observe(0, 0, 0);
  bench.observe(0.2, 0, 1);
  EXPECT_EQ(bench.decided_on(), 0);
  EXPECT_EQ(bench.controller.next_wake(), at(1));
  bench.send(Tick{}, 0.999);
  EXPECT_EQ(bench.decided_on(), 0);
  bench.send(Tick{}, 1);
  EXPECT_EQ(bench.decided_on(), 1);
  EXPECT_TRUE(bench.controller.next_wake().is_never());
}

TEST(Controller, ABurstIsDecidedOnBeforeThePeriodEnds) {
  Bench bench(model_with(1, 20));
  bench.observe(0, 0, 2);
  bench.observe(0.2, 30, 2);
  EXPECT_EQ(bench.decided_on(), 32);
  bench.observe(0.25, 90, 2);  // a second one keeps its distance
  EXPECT_EQ(bench.decided_on(), 32);
  EXPECT_EQ(bench.controller.next_wake(), at(0.3));
  bench.send(Tick{}, 0.3);
  EXPECT_EQ(bench.decided_on(), 92);
}

TEST(Controller, ObservingAndPausedApplyNothing) {
  for (bool paused : {true, false}) {
    Start start;
    if (paused) {
      start.paused = 1;
    } else {
      start.mode = spec::Mode::kObserve;
    }
    Bench bench(model_with(0, 20), start);
    bench.observe(0, 50, 0);
    EXPECT_THAT(bench.applied(), IsEmpty());
    EXPECT_EQ(bench.controller.view().desired[0].replicas, Replicas(8));
    EXPECT_EQ(bench.last_record().applied, 0);
    ReasonCode why = paused ? ReasonCode::kPaused : ReasonCode::kObserveMode;
    EXPECT_EQ(bench.last_record().reasons.back().code, why);
  }
}

TEST(Controller, TheOperatorScalesAlsoWhilePausedAndThenItStays) {
  Bench bench(model_with(1, 20));
  bench.observe(0, 0, 0);
  bench.send(OperatorSaid{Said::kPause, "", 0, {}}, 1);
  bench.send(OperatorSaid{Said::kScale, "", 6, {}}, 2);
  EXPECT_THAT(bench.applied(), ElementsAre(1, 6));
  EXPECT_TRUE(bench.announced(ReasonCode::kOperator));
  for (int t = 3; t < 100; ++t) bench.observe(t, 0, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(1, 6));
  bench.send(OperatorSaid{Said::kResume, "", 0, {}}, 100);
  for (int t = 101; t < 190; ++t) bench.observe(t, 0, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(1, 6, 1));
}

TEST(Controller, InAutoTheOperatorsNumberStandsForTheScaleDownDelay) {
  Bench bench(model_with(1, 20));
  bench.observe(0, 0, 0);
  bench.send(OperatorSaid{Said::kScale, "", 5, {}}, 10);
  for (int t = 10; t <= 70; ++t) bench.observe(t, 0, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(1, 5));
  bench.observe(71, 0, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(1, 5, 1));
}

TEST(Controller, TheOperatorIsHeldToTheMaximum) {
  Bench bench(model_with(1, 4));
  bench.send(OperatorSaid{Said::kScale, "", 99, {}}, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(4));
  bench.send(OperatorSaid{Said::kScale, "nobody", 2, {}}, 1);
  EXPECT_THAT(bench.applied(), ElementsAre(4));
}

TEST(Controller, TimedModeEndsByItselfOnTime) {
  Bench bench(model_with(0, 20));
  bench.send(OperatorSaid{Said::kResume, "", 0, seconds(30)}, 0);
  EXPECT_EQ(bench.controller.next_wake(), at(30));
  bench.observe(1, 50, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(8));
  bench.send(Tick{}, 30);
  EXPECT_TRUE(bench.announced(ReasonCode::kTimedModeOver));
  EXPECT_EQ(bench.controller.view().mode, spec::Mode::kObserve);
  bench.observe(31, 200, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(8));
  EXPECT_EQ(bench.last_record().reasons.back().code, ReasonCode::kTimedModeOver);
}

TEST(Controller, ASpecThatObservesIsNotOverruledByAStartWithoutMemory) {
  spec::Model model = model_with(0, 20);
  model.scaling.mode = spec::Mode::kObserve;
  Bench bench(model);
  bench.observe(0, 50, 0);
  EXPECT_THAT(bench.applied(), IsEmpty());
}

TEST(Controller, ObservingAFleetFoundLateIsRecommendedUntilLessWasAskedForLongEnough) {
  spec::Model model = model_with(0, 8);
  model.scaling.mode = spec::Mode::kObserve;
  Bench bench(model);
  bench.observe(0, 0, 0);
  EXPECT_EQ(bench.controller.view().desired[0].replicas, Replicas(0));
  for (std::uint64_t id = 1; id <= 5; ++id) {
    bench.send(ReplicaChanged{ReplicaId(id), "v0", ReplicaState::kReady, {}, 1}, 2);
  }
  for (double t = 3; t < 62; ++t) bench.observe(t, 0, 0);
  EXPECT_EQ(bench.controller.view().desired[0].replicas, Replicas(5));
  for (double t = 62; t < 70; ++t) bench.observe(t, 0, 0);
  EXPECT_EQ(bench.controller.view().desired[0].replicas, Replicas(0));
}

TEST(Controller, EndpointsComeAndGoWithoutBeingForeign) {
  spec::Model model = model_with(0, 20);
  model.variants[0].target = spec::EndpointsTarget{{"http://a", "http://b"}};
  Bench bench(model);
  bench.observe(0, 0, 1);
  bench.ready(2, 1);
  EXPECT_FALSE(bench.announced(ReasonCode::kForeignWrite));
}

TEST(Controller, ARolloutsPodsAreNotForeignButAnotherNumberIs) {
  spec::Model model = model_with(0, 20);
  model.variants[0].target = spec::KubernetesTarget{};
  Bench bench(model);
  bench.observe(0, 20, 0);
  bench.send(Applied{"v0", bench.applied().back(), 1, ""}, 0.1);
  bench.ready(bench.applied().back() + 5, 1);
  EXPECT_FALSE(bench.announced(ReasonCode::kForeignWrite));
  bench.send(Applied{"v0", bench.applied().back() + 3, 1, ""}, 2);
  EXPECT_TRUE(bench.announced(ReasonCode::kForeignWrite));
}

TEST(Controller, ARestartHoldsItsTargetsAndTellsThemOnce) {
  Start start;
  start.targets = {{"v0", Replicas(6)}};
  start.next_sequence = 41;
  Bench bench(model_with(0, 20), start);
  EXPECT_EQ(bench.controller.view().desired[0].replicas, Replicas(6));
  for (std::uint64_t id = 1; id <= 5; ++id) {
    bench.send(ReplicaChanged{ReplicaId(id), "v0", ReplicaState::kReady, {}, 1}, 0);
  }
  EXPECT_TRUE(bench.announced(ReasonCode::kAdopted));
  EXPECT_FALSE(bench.announced(ReasonCode::kForeignWrite));
  bench.observe_nothing(1);
  EXPECT_THAT(bench.applied(), ElementsAre(6));  // the sixth is gone: asked for again
  EXPECT_EQ(bench.last_record().sequence, 41u);
  for (int t = 2; t <= 61; ++t) bench.observe(t, 0, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(6));
  for (int t = 62; t <= 63; ++t) bench.observe(t, 0, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(6, 0));
}

TEST(Controller, AStandbyAppliesNothingAndGoesOnFromTheFleetWhenItLeads) {
  Bench bench(model_with(0, 20));
  bench.send(LeadershipChanged{0}, 0);
  bench.observe(1, 20, 0);
  bench.send(OperatorSaid{Said::kScale, "", 3, {}}, 2);
  EXPECT_THAT(bench.applied(), IsEmpty());
  for (std::uint64_t id = 1; id <= 4; ++id) {
    bench.send(ReplicaChanged{ReplicaId(id), "v0", ReplicaState::kReady, {}, 0}, 3);
  }
  bench.send(LeadershipChanged{1}, 4);
  bench.observe(5, 0, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(4));
}

TEST(Controller, AForeignWriteIsAnnouncedAndTakenAsTheTarget) {
  Bench bench(model_with(1, 20));
  bench.observe(0, 0, 0);
  bench.send(Applied{"v0", 1, 1, ""}, 0.1);
  EXPECT_FALSE(bench.announced(ReasonCode::kForeignWrite));
  bench.send(Applied{"v0", 7, 1, ""}, 5);
  EXPECT_TRUE(bench.announced(ReasonCode::kForeignWrite));
  for (int t = 6; t <= 60; ++t) bench.observe(t, 0, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(1));
  for (int t = 66; t <= 67; ++t) bench.observe(t, 0, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(1, 1));  // told again: somebody else had the last word
}

TEST(Controller, LateAcknowledgementsAndCrashesAreNotForeign) {
  Bench bench(model_with(1, 20));
  bench.observe(0, 0, 0);
  bench.send(OperatorSaid{Said::kScale, "", 3, {}}, 1);
  bench.send(OperatorSaid{Said::kScale, "", 2, {}}, 2);
  bench.send(Applied{"v0", 1, 1, ""}, 3);
  bench.send(Applied{"v0", 3, 1, ""}, 3);
  bench.send(Applied{"v0", 2, 1, ""}, 3);
  bench.send(ReplicaChanged{ReplicaId(1), "v0", ReplicaState::kReady, {}, 0}, 4);
  bench.send(ReplicaChanged{ReplicaId(2), "v0", ReplicaState::kReady, {}, 0}, 4);
  bench.send(ReplicaChanged{ReplicaId(2), "v0", ReplicaState::kFailed, {}, 0}, 5);
  bench.send(ReplicaChanged{ReplicaId(2), "v0", ReplicaState::kGone, {}, 0}, 5);
  bench.send(ReplicaChanged{ReplicaId(3), "v0", ReplicaState::kOrdered, {}, 0}, 6);
  EXPECT_FALSE(bench.announced(ReasonCode::kForeignWrite));
  bench.send(ReplicaChanged{ReplicaId(4), "v0", ReplicaState::kOrdered, {}, 0}, 7);
  EXPECT_TRUE(bench.announced(ReasonCode::kForeignWrite));
}

TEST(Controller, ALostReplicaReplacedBeforeALowerOrderIsTakenIsNotForeign) {
  for (bool refused : {false, true}) {
    Bench bench(model_with(1, 20));
    bench.observe(0, 0, 0);
    bench.send(OperatorSaid{Said::kScale, "", 2, {}}, 1);
    bench.send(Applied{"v0", 2, 1, ""}, 1);
    bench.ready(2, 2);
    bench.send(OperatorSaid{Said::kScale, "", 1, {}}, 3);
    if (refused) bench.send(Applied{"v0", 1, 0, "not now"}, 3);
    // The actuator still holds two: it replaces what it lost.
    bench.send(ReplicaChanged{ReplicaId(1), "v0", ReplicaState::kGone, {}, 0}, 4);
    bench.send(ReplicaChanged{ReplicaId(3), "v0", ReplicaState::kOrdered, {}, 0}, 4);
    EXPECT_FALSE(bench.announced(ReasonCode::kForeignWrite)) << refused;
    bench.send(Applied{"v0", 1, 1, ""}, 5);
    bench.send(ReplicaChanged{ReplicaId(4), "v0", ReplicaState::kOrdered, {}, 0}, 6);
    EXPECT_TRUE(bench.announced(ReasonCode::kForeignWrite)) << "taken: now it is one too many";
  }
}

TEST(Controller, ARefusedNumberIsAskedAgainLater) {
  Bench bench(model_with(1, 20));
  bench.observe(0, 0, 0);
  bench.send(Applied{"v0", 1, 0, "no"}, 0.5);
  EXPECT_TRUE(bench.announced(ReasonCode::kRefused));
  bench.observe(5, 0, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(1));
  EXPECT_EQ(bench.controller.next_wake(), at(10.5));
  bench.send(Tick{}, 10.5);
  EXPECT_THAT(bench.applied(), ElementsAre(1, 1));
}

TEST(Controller, FailedCapacityIsAnnouncedAndRetriedOnTime) {
  Bench bench(model_with(0, 20));
  bench.observe(0, 50, 0);
  bench.send(CapacityFailed{"v0", 2, seconds(30), "no free device"}, 1);
  EXPECT_TRUE(bench.announced(ReasonCode::kCapacityFailed));
  EXPECT_THAT(bench.applied(), ElementsAre(8, 2));
  std::size_t before = bench.all<Announce>().size();
  bench.send(CapacityFailed{"v0", 2, seconds(29), "no free device"}, 2);  // nothing new
  EXPECT_EQ(bench.all<Announce>().size(), before);
  EXPECT_EQ(bench.controller.next_wake(), at(31));
  bench.observe(30, 50, 0);
  bench.send(Tick{}, 31);
  EXPECT_THAT(bench.applied(), ElementsAre(8, 2, 8));
}

TEST(Controller, AStartPastItsDeadlineIsTakenOverByAnotherVariant) {
  spec::Model model = model_with(0, 20, 2);
  model.variants[0].cold_start.engine = {seconds(20), seconds(25)};
  Bench bench(model);
  bench.observe(0, 20, 0);
  const std::int64_t wanted = bench.last_apply("v0");
  ASSERT_GT(wanted, 0);
  for (std::int64_t id = 1; id <= wanted; ++id) {
    bench.send(
        ReplicaChanged{
            ReplicaId(static_cast<std::uint64_t>(id)), "v0", ReplicaState::kOrdered, {}, 0},
        1);
  }
  bench.observe(40, 20, 0);  // it starts at last, and is as late as before
  bench.send(ReplicaChanged{ReplicaId(1), "v0", ReplicaState::kStarting, {}, 0}, 40);
  EXPECT_EQ(bench.last_apply("v1"), 0);
  bench.observe(52, 20, 0);
  EXPECT_EQ(bench.last_apply("v0"), wanted) << "it may still come";
  EXPECT_EQ(bench.last_apply("v1"), wanted);
  auto told = [&] {
    const std::vector<Announce> all = bench.all<Announce>();
    return std::count_if(all.begin(), all.end(), [](const Announce& one) {
      return one.detail.find(" not ready after 50 s") != std::string::npos;
    });
  };
  EXPECT_EQ(told(), 1);
  bench.observe(54, 20, 0);
  EXPECT_EQ(told(), 1) << "once";
}

TEST(Controller, WhereNobodySaysHowLongAStartTakesNoneIsOverdue) {
  Bench bench(model_with(0, 20, 2));
  bench.observe(0, 20, 0);
  bench.send(ReplicaChanged{ReplicaId(1), "v0", ReplicaState::kOrdered, {}, 0}, 1);
  bench.observe(3'000, 20, 0);
  EXPECT_EQ(bench.last_apply("v1"), 0);
}

TEST(Controller, ANewSpecKeepsWhatItKnowsByName) {
  Bench bench(model_with(2, 20));
  bench.observe(0, 0, 0);
  EXPECT_THAT(bench.applied(), ElementsAre(2));
  spec::Model next = model_with(3, 20);
  next.variants.insert(next.variants.begin(), next.variants[0]);
  next.variants[0].name = "new";
  bench.controller.set_model(next, 2);
  bench.send(SpecChanged{}, 1);
  EXPECT_EQ(bench.last_record().spec_hash, 2u);
  EXPECT_EQ(bench.last_apply("v0"), 3);
  EXPECT_EQ(bench.last_apply("new"), 3);
  next.variants.erase(next.variants.begin() + 1);
  bench.controller.set_model(next, 3);
  bench.send(SpecChanged{}, 2);
  EXPECT_EQ(bench.last_apply("v0"), 0);
  EXPECT_EQ(bench.last_apply("new"), 3);
}

TEST(Controller, VariantsInAnotherOrderAreNotTakenForOneAnother) {
  spec::Model model = model_with(0, 20, 2);
  model.scaling.policy = spec::PolicyKind::kHpa;
  Bench bench(model);
  bench.observe(0, 20, 0);
  const std::int64_t cheap = bench.last_apply("v0"), dear = bench.last_apply("v1");
  ASSERT_GT(cheap, dear);
  std::swap(model.variants[0], model.variants[1]);
  bench.controller.set_model(model, 2);
  bench.send(SpecChanged{}, 1);
  EXPECT_EQ(bench.last_apply("v0"), cheap);
  EXPECT_EQ(bench.last_apply("v1"), dear);
}

TEST(Controller, UnchangedDecisionsAreRecordedOnceAMinute) {
  Bench bench(model_with(1, 20));
  for (int t = 0; t <= 120; ++t) bench.observe(t, 0, 0);
  std::vector<Record> records = bench.records();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].decision.sequence, 1u);
  std::int64_t decided = 0;
  for (const Record& record : records) decided += 1 + record.repeats;
  EXPECT_EQ(records.back().decision.at, at(120));
  EXPECT_EQ(decided, 121);
}

TEST(Controller, AnOldObservationIsStaleAndLowersNothing) {
  Bench bench(model_with(0, 20));
  bench.observe(0, 50, 0);
  bench.ready(8, 1);
  for (int t = 1; t <= 70; ++t) bench.observe(t, 50, 0);
  bench.observe(70.5, 0, 0);
  bench.send(Tick{}, 700);  // nothing was heard for ten minutes
  EXPECT_THAT(bench.applied(), ElementsAre(8));
  EXPECT_FALSE(bench.last_record().recommendation.complete);
}

TEST(Controller, DownNamesItsVictims) {
  Bench bench(model_with(0, 20));
  bench.observe(0, 20, 0);
  bench.ready(3, 1);
  for (int t = 1; t <= 200; ++t) bench.observe(t, 0, 0);
  Apply last = bench.last_apply_action();
  EXPECT_EQ(last.replicas, Replicas(0));
  EXPECT_THAT(last.victims, ElementsAre(ReplicaId(3), ReplicaId(2), ReplicaId(1)));
}

TEST(Controller, WhatAnotherLeaderLearnedIsGoneOnFromByTideAloneAndWithoutItsRates) {
  policy::TideState theirs;
  theirs.season.assign(policy::kTideSeasonSlots, 1'500);
  theirs.lengths.output_tokens = 321;
  theirs.last = 40;
  policy::State learned;
  learned.tide = theirs;
  for (const auto policy : {spec::PolicyKind::kTide, spec::PolicyKind::kConcurrency}) {
    spec::Model model = model_with(1, 20);
    model.scaling.policy = policy;
    Bench bench(model);
    bench.observe(0, 0, 0);
    const policy::State before = bench.controller.learned();
    bench.send(Taught{}, 1);
    EXPECT_EQ(bench.controller.learned(), before) << "a state that says nothing teaches nothing";
    bench.send(Taught{learned}, 2);
    bench.observe(4, 500, 0);  // a decision that is recorded
    const policy::State after = bench.controller.learned();
    if (policy != spec::PolicyKind::kTide) {
      EXPECT_FALSE(after.tide) << "no other policy takes it";
      continue;
    }
    ASSERT_TRUE(after.tide);
    EXPECT_EQ(after.tide->season, theirs.season);
    EXPECT_EQ(after.tide->lengths.output_tokens, 321);
    const policy::State seen = bench.last_record().policy_before;
    ASSERT_TRUE(seen.tide);
    EXPECT_EQ(seen.tide->last, 0) << "a rate is of its own time";
  }
}

}  // namespace
}  // namespace tidegate::control
