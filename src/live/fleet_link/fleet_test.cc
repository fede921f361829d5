#include "live/fleet_link/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "live/fleet_link/test_fleet.h"

namespace tidegate::live::link {
namespace {

using signal::Freshness;
using testing::HasSubstr;

class FleetTest : public LinkWorld {};

TEST_F(FleetTest, TwoGatewaysServeOneReplicaAndNeverMoreThanItHolds) {
  auto one = leader();
  one->fleet->all_told("m");
  auto a = gateway({one->fleet->address()}, 1), b = gateway({one->fleet->address()}, 2);
  until([&] { return one->connected() == 2; }, "both gateways");
  StubEngine engine(*loop);
  one->up(engine.address, 7, 8);
  until([&] { return a->credit(7) == 4 && b->credit(7) == 4; }, "half of it for each");
  std::vector<std::shared_ptr<Call>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(ask(*a));
  // What waits at one is told at once; the other gives way what it does not need.
  until([&] { return engine.requests.size() == 6; }, "six of eight, through one of them");
  calls.push_back(ask(*b));
  until([&] { return engine.requests.size() == 7; }, "and one through the idle one");
  for (int i = 0; i < 6; ++i) calls.push_back(ask(*b));
  until([&] { return engine.requests.size() == 8; }, "as many as it holds");
  EXPECT_LE(a->credit(7) + b->credit(7), 8);
  answer_one_by_one(engine, calls);
}

TEST_F(FleetTest, TheFirstRequestAtZeroReplicasIsToldAtOnce) {
  auto one = leader();
  auto a = gateway({one->fleet->address()}, 1);
  until([&] { return one->connected() == 1; }, "the gateway");
  auto call = ask(*a);  // a period is a thousand seconds here
  until([&] { return !one->waits.empty(); }, "word of it");
  EXPECT_EQ(one->waits.front(), "m");
  EXPECT_EQ(one->sight().demand.queued_requests, 1);
  EXPECT_EQ(one->sight().demand.arrived_total, 1);
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  one->up(engine.address, 7, 8);
  until([&] { return call->over; }, "its answer");
  EXPECT_EQ(call->status, 200);
}

class TickingFleet : public LinkWorld {
 protected:
  TickingFleet() : LinkWorld(kTickingScale) {}
};

TEST_F(TickingFleet, DemandOfAllIsSeenAsOne) {
  FleetOptions options;
  options.settle = Duration(0);
  auto one = leader(options);
  EXPECT_EQ(one->sight().coverage, 0) << "no gateway: unknown, not idle";
  EXPECT_EQ(one->sight().freshness, Freshness::kStale);
  auto a = gateway({one->fleet->address()}, 1), b = gateway({one->fleet->address()}, 2);
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  one->up(engine.address, 7, 8);
  until([&] { return one->connected() == 2; }, "both gateways");
  std::vector<std::shared_ptr<Call>> calls{ask(*a), ask(*a), ask(*b)};
  until([&] { return one->sight().demand.finished_total == 3; }, "three answers in the sum");
  const control::GatewaySight sight = one->sight();
  EXPECT_EQ(sight.demand.arrived_total, 3);
  EXPECT_EQ(sight.demand.judged_total, 3);
  EXPECT_EQ(sight.demand.output_tokens_total, 6);
  EXPECT_EQ(sight.freshness, Freshness::kFresh);
  EXPECT_EQ(sight.coverage, 1);
}

TEST_F(TickingFleet, AGatewayThatIsLostHoldsTheFleetAndThenIsForgotten) {
  FleetOptions options;
  options.settle = Duration(0);
  options.grace = millis(500);
  auto one = leader(options);
  auto a = gateway({one->fleet->address()}, 1), b = gateway({one->fleet->address()}, 2);
  StubEngine engine(*loop);
  one->up(engine.address, 7, 8);
  until([&] { return a->credit(7) == 4 && b->credit(7) == 4; }, "half of it for each");
  bool was_stale = false;
  b.reset();
  until(
      [&] {
        was_stale = was_stale || one->sight().freshness == Freshness::kStale;
        return one->fleet->gateways().size() == 1;
      },
      "it is forgotten");
  EXPECT_TRUE(was_stale) << "in between nothing may fall";
  EXPECT_EQ(one->sight().freshness, Freshness::kFresh);
  until([&] { return a->credit(7) == 8; }, "its share is the other's");
}

TEST_F(TickingFleet, AGatewayThatComesBackAsAnotherProcessReplacesItself) {
  auto one = leader();
  auto a = std::make_unique<TestGateway>(*loop, clock, upstream, models,
                                         std::vector{one->fleet->address()}, "gw", 1);
  until([&] { return one->connected() == 1; }, "the gateway");
  a.reset();
  until([&] { return one->connected() == 0; }, "it is lost");
  EXPECT_EQ(one->fleet->gateways().size(), 1u) << "and counts as it was";
  a = std::make_unique<TestGateway>(*loop, clock, upstream, models,
                                    std::vector{one->fleet->address()}, "gw", 2);
  until([&] { return one->connected() == 1; }, "it is back");
  EXPECT_EQ(one->fleet->gateways().size(), 1u) << "of the process before nothing is left";
}

TEST_F(TickingFleet, AReplicaHasDrainedWhenEachGatewayHasLetGoOfIt) {
  FleetOptions options;
  options.settle = Duration(0);
  auto one = leader(options);
  auto a = gateway({one->fleet->address()}, 1), b = gateway({one->fleet->address()}, 2);
  StubEngine engine(*loop);
  one->up(engine.address, 7, 8);
  until([&] { return a->credit(7) == 4 && b->credit(7) == 4; }, "half of it for each");
  auto call = ask(*a);
  until([&] { return engine.requests.size() == 1; }, "a request at the engine");
  one->fleet->replica_draining("m", ReplicaId(7));
  until([&] { return a->credit(7) == 0 && b->credit(7) == 0; }, "nobody sends there");
  until(
      [&] {
        return !one->fleet->replica_views("m").empty() &&
               one->fleet->replica_views("m")[0].in_flight == 1;
      },
      "the leader knows of the request");
  EXPECT_TRUE(one->drained.empty());
  StubEngine::answer_json(*engine.requests[0]->exchange);
  until([&] { return one->drained.contains(7); }, "it has drained");
  EXPECT_EQ(call->status, 200);
  one->fleet->replica_down("m", ReplicaId(7));
  one->fleet->all_told("m");
  until([&] { return a->credit(7) == -1 && b->credit(7) == -1; }, "it is gone everywhere");
}

TEST_F(TickingFleet, KvThatThrashesIsJudgedOfTheWhole) {
  FleetOptions options;
  options.settle = Duration(0);
  auto one = leader(options);
  auto a = gateway({one->fleet->address()}, 1);
  until([&] { return one->connected() == 1; }, "the gateway");
  StubEngine engine(*loop);
  one->up(engine.address, 7, 8, 1000);
  std::vector<std::shared_ptr<Call>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(ask(*a));
  until([&] { return one->sight().demand.dispatched_requests > 1; }, "requests in flight");
  double preempted = 0;
  until(
      [&] {
        signal::ReplicaSignals page;
        page.values[signal::index_of(signal::SignalId::kRunningRequests)] = 8;
        page.values[signal::index_of(signal::SignalId::kPreemptions)] = preempted += 10;
        one->fleet->scraped("m", ReplicaId(7), page);
        return one->sight().demand.withheld_requests > 0;
      },
      "credit is withheld");
  until([&] { return a->credit(7) < 8; }, "and the gateway's share is less");
}

}  // namespace
}  // namespace tidegate::live::link
