#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/route/router.h"
#include "core/route/router_fixture_test.h"

namespace tidegate::route {
namespace {

using testing::SizeIs;

TEST(RouterQueue, FullQueueTurnsAwayAtTheLimitAndOnePast) {
  struct Row {
    const char* label;
    std::int64_t max_requests, max_bytes;
    std::int64_t kept;
    Outcome past;
  };
  const Row rows[] = {
      {"requests", 3, 1000, 3, Outcome::kQueueFull},
      {"bytes, 10 each", 100, 40, 4, Outcome::kQueueBytesFull},
      {"bytes, a part of one left over", 100, 49, 4, Outcome::kQueueBytesFull},
      {"no queue at all", 0, 1000, 0, Outcome::kQueueFull},
  };
  for (const Row& row : rows) {
    Desk desk({.max_requests = row.max_requests, .max_bytes = row.max_bytes});
    for (std::int64_t i = 1; i <= row.kept + 1; ++i) desk.arrive(static_cast<std::uint64_t>(i));
    EXPECT_EQ(desk.router.demand(desk.now).queued_requests, row.kept) << row.label;
    for (std::int64_t i = 1; i <= row.kept; ++i) {
      EXPECT_FALSE(desk.outcome(static_cast<std::uint64_t>(i))) << row.label;
    }
    EXPECT_EQ(desk.outcome(static_cast<std::uint64_t>(row.kept + 1)), row.past) << row.label;
  }
}

TEST(RouterQueue, BoundsAreForWhatWaitsNotForWhatFindsRoom) {
  Desk desk({.max_requests = 0, .max_bytes = 0});
  desk.up(1, 1);
  desk.arrive(1);
  desk.arrive(2);
  EXPECT_EQ(desk.replica_of(1), 1u);
  EXPECT_EQ(desk.outcome(2), Outcome::kQueueFull);
}

TEST(RouterQueue, FullQueueDropsTheNewestOfALowerClassForAMoreUrgentNewcomer) {
  Desk desk({.max_requests = 2, .class_weights = {4, 1}});
  auto arrive = [&](std::uint64_t id, std::int64_t priority) {
    Arrived a = Desk::arrived(id);
    a.priority = priority;
    desk.say(a);
  };
  arrive(1, 1);
  arrive(2, 1);
  arrive(3, 0);
  EXPECT_EQ(desk.outcome(2), Outcome::kQueueFull);
  arrive(4, 1);
  EXPECT_EQ(desk.outcome(4), Outcome::kQueueFull);
  arrive(5, 0);
  EXPECT_EQ(desk.outcome(1), Outcome::kQueueFull);
  arrive(6, 0);
  EXPECT_EQ(desk.outcome(6), Outcome::kQueueFull) << "its own class is full of older ones";
  EXPECT_FALSE(desk.outcome(3));
  EXPECT_FALSE(desk.outcome(5));
}

TEST(RouterQueue, NobodyIsThrownOutForARequestThatWouldStillNotFit) {
  Desk desk({.max_requests = 10, .max_bytes = 100, .class_weights = {4, 1}});
  for (std::uint64_t id = 1; id <= 4; ++id) {
    Arrived a = Desk::arrived(id);
    a.priority = 1;
    desk.say(a);
  }
  Arrived huge = Desk::arrived(5);
  huge.bytes = 101;
  desk.say(huge);
  EXPECT_EQ(desk.outcome(5), Outcome::kQueueBytesFull);
  EXPECT_EQ(desk.router.demand(desk.now).queued_requests, 4);
  Arrived large = Desk::arrived(6);
  large.bytes = 80;
  desk.say(large);  // displaces two of 10 bytes
  EXPECT_FALSE(desk.outcome(6));
  EXPECT_EQ(desk.outcome(4), Outcome::kQueueBytesFull);
  EXPECT_EQ(desk.outcome(3), Outcome::kQueueBytesFull);
  EXPECT_EQ(desk.router.demand(desk.now).queued_bytes, 100);
}

TEST(RouterQueue, LowerBoundsAfterAReloadKeepWhatWaits) {
  Desk desk({.max_requests = 5});
  for (std::uint64_t id = 1; id <= 5; ++id) desk.arrive(id);
  desk.router.set_options({.max_requests = 2});
  desk.arrive(6);
  EXPECT_EQ(desk.outcome(6), Outcome::kQueueFull);
  EXPECT_EQ(desk.router.demand(desk.now).queued_requests, 5);
}

TEST(RouterQueue, WaitEndsAtTheDeadline) {
  Desk desk({.max_wait = seconds(10)});
  desk.arrive(1);
  Arrived own = Desk::arrived(2);
  own.deadline = desk.now + seconds(3);
  desk.say(own);
  EXPECT_EQ(desk.router.next_wake(), desk.now + seconds(3));
  desk.wait(seconds(3) - nanos(1));
  EXPECT_FALSE(desk.outcome(2));
  desk.wait(nanos(1));
  EXPECT_EQ(desk.outcome(2), Outcome::kQueueTimeout);
  EXPECT_FALSE(desk.outcome(1));
  desk.wait(seconds(7));
  EXPECT_EQ(desk.outcome(1), Outcome::kQueueTimeout);
  EXPECT_TRUE(desk.router.next_wake().is_never());
}

TEST(RouterQueue, RoomAtTheVeryDeadlineStillCounts) {
  Desk desk({.max_wait = seconds(10)});
  desk.arrive(1);
  desk.now += seconds(10);
  desk.up(1, 1);
  EXPECT_EQ(desk.replica_of(1), 1u);
}

TEST(RouterQueue, EarliestDeadlineGoesFirstThenFirstCome) {
  Desk desk;
  for (std::uint64_t id = 1; id <= 3; ++id) desk.arrive(id);
  Arrived hurried = Desk::arrived(4);
  hurried.deadline = desk.now + seconds(5);
  desk.say(hurried);
  EXPECT_EQ(desk.router.position(RequestId(4)), 0);
  EXPECT_EQ(desk.router.position(RequestId(1)), 1);
  EXPECT_EQ(desk.router.position(RequestId(3)), 3);
  EXPECT_EQ(desk.router.position(RequestId(9)), -1);
  desk.up(1, 2);
  EXPECT_EQ(desk.replica_of(4), 1u);
  EXPECT_EQ(desk.replica_of(1), 1u);
  EXPECT_EQ(desk.replica_of(2), 0u);
  EXPECT_EQ(desk.router.position(RequestId(4)), -1);
}

TEST(RouterQueue, ShutdownAnswersTheQueueOrLetsItRun) {
  for (std::uint8_t keep : {0, 1}) {
    Desk desk;
    desk.up(1, 1);
    desk.arrive(1);
    desk.arrive(2);
    desk.say(Shutdown{keep});
    desk.arrive(3);
    EXPECT_EQ(desk.outcome(3), Outcome::kShuttingDown);
    EXPECT_EQ(desk.outcome(2).has_value(), keep == 0);
    desk.finish(1);
    EXPECT_EQ(desk.replica_of(2), keep == 0 ? 0u : 1u);
  }
}

TEST(RouterQueue, SaysAtOnceWhatCannotMakeItsDeadlineOnceItKnowsItsPace) {
  Desk desk({.max_wait = seconds(1000)});
  desk.up(1, 1);
  std::uint64_t id = 0;
  for (; id < 40; ++id) desk.arrive(id + 1);
  for (std::uint64_t done = 1; done <= 20; ++done) {  // one a second, 20 still wait
    desk.now += seconds(1);
    desk.finish(done);
  }
  Arrived tight = Desk::arrived(100);
  tight.deadline = desk.now + seconds(25);
  desk.say(tight);
  EXPECT_FALSE(desk.outcome(100)) << "the earliest deadline stands first";
  for (std::uint64_t i = 0; i < 30; ++i) {
    Arrived a = Desk::arrived(200 + i);
    a.deadline = desk.now + seconds(10);
    desk.say(a);
  }
  std::int64_t refused = 0;
  for (std::uint64_t i = 0; i < 30; ++i) refused += desk.outcome(200 + i).has_value() ? 1 : 0;
  EXPECT_EQ(refused, 30 - 11) << "ten seconds hold ten before it, and the eleventh starts";
  EXPECT_EQ(desk.outcome(229), Outcome::kDeadlineUnreachable);
}

TEST(RouterQueue, HoldsForScaleFromZeroHoweverLongTheQueue) {
  Desk desk;
  for (std::uint64_t id = 1; id <= 2000; ++id) desk.arrive(id);
  EXPECT_EQ(desk.router.demand(desk.now).queued_requests, 2000);
  auto actions = desk.arrive(2001);
  ASSERT_THAT(actions, SizeIs(1));
  EXPECT_EQ(std::get<Answer>(actions[0]).retry_after, seconds(1)) << "nothing measured yet";
}

TEST(RouterQueue, RetryAfterIsTheTimeTheQueueTakesAtTheMeasuredPace) {
  Desk desk({.max_requests = 40, .max_wait = seconds(1000)});
  desk.up(1, 1);
  for (std::uint64_t id = 1; id <= 41; ++id) desk.arrive(id);
  for (std::uint64_t done = 1; done <= 20; ++done) {
    desk.now += seconds(1);
    desk.finish(done);
    desk.arrive(100 + done);
  }
  auto actions = desk.arrive(999);
  ASSERT_THAT(actions, SizeIs(1));
  EXPECT_EQ(std::get<Answer>(actions[0]).outcome, Outcome::kQueueFull);
  EXPECT_NEAR(to_seconds(std::get<Answer>(actions[0]).retry_after), 40, 0.1);
}

TEST(RouterQueue, DemandCountsWhatWasRefusedToo) {
  Desk desk({.max_requests = 1});
  desk.up(1, 1);
  for (std::uint64_t id = 1; id <= 3; ++id) desk.arrive(id);
  desk.finish(1, 70);
  desk.now += seconds(4);
  desk.arrive(4);
  desk.now += seconds(2);
  signal::Demand d = desk.router.demand(desk.now);
  signal::Demand expected;
  expected.queued_requests = 1;
  expected.queued_tokens = 100;
  expected.queued_bytes = 10;
  expected.dispatched_requests = 1;
  expected.oldest_wait = seconds(2);
  expected.arrived_total = 4;
  expected.finished_total = 1;
  expected.rejected_total = 1;
  expected.prompt_tokens_total = 400;
  expected.output_tokens_total = 70;
  expected.expected_output_tokens_total = 400;
  expected.queued_output_tokens = 100;
  expected.expected_kv_token_steps_total = 4 * (100 * 100 + 100 * 100 / 2);
  expected.queued_kv_token_steps = 100 * 100 + 100 * 100 / 2;
  expected.credit_requests = 1;
  EXPECT_EQ(d, expected);
}

}  // namespace
}  // namespace tidegate::route
