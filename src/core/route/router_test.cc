#include "core/route/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/route/replica_set.h"
#include "core/route/router_fixture_test.h"

namespace tidegate::route {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(Router, BindsOnlyWhileAReplicaHasCredit) {
  struct Row {
    const char* label;
    std::int64_t max_requests, kv, prefill;
    std::int64_t prompt, output;
    std::int64_t fit;  ///< of 10 requests
  };
  const Row rows[] = {
      {"sequences bind first", 4, 0, 0, 100, 100, 4},
      {"KV tokens bind: 3 x 200 fit into 650", 10, 650, 0, 100, 100, 3},
      {"KV tokens exactly used up", 10, 600, 0, 100, 100, 3},
      {"uncached prefill binds until first bytes come", 10, 0, 250, 100, 100, 2},
      {"a request larger than the KV goes alone", 10, 150, 0, 100, 100, 1},
      {"a prompt larger than the prefill credit goes alone", 10, 0, 50, 100, 100, 1},
      {"no bounds but sequences", 10, 0, 0, 100, 100, 10},
  };
  for (const Row& row : rows) {
    Desk desk;
    desk.up(1, row.max_requests, row.kv, row.prefill);
    for (std::uint64_t id = 1; id <= 10; ++id) desk.arrive(id, row.prompt, row.output);
    EXPECT_EQ(desk.in_flight(1), row.fit) << row.label;
    EXPECT_EQ(desk.router.demand(desk.now).queued_requests, 10 - row.fit) << row.label;
  }
}

TEST(Router, FreedCreditGoesToTheHeadOfTheQueueInTheSameEvent) {
  struct Row {
    const char* label;
    Event freeing;
  };
  const Row rows[] = {
      {"finished", Finished{RequestId(1), Tokens(1), Tokens(0), Tokens(1)}},
      {"client gone", Gone{RequestId(1)}},
      {"another replica comes up", ReplicaUp{ReplicaId(2), 0, 1, 0, 0}},
      {"its own credit grows", ReplicaUp{ReplicaId(1), 0, 2, 0, 0}},
  };
  for (const Row& row : rows) {
    Desk desk;
    desk.up(1, 1);
    for (std::uint64_t id = 1; id <= 3; ++id) desk.arrive(id);
    EXPECT_EQ(desk.replica_of(2), 0u);
    desk.say(row.freeing);
    EXPECT_NE(desk.replica_of(2), 0u) << row.label;
    EXPECT_EQ(desk.replica_of(3), 0u) << row.label;
  }
}

TEST(Router, FirstByteFreesPrefillCredit) {
  Desk desk;
  desk.up(1, 10, 0, 150);
  desk.arrive(1);
  desk.arrive(2);
  EXPECT_EQ(desk.in_flight(1), 1);
  desk.first_byte(1);
  EXPECT_EQ(desk.in_flight(1), 2);
}

TEST(Router, BacklogIsSharedAlikeByReplicasThatComeUpTogether) {
  Desk desk;
  for (std::uint64_t id = 1; id <= 50; ++id) desk.arrive(id);
  EXPECT_EQ(desk.router.demand(desk.now).queued_requests, 50);
  // Each is fed at once and only to its room.
  desk.up(1, 8);
  EXPECT_EQ(desk.in_flight(1), 8);
  desk.up(2, 8);
  EXPECT_EQ(desk.in_flight(2), 8);
  Desk later;
  later.up(1, 100);
  later.up(2, 100);
  later.up(3, 100);
  for (std::uint64_t id = 1; id <= 60; ++id) later.arrive(id);
  for (std::uint64_t r = 1; r <= 3; ++r) EXPECT_EQ(later.in_flight(r), 20) << "replica " << r;
}

TEST(Router, EqualReplicasTakeTurns) {
  Desk desk;
  for (std::uint64_t r = 1; r <= 3; ++r) desk.up(r, 4);
  std::vector<std::uint64_t> picked;
  for (std::uint64_t id = 1; id <= 6; ++id) {
    desk.arrive(id);
    picked.push_back(desk.replica_of(id));
    desk.finish(id);
  }
  EXPECT_THAT(picked, testing::ElementsAre(1, 2, 3, 1, 2, 3));
}

TEST(Router, LoadIsRelativeToRoom) {
  Desk desk;
  desk.up(1, 100, 10'000);
  desk.up(2, 100, 30'000);
  for (std::uint64_t id = 1; id <= 40; ++id) desk.arrive(id);
  EXPECT_EQ(desk.in_flight(1), 10);
  EXPECT_EQ(desk.in_flight(2), 30);
}

TEST(Router, AdapterStaysWhereItWasUntilThatReplicaIsMuchBusier) {
  Desk desk;
  desk.up(1, 8);
  desk.up(2, 8);
  auto with_adapter = [&](std::uint64_t id) {
    Arrived a = Desk::arrived(id);
    a.adapter = "sql-v2";
    desk.say(a);
    return desk.replica_of(id);
  };
  std::uint64_t home = with_adapter(1);
  EXPECT_EQ(with_adapter(2), home);
  EXPECT_EQ(with_adapter(3), home);  // 2 of 8 busier: a quarter, still within the slack
  EXPECT_NE(with_adapter(4), home);  // 3 of 8: now the other one
}

TEST(Router, FailureBeforeTheFirstByteGoesToAnotherReplicaFirstInLine) {
  Desk desk;
  desk.up(1, 1);
  desk.up(2, 1);
  desk.arrive(1);
  std::uint64_t first = desk.replica_of(1);
  desk.arrive(2);
  desk.arrive(3);  // waits
  desk.fail(1);
  EXPECT_EQ(desk.router.position(RequestId(1)), 0);
  desk.finish(2);
  EXPECT_EQ(desk.replica_of(1), 3 - first);
  EXPECT_EQ(desk.replica_of(3), 0u);
}

TEST(Router, GivesUpAfterTheLastAttempt) {
  Desk desk;
  desk.up(1, 4);
  desk.arrive(1);
  for (int attempt = 1; attempt < kMaxAttempts; ++attempt) {
    desk.fail(1);
    EXPECT_FALSE(desk.outcome(1));
    EXPECT_EQ(desk.router.position(RequestId(1)), 0) << "its only replica backs off";
    desk.now = desk.router.next_wake();
    EXPECT_THAT(desk.say(Tick{}), SizeIs(1)) << "tried there again: there is no other";
  }
  desk.fail(1);
  EXPECT_EQ(desk.outcome(1), Outcome::kUpstreamFailed);
  EXPECT_EQ(desk.in_flight(1), 0);
}

TEST(Router, BusyIsNoAttempt) {
  Desk desk;
  desk.up(1, 4);
  desk.arrive(1);
  for (int times = 0; times < 3 * kMaxAttempts; ++times) {
    desk.busy(1);
    ASSERT_FALSE(desk.outcome(1)) << times;
    desk.now = desk.router.next_wake();
    EXPECT_THAT(desk.say(Tick{}), SizeIs(1)) << "there may be room by now";
  }
  desk.finish(1);
  EXPECT_EQ(desk.in_flight(1), 0);
}

TEST(Router, AfterTheFirstByteItIsLostAndNotTriedAgain) {
  for (std::uint8_t said : {0, 1}) {
    Desk desk;
    desk.up(1, 1);
    desk.up(2, 1);
    desk.arrive(1);
    if (said == 0) desk.first_byte(1);
    desk.say(Failed{RequestId(1), said, 0});
    EXPECT_EQ(desk.outcome(1), Outcome::kUpstreamLost);
  }
}

TEST(Router, BusyLowersTheCreditAndTimeRestoresIt) {
  Desk desk;
  desk.up(1, 20);
  for (std::uint64_t id = 1; id <= 10; ++id) desk.arrive(id);
  desk.busy(10);
  EXPECT_EQ(desk.in_flight(1), 9) << "it said it is full with nine";
  EXPECT_EQ(desk.router.position(RequestId(10)), 0);
  desk.wait(ReplicaSet::kRestoreEvery);
  EXPECT_EQ(desk.in_flight(1), 10) << "a tenth of 20 came back: two";
}

TEST(Router, ForeignTrafficLowersCreditOnlyWhenTwoScrapesAgree) {
  Desk desk;
  desk.up(1, 10);
  auto scrape = [&](std::int64_t running) {
    desk.now += seconds(1);
    desk.say(Scraped{ReplicaId(1), running, 0, 0.0});
  };
  scrape(7);
  scrape(0);
  for (std::uint64_t id = 1; id <= 5; ++id) desk.arrive(id);
  EXPECT_EQ(desk.in_flight(1), 5);
  scrape(12);
  scrape(12);  // seven are not ours
  for (std::uint64_t id = 6; id <= 8; ++id) desk.arrive(id);
  EXPECT_EQ(desk.in_flight(1), 5);
  for (std::uint64_t id = 1; id <= 5; ++id) desk.finish(id);
  EXPECT_EQ(desk.in_flight(1), 3);
  desk.wait(seconds(10));  // no scrape since: the correction expires
  desk.arrive(9);
  EXPECT_EQ(desk.in_flight(1), 4);
}

TEST(Router, LyingScrapeCannotCloseTheGate) {
  Desk desk;
  desk.up(1, 10, 10'000);
  for (int i = 0; i < 3; ++i) {
    desk.say(
        Scraped{ReplicaId(1), 1'000'000'000'000, -5, std::numeric_limits<double>::quiet_NaN()});
    desk.say(Scraped{ReplicaId(1), 1'000'000'000'000, -5, 7.0});
  }
  desk.arrive(1);
  EXPECT_EQ(desk.replica_of(1), 1u);
}

TEST(Router, DrainingTakesNothingNewAndSaysWhenEmpty) {
  Desk desk;
  desk.up(1, 4);
  EXPECT_THAT(desk.say(ReplicaDraining{ReplicaId(9)}), IsEmpty());
  desk.arrive(1);
  EXPECT_THAT(desk.say(ReplicaDraining{ReplicaId(1)}), IsEmpty());
  desk.arrive(2);
  EXPECT_EQ(desk.replica_of(2), 0u);
  auto actions = desk.finish(1);
  ASSERT_THAT(actions, SizeIs(1));
  EXPECT_EQ(std::get<Drained>(actions[0]).replica, ReplicaId(1));
  desk.up(2, 1);
  EXPECT_THAT(desk.say(ReplicaDraining{ReplicaId(2)}), IsEmpty()) << "request 2 is there";
  EXPECT_THAT(desk.gone(2), SizeIs(2));  // Cancel and Drained
  desk.up(3, 1);
  EXPECT_THAT(desk.say(ReplicaDraining{ReplicaId(3)}), SizeIs(1)) << "empty: at once";
  EXPECT_THAT(desk.say(ReplicaDraining{ReplicaId(3)}), IsEmpty()) << "said once";
}

TEST(Router, DownReplicaHandsItsUnstartedRequestsOver) {
  Desk desk;
  desk.up(1, 3);
  for (std::uint64_t id = 1; id <= 4; ++id) desk.arrive(id);
  desk.first_byte(2);
  desk.say(ReplicaDown{ReplicaId(1)});
  EXPECT_EQ(desk.router.position(RequestId(1)), 0);
  EXPECT_EQ(desk.router.position(RequestId(3)), 1);
  EXPECT_EQ(desk.router.position(RequestId(4)), 2);
  EXPECT_EQ(desk.router.demand(desk.now).dispatched_requests, 1)
      << "the stream is live's to report";
  desk.say(Failed{RequestId(2), 1, 0});
  EXPECT_EQ(desk.outcome(2), Outcome::kUpstreamLost);
  desk.up(2, 3);
  EXPECT_EQ(desk.in_flight(2), 3);
}

TEST(Router, GoneFreesEverythingInEveryPhase) {
  Desk desk;
  desk.up(1, 1);
  desk.arrive(1);
  desk.arrive(2);
  EXPECT_THAT(desk.gone(2), IsEmpty()) << "it only waited";
  auto actions = desk.gone(1);
  ASSERT_THAT(actions, SizeIs(1));
  EXPECT_EQ(std::get<Cancel>(actions[0]).replica, ReplicaId(1));
  EXPECT_THAT(desk.finish(1), IsEmpty()) << "late words about it are ignored";
  signal::Demand d = desk.router.demand(desk.now);
  EXPECT_EQ(d.queued_requests + d.dispatched_requests, 0);
  EXPECT_EQ(d.queued_bytes, 0);
  EXPECT_EQ(desk.in_flight(1), 0);
}

TEST(Router, LearnsHowMuchOfTheirLimitClientsUse) {
  Desk desk;
  desk.up(1, 100, 1'000'000);
  for (std::uint64_t id = 1; id <= 32; ++id) {
    desk.arrive(id, 100, 4000);
    EXPECT_EQ(desk.router.replicas()[0].in_flight_tokens, 100 + (id <= 16 ? 256 : 400));
    desk.finish(id, 400);
  }
  desk.arrive(50, 100, 0);
  EXPECT_EQ(desk.router.replicas()[0].in_flight_tokens, 100 + 256)
      << "no limit said: not learned yet";
}

TEST(Router, ProgressCountsOutputAsItIsMade) {
  Desk desk;
  desk.up(1, 4);
  desk.arrive(1);
  auto total = [&] { return desk.router.demand(desk.now).output_tokens_total; };
  desk.say(ReplicaProgress{ReplicaId(1), Tokens(40)});
  EXPECT_EQ(total(), 40);
  desk.say(ReplicaProgress{ReplicaId(1), Tokens(90)});
  desk.finish(1, 90);
  EXPECT_EQ(total(), 90) << "not counted twice";
  desk.say(ReplicaProgress{ReplicaId(1), Tokens(5)});
  EXPECT_EQ(total(), 95) << "the counter began anew";
}

}  // namespace
}  // namespace tidegate::route
