// Several processes with a gateway and a controller each: who leads hears all gateways, its own
// too, and the lead moves between them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/base/rng.h"
#include "live/fleet_link/test_fleet.h"
#include "live/net/tls/certificates.h"

namespace tidegate::live::link {
namespace {

using testing::HasSubstr;

/// What stands in the Lease.
using Notice = std::optional<LeaderPlace>;

/// Controller and gateway in one. Each controller calls the engine by an id of its own.
struct Whole {
  Whole(net::Loop& loop, const net::WorldClock& clock, net::HttpClient& upstream,
        const std::vector<spec::Model>& models, Notice& lease, std::uint64_t number,
        std::uint64_t incarnation, FleetOptions options)
      : controller(loop, clock, models, std::move(options)),
        gateway(loop, clock, upstream, models, {}, "gw-" + std::to_string(number), incarnation, "",
                {}, [&lease] { return lease; }) {
    controller.fleet->lead(false, "");
  }
  void lead() {
    controller.fleet->lead(true, "");
    gateway.follower.lead(*controller.fleet);
  }
  void follow() {
    controller.fleet->lead(false, "another");
    gateway.follower.follow();
  }
  std::int64_t in_flight() const { return controller.sight().demand.dispatched_requests; }

  TestLeader controller;
  TestGateway gateway;
};

class LeadTest : public LinkWorld {
 protected:
  explicit LeadTest(double scale = 0.001) : LinkWorld(scale) {}
  std::unique_ptr<Whole> whole(std::uint64_t number, FleetOptions options = {},
                               std::uint64_t incarnation = 0) {
    options.server.listen.port = 0;
    options.unknown = unknown;
    options.name = "pod-" + std::to_string(number);
    auto made =
        std::make_unique<Whole>(*loop, clock, upstream, models, lease, number,
                                incarnation == 0 ? number : incarnation, std::move(options));
    made->controller.up(engine.address, 100 * number, 8);
    made->controller.fleet->all_told("m");
    return made;
  }
  /// Of both, at the engine; an id is the first leader's, and stays.
  static std::int64_t credit(const Whole& of) {
    std::int64_t all = 0;
    for (const auto& view : of.gateway.gateway.replica_views("m")) all += view.credit;
    return all;
  }
  LeaderPlace place(const Whole& of) const { return {of.controller.fleet->address(), "", ""}; }

  /// Who leads knows at once that there was no leader before it.
  Duration unknown{0};
  Notice lease;
  StubEngine engine{*loop};
};

TEST_F(LeadTest, OneThatLeadsAloneUsesAllThereIsAndHearsItself) {
  auto one = whole(1);
  one->lead();
  until([&] { return credit(*one) == 8; }, "all of the replica");
  auto call = ask(one->gateway);
  until([&] { return engine.requests.size() == 1; }, "a request at the engine");
  EXPECT_TRUE(one->gateway.follower.leader().connected);
  EXPECT_EQ(one->controller.fleet->gateways().size(), 1u);
  StubEngine::answer_json(*engine.requests[0]->exchange);
  until([&] { return call->over; }, "its answer");
  EXPECT_EQ(call->status, 200);
}

TEST_F(LeadTest, ARequestThatWaitsAtItsOwnGatewayIsHeardAtOnce) {
  auto one = whole(1);
  one->lead();
  until([&] { return credit(*one) == 8; }, "all of the replica");
  one->controller.fleet->replica_down("m", ReplicaId(100));
  until([&] { return credit(*one) == 0; }, "none is left");
  auto call = ask(one->gateway);  // a period is a thousand seconds here
  until([&] { return !one->controller.waits.empty(); }, "word of it");
  EXPECT_EQ(one->controller.sight().demand.queued_requests, 1);
}

TEST_F(LeadTest, WhoDoesNotLeadIsAGatewayOfWhoDoes) {
  auto one = whole(1), two = whole(2);
  one->lead();
  lease = place(*one);
  until([&] { return one->controller.connected() == 2; }, "both gateways");
  until([&] { return credit(*one) == 4 && credit(*two) == 4; }, "half of it for each");
  auto a = ask(one->gateway), b = ask(two->gateway);
  until([&] { return engine.requests.size() == 2; }, "both at the engine");
  EXPECT_EQ(two->controller.fleet->gateways().size(), 0u) << "nobody is heard who does not lead";
  for (auto& held : engine.requests) StubEngine::answer_json(*held->exchange);
  until([&] { return a->over && b->over; }, "both answers");
  EXPECT_EQ(a->status, 200);
  EXPECT_EQ(b->status, 200);
}

class TickingLead : public LeadTest {
 protected:
  TickingLead() : LeadTest(kTickingScale) {}
};

TEST_F(TickingLead, TheLeadMovesAndNothingThatIsHeldOrWaitsIsLost) {
  auto one = whole(1), two = whole(2);
  one->lead();
  lease = place(*one);
  until([&] { return credit(*one) == 4 && credit(*two) == 4; }, "half of it for each");
  std::vector<std::shared_ptr<Call>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(ask(i % 2 == 0 ? one->gateway : two->gateway));
  until([&] { return engine.requests.size() == 8; }, "as many as the engine takes");
  for (int i = 0; i < 4; ++i) calls.push_back(ask(i % 2 == 0 ? one->gateway : two->gateway));
  until([&] { return one->controller.sight().demand.queued_requests == 4; }, "four wait");

  lease.reset();
  one->follow();
  EXPECT_FALSE(one->gateway.follower.leader().connected);
  two->lead();
  lease = place(*two);
  until([&] { return two->controller.connected() == 2; }, "the other leads, and hears both");
  until([&] { return two->in_flight() == 8; }, "it knows what runs");
  until([&] { return two->controller.sight().demand.queued_requests == 4; }, "and what waits");

  lease.reset();
  two->follow();
  one->lead();
  lease = place(*one);
  until([&] { return one->in_flight() == 8; }, "and back");
  EXPECT_EQ(one->gateway.gateway.replica_views("m").size(), 1u) << "the engine is one all the time";
  EXPECT_EQ(two->gateway.gateway.replica_views("m").size(), 1u);
  answer_one_by_one(engine, calls);
}

/// Sequences of one engine that a gateway may use or has in use.
std::int64_t used(const Whole& of, const net::Address& engine) {
  std::int64_t all = 0;
  const auto addresses = of.gateway.follower.addresses("m");
  for (const auto& view : of.gateway.gateway.replica_views("m")) {
    const auto at = addresses.find(view.replica);
    if (at != addresses.end() && at->second == engine) all += std::max(view.credit, view.in_flight);
  }
  return all;
}

TEST_F(TickingLead, ANewLeaderGivesAwayNothingThatAGatewayYetToComeMayUse) {
  auto one = whole(1), two = whole(2);
  one->lead();
  lease = place(*one);
  until([&] { return credit(*one) == 4 && credit(*two) == 4; }, "half of it for each");
  lease.reset();
  one->follow();  // and finds nobody
  two->lead();
  std::vector<std::shared_ptr<Call>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(ask(two->gateway));
  until([&] { return engine.requests.size() == 4; }, "what was its own is its own");
  until([&] { return two->controller.sight().demand.queued_requests == 4; }, "the rest waits");
  loop->run_for(3 * kTestPeriod);  // in which it would have been given more
  EXPECT_EQ(used(*two, engine.address), 4);
  EXPECT_EQ(used(*one, engine.address), 4);
  lease = place(*two);
  until([&] { return engine.requests.size() == 7; }, "all but one, once the other has come");
  EXPECT_LE(used(*one, engine.address) + used(*two, engine.address), 8);
}

TEST_F(TickingLead, WhoDoesNotComeBackIsWaitedForAndThenForgotten) {
  FleetOptions options;
  options.grace = millis(20);
  auto one = whole(1), two = whole(2, options);
  one->lead();
  lease = place(*one);
  until([&] { return credit(*one) == 4 && credit(*two) == 4; }, "half of it for each");
  lease.reset();
  one.reset();
  two->lead();
  until([&] { return credit(*two) == 8; }, "all of it, when its time is over");
}

TEST_F(TickingLead, AnEngineThatCameUnderTheNewLeaderIsFreeAtOnce) {
  unknown = seconds(1000);
  auto one = whole(1);
  one->lead();
  StubEngine fresh(*loop);
  one->controller.up(fresh.address, 101, 8);
  until([&] { return credit(*one) == 8; }, "all of the new one, nothing of the one before");
  auto call = ask(one->gateway);
  until([&] { return fresh.requests.size() == 1; }, "a request at it");
  EXPECT_TRUE(engine.requests.empty());
}

/// Three of them; the lead moves, they are killed and come back, requests come and end. At every
/// step of the loop what may be used of an engine stays within what it holds.
class RandomLead : public TickingLead, public testing::WithParamInterface<std::uint64_t> {
 protected:
  static constexpr std::int64_t kRoom = 8;

  void SetUp() override {
    unknown = seconds(30);
    for (std::uint64_t i = 1; i <= 3; ++i) all.push_back(whole(i));
    lead(0);
    until([&] { return all[0]->controller.connected() == 3; }, "all follow the first");
    for (auto& one : all) one->controller.up(fresh.address, 900 + number++, kRoom);
  }
  void lead(std::size_t next) {
    lease.reset();
    if (all[leader] != nullptr && leader != next) all[leader]->follow();
    leader = next;
    all[leader]->lead();
    lease = place(*all[leader]);
  }
  void kill(std::size_t which) {
    all[which].reset();
    if (which == leader) lead((which + 1) % 3);
    all[which] = whole(which + 1, {}, ++incarnation);
    all[which]->controller.up(fresh.address, 900 + number++, kRoom);
  }
  void check() {
    std::int64_t sum = 0;
    for (const auto& one : all) sum += used(*one, fresh.address);
    most = std::max(most, sum);
  }

  StubEngine fresh{*loop};
  std::vector<std::unique_ptr<Whole>> all;
  std::size_t leader = 0;
  std::uint64_t number = 0, incarnation = 10;
  std::int64_t most = 0;
};

TEST_P(RandomLead, WhatMayBeUsedStaysWithinWhatThereIs) {
  Rng chance(GetParam(), "lead");
  std::vector<std::shared_ptr<Call>> calls;
  std::size_t answered = 0;
  for (int step = 0; step < 40; ++step) {
    const auto who = static_cast<std::size_t>(chance.below(3));
    switch (chance.below(8)) {
      case 0:
        lead(who);
        break;
      case 1:
        kill(who);
        break;
      case 2:
      case 3:
        while (answered < fresh.requests.size()) {
          StubEngine::answer_json(*fresh.requests[answered++]->exchange);
        }
        break;
      default:
        calls.push_back(ask(all[who]->gateway));
    }
    int turns = 0;
    const int enough = 1 + static_cast<int>(chance.below(20));
    loop->run_until(
        [&] {
          check();
          return ++turns > enough;
        },
        millis(2));
    ASSERT_LE(most, kRoom) << "seed " << GetParam() << ", step " << step;
  }
  EXPECT_GT(most, 0) << "it was used at all";
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomLead, testing::Range<std::uint64_t>(1, 5));

TEST_F(TickingLead, WithoutALeaderWhatItsOwnControllerSeesIsUsed) {
  models[0].variants.push_back({.name = "v"});
  auto one = whole(1);
  auto call = ask(one->gateway);
  until([&] { return !one->gateway.follower.leader().trouble.empty(); }, "it looked");
  EXPECT_THAT(one->gateway.follower.leader().trouble, HasSubstr("no process holds the Lease"));
  EXPECT_FALSE(call->over) << "until a leader is missed for some time";
  for (const auto& [variant, sight] : one->controller.fleet->engines("m")) {
    one->gateway.follower.seen("m", variant, sight);
  }
  until([&] { return engine.requests.size() == 1; }, "it goes to the engine seen here");
  one->lead();
  until([&] { return one->in_flight() == 1; }, "and is known to who leads then");
  EXPECT_EQ(one->gateway.gateway.replica_views("m").size(), 1u);
}

TEST_F(TickingLead, AGatewayThatHasEndedCleanlyIsForgottenAtOnce) {
  auto one = whole(1), two = whole(2);
  one->lead();
  lease = place(*one);
  until([&] { return credit(*one) == 4 && credit(*two) == 4; }, "half of it for each");
  EXPECT_TRUE(one->gateway.follower.leave()) << "the leader's own";
  until([&] { return credit(*two) == 8; }, "all of it is the other's");
  EXPECT_EQ(one->controller.fleet->gateways().size(), 1u);
  auto three = whole(3);
  until([&] { return credit(*three) == 4; }, "a third one takes its half");
  EXPECT_TRUE(two->gateway.follower.leave()) << "one that comes by stream";
  until([&] { return credit(*three) == 8; }, "all of it is the third one's");
  EXPECT_EQ(one->controller.fleet->gateways().size(), 1u);
  lease.reset();
  one->follow();
  EXPECT_FALSE(one->gateway.follower.leave()) << "nobody is there to be told";
}

TEST_F(LeadTest, OverTlsWithTheCertificateThatTheLeaderTells) {
  const WallTime now = net::WorldClock::wall_now();
  auto pair = net::self_signed({"gateways.tidegate"}, now + seconds(-60), now + seconds(3600));
  ASSERT_TRUE(pair);
  auto other = net::self_signed({"gateways.tidegate"}, now + seconds(-60), now + seconds(3600));
  const std::string folder = testing::TempDir();
  std::ofstream(folder + "/lead.crt") << pair->certificate_pem;
  std::ofstream(folder + "/lead.key") << pair->key_pem;
  FleetOptions options;
  options.server.tls = {folder + "/lead.crt", folder + "/lead.key", ""};
  auto one = whole(1, options), two = whole(2);
  one->lead();
  LeaderPlace where = place(*one);
  where.server_name = "gateways.tidegate";
  where.certificate_pem = other->certificate_pem;
  lease = where;
  until(
      [&] {
        return two->gateway.follower.leader().trouble.find("certificate") != std::string::npos;
      },
      "one that shows another certificate is not the leader");
  EXPECT_EQ(one->controller.connected(), 1u);
  where.certificate_pem = pair->certificate_pem;
  lease = where;
  until([&] { return one->controller.connected() == 2; }, "who shows it is");
  until([&] { return credit(*two) == 4; }, "and tells of shares");
}

}  // namespace
}  // namespace tidegate::live::link
