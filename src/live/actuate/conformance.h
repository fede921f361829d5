#pragma once
// What every actuator promises (actuator.h), as one suite; each target runs it on a harness of its
// own.
//
//   struct ProcessHarness { ... };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Process, ActuatorConformance, ProcessHarness);
//
// A harness has: `TestWorld world`; `std::unique_ptr<Actuator> make()` with world.sink(); kOurs,
// whether apply() makes engines; kStart, how many replicas there are after adopt() alone;
// `outside()`, how many the world outside was made to have (processes that run, the number told),
// -1 where it cannot be told. One whose replicas are put to sleep one by one says kSleeps; its
// engines neither sleep nor wake after POST /deaf.
//
// That a state follows legally on the one before, and is told once, is checked by TestWorld at
// every report.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "live/actuate/actuator.h"
#include "live/actuate/test_world.h"

namespace tidegate::live {

template <class Harness>
concept SleepsOneByOne = requires {
  Harness::kSleeps;
};

template <class Harness>
class ActuatorConformance : public ::testing::Test {
 protected:
  using State = control::ReplicaState;
  ActuatorConformance() : actuator(harness.make()) {}

  void apply(std::int64_t replicas) { actuator->apply({"h100", Replicas(replicas), {}}); }
  /// Replicas that are ready are as many as asked, or as there were where they are not ours.
  ::testing::AssertionResult settled_at(std::int64_t replicas) {
    std::int64_t expected = Harness::kOurs ? replicas : Harness::kStart;
    bool reached = harness.world.until([&] {
      drain_all();
      return harness.world.in_state(State::kReady) == expected &&
             static_cast<std::int64_t>(actuator->replicas().size()) == expected &&
             (harness.outside() < 0 || harness.outside() == replicas);
    });
    if (reached) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << "ready " << harness.world.in_state(State::kReady) << ", known "
           << actuator->replicas().size() << ", outside " << harness.outside();
  }
  /// As a router without requests would.
  void drain_all() {
    for (const auto& info : actuator->replicas()) {
      if (info.state == State::kDraining) actuator->drained(info.id);
    }
  }
  bool reaches(ReplicaId id, State state) {
    return harness.world.until([&] { return harness.world.is(id, state); });
  }
  /// As the controller does, and a router without requests.
  bool puts_to_sleep(ReplicaId id) {
    actuator->sleep(id, 1);
    if (!reaches(id, State::kDraining)) return false;
    actuator->drained(id);
    return reaches(id, State::kSleeping);
  }
  void shut_down() {
    bool done = false;
    actuator->shutdown([&] { done = true; });
    EXPECT_FALSE(done) << "told from inside the call";
    EXPECT_TRUE(harness.world.until([&] {
      drain_all();
      return done;
    }));
  }

  Harness harness;
  std::unique_ptr<Actuator> actuator;
};
TYPED_TEST_SUITE_P(ActuatorConformance);

TYPED_TEST_P(ActuatorConformance, applying_twice_is_applying_once) {
  this->actuator->adopt();
  this->apply(2);
  ASSERT_TRUE(this->settled_at(2));
  std::size_t reports = this->harness.world.reports.size();
  for (int i = 0; i < 5; ++i) this->apply(2);
  ASSERT_TRUE(this->harness.world.until([&] { return this->harness.world.applied.size() >= 2; }));
  this->harness.world.settle();
  EXPECT_EQ(this->harness.world.reports.size(), reports) << "nothing changed";
  EXPECT_TRUE(this->settled_at(2));
  this->shut_down();
}

TYPED_TEST_P(ActuatorConformance, an_apply_replaces_the_one_before) {
  this->actuator->adopt();
  this->apply(5);
  this->apply(0);
  this->apply(3);
  ASSERT_TRUE(this->settled_at(3));
  this->apply(4);
  this->apply(1);
  ASSERT_TRUE(this->settled_at(1));
  this->shut_down();
}

TYPED_TEST_P(ActuatorConformance, nothing_is_told_from_inside_a_call) {
  auto& world = this->harness.world;
  this->actuator->adopt();
  EXPECT_TRUE(world.reports.empty());
  this->apply(1);
  EXPECT_TRUE(world.reports.empty());
  EXPECT_TRUE(world.applied.empty());
  ASSERT_TRUE(this->settled_at(1));
  this->shut_down();
}

TYPED_TEST_P(ActuatorConformance, a_sink_may_apply_at_once) {
  auto& world = this->harness.world;
  bool once = false;
  world.on_change = [&](const ReplicaInfo& info) {
    if (info.state == control::ReplicaState::kReady && !once) {
      once = true;
      this->apply(2);
    }
  };
  this->actuator->adopt();
  this->apply(1);
  ASSERT_TRUE(this->settled_at(2));
  this->shut_down();
}

TYPED_TEST_P(ActuatorConformance, what_is_told_is_what_replicas_answers) {
  auto& world = this->harness.world;
  this->actuator->adopt();
  this->apply(3);
  ASSERT_TRUE(this->settled_at(3));
  for (const auto& info : this->actuator->replicas()) {
    ASSERT_TRUE(world.last.contains(info.id));
    EXPECT_EQ(world.last[info.id].state, info.state);
    EXPECT_EQ(world.last[info.id].address, info.address);
    EXPECT_EQ(info.variant, "h100");
  }
  this->shut_down();
}

TYPED_TEST_P(ActuatorConformance, every_apply_is_answered_with_the_truth) {
  auto& world = this->harness.world;
  this->actuator->adopt();
  this->apply(2);
  ASSERT_TRUE(world.until([&] { return !world.applied.empty(); }));
  EXPECT_EQ(world.applied[0].variant, "h100");
  EXPECT_EQ(world.applied[0].replicas, 2);
  bool takes = TypeParam::kOurs || TypeParam::kStart == 2 || this->harness.outside() >= 0;
  EXPECT_EQ(world.applied[0].ok, takes ? 1 : 0) << world.applied[0].detail;
  EXPECT_EQ(world.applied[0].detail.empty(), takes);
  this->shut_down();
}

TYPED_TEST_P(ActuatorConformance, shutdown_leaves_nothing_and_ends_every_replica) {
  this->actuator->adopt();
  this->apply(3);
  ASSERT_TRUE(this->settled_at(3));
  this->shut_down();
  EXPECT_TRUE(this->actuator->replicas().empty());
  for (const auto& [id, info] : this->harness.world.last) {
    EXPECT_EQ(info.state, control::ReplicaState::kGone) << id.value();
  }
  EXPECT_LE(this->harness.outside(), 0) << "engines are left";
}

TYPED_TEST_P(ActuatorConformance, shutdown_of_nothing_is_answered_too) { this->shut_down(); }

TYPED_TEST_P(ActuatorConformance, unknown_replicas_are_no_harm) {
  this->actuator->adopt();
  this->actuator->drained(ReplicaId(999));
  this->actuator->sleep(ReplicaId(999), 1);
  this->actuator->wake(ReplicaId(999));
  this->actuator->apply({"h100", Replicas(1), {ReplicaId(999)}});
  ASSERT_TRUE(this->settled_at(1));
  this->shut_down();
}

#define ONLY_WHERE_REPLICAS_SLEEP()         \
  if constexpr (!SleepsOneByOne<TypeParam>) \
  GTEST_SKIP() << "replicas of this target are not put to sleep one by one"

TYPED_TEST_P(ActuatorConformance, a_sleeper_drains_first_counts_and_is_woken_in_one_call) {
  ONLY_WHERE_REPLICAS_SLEEP();
  using State = control::ReplicaState;
  auto& world = this->harness.world;
  this->actuator->adopt();
  this->apply(2);
  ASSERT_TRUE(this->settled_at(2));
  const ReplicaId id = this->actuator->replicas().at(0).id;
  this->actuator->sleep(id, 1);
  ASSERT_TRUE(this->reaches(id, State::kDraining));
  EXPECT_EQ(world.in_state(State::kSleeping), 0) << "it drains first";
  this->actuator->drained(id);
  ASSERT_TRUE(this->reaches(id, State::kSleeping));
  EXPECT_EQ(world.in_state(State::kReady), 1);
  for (int i = 0; i < 3; ++i) this->apply(2);
  world.settle();
  EXPECT_EQ(this->actuator->replicas().size(), 2u) << "no other is started in its place";
  EXPECT_TRUE(world.is(id, State::kSleeping));
  this->actuator->wake(id);
  this->actuator->wake(id);
  ASSERT_TRUE(this->reaches(id, State::kReady));
  const control::StageTimes stages = world.last[id].stages;
  EXPECT_EQ(stages.from, control::StartFrom::kSleeping);
  EXPECT_GT(stages.total, Duration(0));
  EXPECT_EQ(stages.engine, stages.total);
  ASSERT_TRUE(this->settled_at(2));
  this->shut_down();
}

TYPED_TEST_P(ActuatorConformance, a_sleeper_goes_before_one_that_serves_and_after_who_is_named) {
  ONLY_WHERE_REPLICAS_SLEEP();
  using State = control::ReplicaState;
  this->actuator->adopt();
  this->apply(3);
  ASSERT_TRUE(this->settled_at(3));
  auto replicas = this->actuator->replicas();
  auto goes = [&](ReplicaId id) {
    return this->harness.world.until([&] {
      this->drain_all();
      return this->harness.world.is(id, State::kGone);
    });
  };
  ASSERT_TRUE(this->puts_to_sleep(replicas[0].id));
  this->actuator->apply({"h100", Replicas(2), {replicas[1].id}});
  ASSERT_TRUE(goes(replicas[1].id));
  EXPECT_TRUE(this->harness.world.is(replicas[0].id, State::kSleeping));
  this->actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(goes(replicas[0].id));
  EXPECT_TRUE(this->harness.world.is(replicas[2].id, State::kReady));
  this->shut_down();
}

TYPED_TEST_P(ActuatorConformance, an_engine_that_refuses_to_sleep_serves_on_and_says_why) {
  ONLY_WHERE_REPLICAS_SLEEP();
  using State = control::ReplicaState;
  auto& world = this->harness.world;
  this->actuator->adopt();
  this->apply(1);
  ASSERT_TRUE(this->settled_at(1));
  const ReplicaInfo info = this->actuator->replicas().at(0);
  world.ask(info.address, "POST", "/deaf");
  this->actuator->sleep(info.id, 1);
  this->actuator->drained(info.id);
  ASSERT_TRUE(world.until(
      [&] { return world.was(info.id, State::kDraining) && world.is(info.id, State::kReady); }));
  EXPECT_NE(world.last[info.id].detail.find("/sleep?level=1 answered 500"), std::string::npos)
      << world.last[info.id].detail;
  EXPECT_LT(world.last[info.id].stages.total, Duration(0)) << "that is no start";
  const std::size_t reports = world.reports.size();
  this->actuator->sleep(info.id, 1);
  world.settle();
  EXPECT_EQ(world.reports.size(), reports) << "and is not asked again at once";
  this->shut_down();
}

REGISTER_TYPED_TEST_SUITE_P(ActuatorConformance, applying_twice_is_applying_once,
                            an_apply_replaces_the_one_before, nothing_is_told_from_inside_a_call,
                            a_sink_may_apply_at_once, what_is_told_is_what_replicas_answers,
                            every_apply_is_answered_with_the_truth,
                            shutdown_leaves_nothing_and_ends_every_replica,
                            shutdown_of_nothing_is_answered_too, unknown_replicas_are_no_harm,
                            a_sleeper_drains_first_counts_and_is_woken_in_one_call,
                            a_sleeper_goes_before_one_that_serves_and_after_who_is_named,
                            an_engine_that_refuses_to_sleep_serves_on_and_says_why);

}  // namespace tidegate::live
