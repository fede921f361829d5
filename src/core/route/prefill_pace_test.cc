#include "core/route/prefill_pace.h"

#include <gtest/gtest.h>

#include "core/base/rng.h"
#include "core/route/router_fixture_test.h"

namespace tidegate::route {
namespace {

/// 15 ms a step of one, 50 us a prompt token.
constexpr StepCost kCost{.step = 0.014, .prefill_token = 50e-6, .sequence = 1e-3};

PaceLaw law_of(Duration itl, std::int64_t prompt, std::int64_t output) {
  PaceLaw law;
  law.bound(itl);
  for (int i = 0; i < 600; ++i) {
    law.saw_prompt(prompt);
    law.saw_output(output);
  }
  return law;
}

TEST(PaceLaw, TheShareLeavesOneDeviationUnderTheBound) {
  struct Row {
    const char* label;
    std::int64_t prompt, output;
    double least, most;
  };
  const Row rows[] = {
      {"long answers average out: nearly all that the bound leaves", 500, 2000, 0.70, 0.75},
      {"short answers do not", 2000, 20, 0.60, 0.70},
      {"short answers to long prompts still less", 8000, 20, 0.45, 0.65},
  };
  for (const Row& row : rows) {
    const PaceLaw law = law_of(millis(60), row.prompt, row.output);
    const double share = law.share(0.015, 50e-6);
    EXPECT_GE(share, row.least) << row.label;
    EXPECT_LE(share, row.most) << row.label;
    const double mean = 0.015 / (1 - share), u = mean - 0.015;
    const double variance =
        u * 50e-6 * static_cast<double>(row.prompt) / static_cast<double>(row.output - 1);
    EXPECT_NEAR(mean + std::sqrt(variance), 0.060, 1e-3) << row.label;
  }
  EXPECT_EQ(law_of(millis(60), 500, 500).share(0.2, 50e-6), PaceLaw::kLeastShare)
      << "a batch already over the bound: a trickle";
}

/// What the law is for: a replica fed at its pace keeps the bound, one fed as fast as it takes does
/// not. Prompts fall on one who decodes as the law supposes.
TEST(PaceLaw, DecodingBesideThePaceKeepsTheBoundMostOfTheTime) {
  Rng rng(3, "pace");
  const PaceLaw law = law_of(millis(60), 1000, 100);
  const double per_second = law.share(0.015, 50e-6) / (1000 * 50e-6);
  int met = 0;
  for (int i = 0; i < 4000; ++i) {
    double at = 0, next = rng.exponential(1 / per_second);
    for (int token = 1; token < 100; ++token) {
      at += 0.015;
      for (; next < at; next += rng.exponential(1 / per_second)) at += 1000 * 50e-6;
    }
    met += at / 99 <= 0.060;
  }
  EXPECT_GT(met, 4000 * 0.6);
  EXPECT_LT(met, 4000 * 0.9) << "and no more is held back than that takes";
}

TEST(PrefillPace, ChargesAPromptItsTimeOverItsShareAndOpensOnceThatIsPaid) {
  const PaceLaw law = law_of(millis(60), 1000, 500);
  PrefillPace pace;
  pace.up(kCost);
  const Instant now = Instant::from_nanos(1'000'000'000);
  EXPECT_LE(pace.opens(law), now) << "nothing is owed yet";
  pace.charge(1000, 1, 1500, law, now);
  const double share = law.share(kCost.decode(1, 1500), 50e-6);
  EXPECT_NEAR(to_seconds(pace.opens(law) - now), 0.050 / share - 0.006, 1e-9);
  pace.charge(1000, 1, 1500, law, now);
  EXPECT_NEAR(to_seconds(pace.opens(law) - now), 2 * 0.050 / share - 0.006, 1e-9);
}

TEST(PrefillPace, IsOffWithoutABoundWithoutAProfileAndForABoundNobodyCanKeep) {
  PrefillPace pace;
  pace.up(kCost);
  EXPECT_TRUE(pace.on(law_of(millis(60), 1000, 500)));
  EXPECT_FALSE(pace.on(law_of(Duration(0), 1000, 500)));
  EXPECT_FALSE(pace.on(law_of(millis(14), 1000, 500)));
  pace.up({});
  EXPECT_FALSE(pace.on(law_of(millis(60), 1000, 500)));
}

TEST(PrefillPace, LearnsWhatAReplicaTakesAgainstItsProfileWithinBounds) {
  struct Row {
    const char* label;
    double times, least, most;
  };
  const Row rows[] = {
      {"as the profile says", 1, 0.99, 1.01},
      {"five times as fast", 0.2, 0.2, 0.4},
      {"half as fast again", 1.5, 1.35, 1.5},
      {"ten times slower looks like a client that reads slowly: no more than twice", 10, 2, 2},
      {"all at once is no decoding", 0.001, 1, 1},
  };
  for (const Row& row : rows) {
    PrefillPace pace;
    pace.up(kCost);
    Instant now = Instant::from_nanos(1'000'000'000);
    for (int i = 0; i < 40; ++i) {
      const PaceMark began = pace.mark(1, 0, now);
      now += seconds_f(99 * 0.015 * row.times);
      pace.learn(began, 100, 1, 0, now);
    }
    EXPECT_GE(pace.ratio(), row.least) << row.label;
    EXPECT_LE(pace.ratio(), row.most) << row.label;
  }
}

/// A router with one replica of kCost, a bound on ITL of 60 ms, and requests that wait 100 s.
struct Paced : Desk {
  Paced() : Desk(Options{.max_wait = seconds(100), .due = millis(1600), .itl = millis(60)}) {}
  void up(std::uint64_t id) {
    say(ReplicaUp{.replica = ReplicaId(id),
                  .max_requests = 64,
                  .c0_fs = 14'000'000'000'000,
                  .c1_fs = 50'000'000'000,
                  .c2_fs = 1'000'000'000'000});
  }
};

TEST(RouterPace, HoldsAPromptWhileAnotherIsComputedAndWakesForIt) {
  Paced desk;
  desk.up(1);
  desk.arrive(1, 1000);
  desk.arrive(2, 1000);
  EXPECT_EQ(desk.replica_of(1), 1u);
  EXPECT_EQ(desk.replica_of(2), 0u) << "it would stand between the tokens of the first";
  const Instant wake = desk.router.next_wake();
  EXPECT_LT(wake, desk.now + millis(200));
  desk.wait(wake - desk.now);
  EXPECT_EQ(desk.replica_of(2), 1u);
}

TEST(RouterPace, AReplicaThatHoldsNothingTakesAnything) {
  Paced desk;
  desk.up(1);
  desk.arrive(1, 100'000);
  desk.arrive(2, 100);
  EXPECT_EQ(desk.replica_of(2), 0u);
  desk.first_byte(1);
  desk.finish(1);
  EXPECT_EQ(desk.replica_of(2), 1u);
}

TEST(RouterPace, AnotherReplicaTakesWhatOneMayNot) {
  Paced desk;
  desk.up(1);
  desk.up(2);
  for (std::uint64_t id : {1, 2, 3}) desk.arrive(id, 1000);
  EXPECT_NE(desk.replica_of(1), desk.replica_of(2));
  EXPECT_EQ(desk.replica_of(3), 0u);
}

TEST(RouterPace, NobodyTimesOutForIt) {
  Paced desk;
  desk.up(1);
  desk.arrive(1, 1'000'000);
  desk.arrive(2, 1000);
  desk.wait(seconds(74));
  EXPECT_EQ(desk.replica_of(2), 0u);
  desk.wait(seconds(2));
  EXPECT_EQ(desk.replica_of(2), 1u) << "three quarters of its time are over: room is enough";
}

TEST(RouterPace, ABoundThatIsTakenAwayOrWidenedByAReloadHoldsNobodyFromThenOn) {
  struct Row {
    const char* label;
    Duration itl;
    std::uint64_t goes;
  };
  const Row rows[] = {
      {"none any more", Duration(0), 1},
      {"one that nobody can keep", millis(10), 1},
      {"one that leaves no debt", seconds(30), 1},
      {"another, of which as much is owed", millis(61), 0},
  };
  for (const Row& row : rows) {
    Paced desk;
    desk.up(1);
    desk.arrive(1, 1000);
    desk.arrive(2, 1000);
    ASSERT_EQ(desk.replica_of(2), 0u) << row.label;
    Options options{.max_wait = seconds(100), .due = millis(1600), .itl = row.itl};
    desk.router.set_options(std::move(options));
    EXPECT_LE(desk.router.next_wake(), desk.now) << row.label;
    desk.wait(Duration(0));
    EXPECT_EQ(desk.replica_of(2), row.goes) << row.label;
  }
}

TEST(RouterPace, ABoundThatAReloadBringsHoldsWhoOwes) {
  Paced desk;
  desk.up(1);
  desk.up(2);
  for (std::uint64_t id : {1, 2}) desk.arrive(id, 1000);
  Options options{.max_wait = seconds(100), .due = millis(1600), .itl = Duration(0)};
  desk.router.set_options(options);
  options.itl = millis(60);
  desk.router.set_options(options);
  desk.arrive(3, 1000);
  EXPECT_EQ(desk.replica_of(3), 0u) << "what was charged is owed again";
}

TEST(RouterPace, WithoutABoundNothingIsHeld) {
  Desk desk;
  desk.say(ReplicaUp{.replica = ReplicaId(1), .max_requests = 64, .c1_fs = 50'000'000'000});
  for (std::uint64_t id : {1, 2, 3}) desk.arrive(id, 1000);
  EXPECT_EQ(desk.in_flight(1), 3);
}

}  // namespace
}  // namespace tidegate::route
