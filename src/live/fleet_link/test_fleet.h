#pragma once
// Controllers and gateways in one process, on one loop, on free ports; engines are stubs.

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "live/fleet_link/fleet.h"
#include "live/fleet_link/follower.h"
#include "live/gateway/stub_engine.h"

namespace tidegate::live::link {

/// Of worlds that tick: a second in them, by kTickingScale.
inline constexpr Duration kTestPeriod = millis(10);
inline constexpr double kTickingScale = 100;

/// A leader with one model "m".
struct TestLeader {
  TestLeader(net::Loop& loop, const net::WorldClock& clock, const std::vector<spec::Model>& models,
             FleetOptions options = {}) {
    options.least_period = kTestPeriod;
    fleet =
        Fleet::listen(
            loop, clock, std::move(options),
            {.drained = [this](const std::string&, ReplicaId id) { drained.insert(id.value()); },
             .waits = [this](const std::string& model) { waits.push_back(model); }})
            .value();
    fleet->set_models(models);
  }
  void up(const net::Address& address, std::uint64_t id, std::int64_t room,
          std::int64_t kv_tokens = 0) {
    fleet->replica_up("m", {.replica = ReplicaId(id), .max_requests = room, .kv_tokens = kv_tokens},
                      address);
  }
  control::GatewaySight sight() const { return fleet->sight("m", seconds(60)); }
  std::size_t connected() const {
    std::size_t n = 0;
    for (const auto& gateway : fleet->gateways()) n += gateway.connected ? 1 : 0;
    return n;
  }

  std::set<std::uint64_t> drained;
  std::vector<std::string> waits;
  std::unique_ptr<Fleet> fleet;
};

/// A gateway apart, with clients of its own.
struct TestGateway {
  TestGateway(net::Loop& loop, const net::WorldClock& clock, net::HttpClient& upstream,
              const std::vector<spec::Model>& models, std::vector<net::Address> leaders,
              const std::string& name, std::uint64_t incarnation, const std::string& token = "",
              ClientTls tls = {}, std::function<std::optional<LeaderPlace>()> leader = nullptr)
      : gateway(loop, upstream, clock, {.lost_grace = millis(20)}),
        follower(loop, clock, gateway,
                 {.leaders = std::move(leaders),
                  .leader = std::move(leader),
                  .token = token,
                  .tls = std::move(tls),
                  .name = name,
                  .version = "test",
                  .incarnation = incarnation,
                  .leaderless = Duration(0),
                  .least_period = kTestPeriod,
                  .longest_pause = kTestPeriod}) {
    gateway.set_models(models);
    address = gateway.listen({"127.0.0.1", 0}).value();
    follower.set_models(models);
    gateway.on_routed([this](const std::string& model, const route::Event& event, Instant,
                             const std::vector<route::Action>& actions) {
      if (actions.empty() && std::holds_alternative<route::Arrived>(event)) follower.waits(model);
    });
    follower.start();
  }
  /// Of the replica, what this gateway may use; -1: it knows none of that id.
  std::int64_t credit(std::uint64_t id) const {
    for (const auto& view : gateway.replica_views("m")) {
      if (view.replica.value() == id) return view.draining ? 0 : view.credit;
    }
    return -1;
  }

  Gateway gateway;
  Follower follower;
  net::Address address;
};

class LinkWorld : public testing::Test {
 protected:
  static constexpr Duration kLimit = seconds(30);  ///< of a wait; a test that needs it has failed

  /// With a clock so slow nothing comes by the period: what happens follows from an event.
  explicit LinkWorld(double scale = 0.001) : clock(scale) {
    spec::Model m;
    m.name = "m";
    m.served_names = {"m"};
    m.queue.max_wait = seconds(1'000'000);  // none that waits in a fast world is sent away
    models = {m};
  }
  std::unique_ptr<TestLeader> leader(FleetOptions options = {}) {
    if (options.server.listen.port == 8083) options.server.listen.port = 0;
    if (options.name.empty()) options.name = "leader";
    // Who leads knows at once that there was no leader before it.
    if (options.unknown == FleetOptions::kUnknown) options.unknown = Duration(0);
    auto made = std::make_unique<TestLeader>(*loop, clock, models, std::move(options));
    made->fleet->lead(true, "");
    return made;
  }
  std::unique_ptr<TestGateway> gateway(std::vector<net::Address> leaders, std::uint64_t incarnation,
                                       const std::string& token = "") {
    return std::make_unique<TestGateway>(*loop, clock, upstream, models, std::move(leaders),
                                         "gw-" + std::to_string(incarnation), incarnation, token);
  }
  struct Call {
    int status = 0;
    std::string body;
    bool over = false, broken = false;
  };
  std::shared_ptr<Call> ask(const TestGateway& at) {
    auto call = std::make_shared<Call>();
    client.send(
        {.address = at.address,
         .method = "POST",
         .path = "/v1/chat/completions",
         .body = R"({"model":"m","messages":[{"role":"user","content":"hello"}]})"},
        {.on_head = [call](int status, const net::Headers&) { call->status = status; },
         .on_data = [call](std::string_view bytes) { call->body += bytes; },
         .on_end = [call] { call->over = true; },
         .on_error = [call](const net::ClientError&) { call->over = call->broken = true; }});
    return call;
  }
  void until(const std::function<bool()>& done, const char* what) {
    ASSERT_TRUE(loop->run_until(done, kLimit)) << "never came: " << what;
  }
  /// An engine with room for eight never has more, and every call is answered.
  void answer_one_by_one(StubEngine& engine, const std::vector<std::shared_ptr<Call>>& calls) {
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

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  net::WorldClock clock;
  net::HttpClient upstream{*loop}, client{*loop};
  std::vector<spec::Model> models;
};

}  // namespace tidegate::live::link
