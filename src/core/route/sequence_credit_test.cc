#include "core/route/sequence_credit.h"

#include <gtest/gtest.h>

#include "core/base/rng.h"
#include "core/route/router_fixture_test.h"

namespace tidegate::route {
namespace {

constexpr std::int64_t kFull = 100;

/// One replica's intervals: so many preemptions and endings in each, `held` sequences all along.
struct Replica {
  SequenceCredit credit;
  SequenceCredit::Look seen{.preempted = 0, .held = 0, .running = 0, .at = Instant::from_nanos(1)};
  Replica() { credit.look(seen, kFull); }
  Replica& interval(std::int64_t preempted, std::int64_t ended, std::int64_t held) {
    seen.held = seen.running = held;
    seen.ended += ended;
    for (int second = 0; second < 10; ++second) {
      seen.at += seconds(1);
      if (second == 4) seen.preempted += preempted;
      credit.look(seen, kFull);
    }
    return *this;
  }
  std::int64_t limit() const { return credit.limit(kFull); }
};

TEST(SequenceCredit, IsCutByMoreThanAFewPreemptionsAHundredRequests) {
  struct Row {
    const char* label;
    std::int64_t preempted, ended, held, limit;
  };
  const Row rows[] = {
      {"nothing preempted", 0, 100, 80, 100},
      {"one is an accident, however few ended", 1, 0, 80, 100},
      {"two of a hundred are borne", 2, 100, 80, 100},
      {"three of a hundred cost 7 % of what it ran", 3, 100, 80, 74},
      {"so do many: once", 500, 100, 80, 74},
      {"two where nothing ended", 2, 0, 80, 74},
      {"never below a sixteenth of the full", 50, 100, 3, 6},
      {"a full replica", 50, 100, 100, 93},
  };
  for (const Row& row : rows) {
    Replica r;
    r.interval(0, 0, row.held).interval(row.preempted, row.ended, row.held);
    EXPECT_EQ(r.limit(), row.limit) << row.label;
  }
}

TEST(SequenceCredit, IsCutAgainOnlyOnceTheCutHasTakenHold) {
  Replica r;
  r.interval(9, 50, 80).interval(9, 50, 78).interval(9, 50, 76);
  EXPECT_EQ(r.limit(), 74) << "what was admitted before still drains";
  r.interval(9, 50, 74);
  EXPECT_EQ(r.limit(), 74) << "it had not drained as the interval began";
  r.interval(9, 50, 74);
  EXPECT_EQ(r.limit(), 68);
}

TEST(SequenceCredit, ComesBackByTwoInAHundredAnIntervalWithoutAny) {
  Replica r;
  r.interval(9, 50, 80);
  ASSERT_EQ(r.limit(), 74);
  r.interval(0, 50, 60);
  EXPECT_EQ(r.limit(), 76);
  r.interval(1, 50, 60);
  EXPECT_EQ(r.limit(), 76) << "one in fifty neither cuts nor restores";
  for (int i = 0; i < 15; ++i) r.interval(0, 50, 60);
  EXPECT_EQ(r.limit(), kFull);
}

TEST(SequenceCredit, WhatIsNotSaidOrGoesBackChangesNothing) {
  Replica r;
  r.interval(9, 50, 80);
  const SequenceCredit cut = r.credit;
  for (int i = 0; i < 100; ++i) {
    r.seen.at += seconds(5);
    SequenceCredit::Look silent = r.seen;
    silent.preempted = -1;
    r.credit.look(silent, kFull);
  }
  EXPECT_EQ(r.limit(), 74) << "no word for 500 s restores nothing";
  Replica restarted;
  restarted.credit = cut;
  restarted.seen = r.seen;
  for (std::int64_t total : {5, 4, 3, 2, 1, 0}) {
    restarted.seen.preempted = total;
    restarted.seen.at += seconds(60);
    restarted.credit.look(restarted.seen, kFull);
    EXPECT_EQ(restarted.limit(), 74) << "counter back to " << total;
  }
  restarted.interval(0, 50, 60);
  EXPECT_EQ(restarted.limit(), 76) << "from then on it is believed again";
}

TEST(SequenceCredit, RequestsSwappedOutAreThrashing) {
  Replica r;
  r.seen.swapped = 1;
  r.interval(0, 100, 80);
  EXPECT_EQ(r.limit(), 74);
}

TEST(SequenceCredit, StaysWithinItsBoundsWhateverAnEngineSays) {
  Rng rng(4, "nonsense");
  SequenceCredit credit;
  SequenceCredit::Look look;
  auto wild = [&rng] {
    return static_cast<std::int64_t>(rng.below(1ULL << 62) >> rng.below(62)) *
           (rng.below(3) == 0 ? -1 : 1);
  };
  for (int i = 0; i < 100'000; ++i) {
    look = {wild(), wild(), wild(), wild(), wild(), look.at + millis(wild() % 20'000)};
    credit.look(look, 64);
    ASSERT_GE(credit.limit(64), 4);
    ASSERT_LE(credit.limit(64), 64);
  }
}

TEST(SequenceCredit, TheRouterHoldsBackWhatAThrashingReplicaCannotCarry) {
  Desk desk;
  desk.up(1, 20);
  desk.up(2, 20);
  for (std::uint64_t id = 1; id <= 60; ++id) desk.arrive(id);
  ASSERT_EQ(desk.in_flight(1), 20);
  std::int64_t preempted = 0;
  for (int second = 0; second < 15; ++second) {
    desk.now += seconds(1);
    for (std::uint64_t replica : {1, 2}) {
      desk.say(Scraped{.replica = ReplicaId(replica),
                       .running = 20,
                       .preempted = replica == 1 ? ++preempted : 0});
    }
  }
  const auto views = desk.router.replicas();
  EXPECT_EQ(views[0].credit, 18);
  EXPECT_EQ(views[0].withheld, 2);
  EXPECT_EQ(views[1].credit, 20);
  signal::Demand demand = desk.router.demand(desk.now);
  EXPECT_EQ(demand.credit_requests, 38);
  EXPECT_EQ(demand.withheld_requests, 2);
  for (std::uint64_t id = 1; id <= 40; ++id) {
    if (desk.replica_of(id) == 1 && desk.in_flight(1) > 18) desk.finish(id);
  }
  EXPECT_EQ(desk.in_flight(1), 18) << "two that ended there are not replaced there";
  EXPECT_EQ(desk.in_flight(2), 20);
  desk.say(ReplicaDraining{ReplicaId(1)});
  EXPECT_EQ(desk.router.demand(desk.now).withheld_requests, 0);
}

}  // namespace
}  // namespace tidegate::route
