// Several processes with a gateway and a controller each: who leads hears all gateways, its own
// too, and the lead moves between them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

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
        FleetOptions options)
      : controller(loop, clock, models, std::move(options)),
        gateway(loop, clock, upstream, models, {}, "gw-" + std::to_string(number), number, "", {},
                [&lease] { return lease; }) {
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
  std::unique_ptr<Whole> whole(std::uint64_t number, FleetOptions options = {}) {
    options.server.listen.port = 0;
    options.name = "pod-" + std::to_string(number);
    auto made =
        std::make_unique<Whole>(*loop, clock, upstream, models, lease, number, std::move(options));
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
  TickingLead() : LeadTest(10) {}
};

TEST_F(TickingLead, TheLeadMovesAndNothingThatIsHeldIsLost) {
  auto one = whole(1), two = whole(2);
  one->lead();
  lease = place(*one);
  until([&] { return credit(*one) == 4 && credit(*two) == 4; }, "half of it for each");
  std::vector<std::shared_ptr<Call>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(ask(i % 2 == 0 ? one->gateway : two->gateway));
  until([&] { return engine.requests.size() == 8; }, "as many as the engine takes");

  lease.reset();
  one->follow();
  EXPECT_FALSE(one->gateway.follower.leader().connected);
  two->lead();
  lease = place(*two);
  until([&] { return two->controller.connected() == 2; }, "the other leads, and hears both");
  until([&] { return two->in_flight() == 8; }, "it knows what runs");

  lease.reset();
  two->follow();
  one->lead();
  lease = place(*one);
  until([&] { return one->in_flight() == 8; }, "and back");
  EXPECT_EQ(one->gateway.gateway.replica_views("m").size(), 1u) << "the engine is one all the time";
  EXPECT_EQ(two->gateway.gateway.replica_views("m").size(), 1u);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    until([&] { return engine.requests.size() > i; }, "the next at the engine");
    std::size_t open = 0;
    for (const auto& held : engine.requests) open += held->exchange != nullptr ? 1 : 0;
    EXPECT_LE(open, 8u) << "after " << i << " answers";
    StubEngine::answer_json(*engine.requests[i]->exchange);
    engine.requests[i]->exchange.reset();
  }
  for (auto& call : calls) {
    until([&] { return call->over; }, "an answer");
    EXPECT_EQ(call->status, 200);
  }
}

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
  one->controller.fleet->leave();
  until([&] { return credit(*two) == 8; }, "all of it is the other's");
  EXPECT_EQ(one->controller.fleet->gateways().size(), 1u);
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
