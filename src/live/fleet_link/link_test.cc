// The stream itself: who is refused and told why, who leads now, who reads slowly, what a gateway
// does without a leader.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "gateway.grpc.pb.h"
#include "live/fleet_link/test_fleet.h"
#include "live/fleet_link/token.h"
#include "live/fleet_link/wire.h"

namespace tidegate::live::link {
namespace {

using testing::HasSubstr;

class LinkTest : public LinkWorld {};

TEST_F(LinkTest, WhoIsRefusedIsToldWhy) {
  struct Row {
    std::string label;
    bool leads;
    std::string token;
    std::uint32_t protocol;
    std::string says;
  };
  const std::vector<Row> rows = {
      {"no token", true, "", kProtocol, "a token is asked for"},
      {"another token", true, "wrong", kProtocol, "another token"},
      {"one that does not lead names the leader", false, "secret", kProtocol, "pod-b does"},
      {"a gateway of another age", true, "secret", kProtocol + 1, "speaks protocol 2"},
  };
  FleetOptions options;
  options.server.token = "secret";
  auto one = leader(options);
  for (const Row& row : rows) {
    one->fleet->lead(row.leads, "pod-b");
    Hello hello{.name = "gw", .incarnation = 5, .version = "0.0", .protocol = row.protocol};
    Client refused(*loop, {{one->fleet->address()}, row.token, hello},
                   {.found = [](const auto&) { FAIL() << "found"; },
                    .news = [](const News&) {},
                    .writable = [] {},
                    .lost = [](const std::string&) {}});
    refused.start();
    until([&] { return !refused.trouble().empty(); }, row.label.c_str());
    EXPECT_THAT(refused.trouble(), HasSubstr(row.says)) << row.label;
    EXPECT_THAT(refused.trouble(), testing::Not(HasSubstr("secret"))) << row.label;
    EXPECT_EQ(one->fleet->gateways().size(), 0u) << row.label;
  }
}

TEST_F(LinkTest, OfSeveralControllersTheOneThatLeadsIsFoundAndTheNextAfterIt) {
  auto first = leader(), second = leader();
  second->fleet->lead(false, "leader");
  StubEngine engine(*loop);
  // The same engine, called by another id by each.
  first->up(engine.address, 7, 4);
  first->fleet->all_told("m");
  second->up(engine.address, 9, 4);
  auto a = gateway({second->fleet->address(), first->fleet->address()}, 1);
  until([&] { return a->credit(7) == 4; }, "the leader's word");
  auto held = ask(*a);
  until([&] { return engine.requests.size() == 1; }, "a request under way");
  second->fleet->lead(true, "");
  first.reset();
  until([&] { return a->follower.leader().connected && second->connected() == 1; }, "the next one");
  second->fleet->all_told("m");
  until([&] { return second->sight().demand.dispatched_requests == 1; }, "it knows what runs");
  EXPECT_EQ(a->credit(9), -1) << "known by its address: it is the same engine";
  EXPECT_EQ(a->credit(7), 4);
  StubEngine::answer_json(*engine.requests[0]->exchange);
  until([&] { return held->over; }, "the answer of before");
  EXPECT_EQ(held->status, 200) << "a change of leaders breaks nothing";
}

TEST_F(LinkTest, WhyThereIsNoLeaderIsLoggedOnceAPlaceHoweverOftenItIsTried) {
  auto first = leader(), second = leader();
  for (auto* one : {&first, &second}) (*one)->fleet->lead(false, "another");
  testing::internal::CaptureStderr();
  auto a = gateway({first->fleet->address(), second->fleet->address()}, 1);
  int turns = 0;
  std::string trouble;
  until(
      [&] {
        if (const std::string now = a->follower.leader().trouble; now != trouble) {
          trouble = now;
          ++turns;
        }
        return turns >= 6;
      },
      "both were tried three times");
  const std::string lines = testing::internal::GetCapturedStderr();
  for (auto* one : {&first, &second}) {
    const std::string place = (*one)->fleet->address().text();
    const auto at = lines.find(place);
    ASSERT_NE(at, std::string::npos) << lines;
    EXPECT_EQ(lines.find(place, lines.find('\n', at)), std::string::npos) << lines;
  }
}

TEST_F(LinkTest, WithoutALeaderAGatewayServesOnAndItsNextLeaderTakesNothingAwayTooEarly) {
  auto one = leader();
  const net::Address address = one->fleet->address();
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  one->up(engine.address, 7, 4);
  one->fleet->all_told("m");
  auto a = gateway({address}, 1);
  until([&] { return a->credit(7) == 4; }, "the leader's word");
  one.reset();
  until([&] { return !a->follower.leader().connected; }, "it is lost");
  auto call = ask(*a);
  until([&] { return call->over; }, "an answer without a leader");
  EXPECT_EQ(call->status, 200);
  EXPECT_FALSE(a->follower.leader().trouble.empty());

  FleetOptions options;
  options.server.listen = address;
  auto next = leader(options);
  until([&] { return next->connected() == 1; }, "a leader at the same place");
  until([&] { return a->follower.leader().connected; }, "and the gateway knows");
  auto again = ask(*a);  // it has not seen yet what runs, and says so
  until([&] { return again->over; }, "an answer");
  EXPECT_EQ(again->status, 200);
  next->fleet->all_told("m");
  until([&] { return a->credit(7) == -1; }, "nothing runs, says one that has seen all");
}

TEST_F(LinkTest, AGatewayThatBeganWithoutALeaderHoldsItsRequests) {
  auto probe = leader();
  const net::Address address = probe->fleet->address();
  probe.reset();
  auto a = gateway({address}, 1);
  auto call = ask(*a);
  until([&] { return !a->follower.leader().trouble.empty(); }, "it looked");
  EXPECT_FALSE(call->over);
  FleetOptions options;
  options.server.listen = address;
  auto one = leader(options);
  until([&] { return one->sight().demand.queued_requests == 1; }, "the leader hears of it");
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  one->up(engine.address, 7, 4);
  until([&] { return call->over; }, "its answer");
  EXPECT_EQ(call->status, 200);
}

class TickingLink : public LinkWorld {
 protected:
  TickingLink() : LinkWorld(kTickingScale) {}
};

TEST_F(TickingLink, WithoutALeaderTheClusterSaysWhereEnginesAre) {
  models[0].variants.push_back({.name = "v"});
  auto probe = leader();
  const net::Address address = probe->fleet->address();
  probe.reset();
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  auto a = gateway({address}, 1);
  a->follower.seen("m", 0, {.ready = {engine.address}});
  a->follower.seen("nobody", 0, {.ready = {engine.address}});
  a->follower.seen("m", 5, {.ready = {engine.address}});  // no such variant
  auto call = ask(*a);
  until([&] { return call->over; }, "an answer, by the cluster's word");
  EXPECT_EQ(call->status, 200);

  FleetOptions options;
  options.server.listen = address;
  auto one = leader(options);
  one->up(engine.address, 7, 4);
  one->fleet->all_told("m");
  auto views = [&] { return a->gateway.replica_views("m"); };
  until([&] { return views().size() == 1 && views()[0].credit == 4; }, "the leader's word instead");
  one.reset();
  until([&] { return !a->follower.leader().connected; }, "it is lost");
  a->follower.seen("m", 0, {.ending = {engine.address}});
  until([&] { return views()[0].draining; }, "what ends gets nothing more");
  a->follower.seen("m", 0, {});
  until([&] { return views().empty(); }, "what was seen and is no more is gone");
}

TEST_F(LinkTest, ASlowReaderHoldsOneMessageAndThenIsToldTheNewest) {
  auto one = leader();
  constexpr std::uint64_t kReplicas = 2000;  // more than a stream's window holds
  for (std::uint64_t id = 1; id <= kReplicas; ++id) one->up({"10.0.0.1", 8000}, id, 1);

  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetMaxReceiveMessageSize(kMaxMessageBytes);
  auto channel = grpc::CreateCustomChannel(one->fleet->address().text(),
                                           grpc::InsecureChannelCredentials(), args);
  auto stub = wire::GatewayLink::NewStub(channel);
  grpc::ClientContext context;
  auto stream = stub->Follow(&context);
  ASSERT_TRUE(stream->Write(to_wire(Hello{.name = "slow", .incarnation = 3})));
  until([&] { return one->connected() == 1; }, "it came");
  constexpr std::int64_t kRounds = 200;
  for (std::int64_t round = 2; round <= kRounds; ++round) {
    one->up({"10.0.0.1", 8000}, 1, round);
    loop->run_for(Duration(0));
  }
  // It begins to read; the loop goes on meanwhile.
  std::int64_t messages = 0, newest = 0;  // the reader's until it is joined
  bool over = false;
  std::thread reader([&] {
    wire::FromLeader news;
    while (newest < kRounds && stream->Read(&news)) {
      ++messages;
      for (const auto& model : news.models()) {
        for (const auto& replica : model.replicas()) {
          if (replica.id() == 1) newest = replica.max_requests();
        }
      }
    }
    context.TryCancel();
    loop->post([&] { over = true; });
  });
  until([&] { return over; }, "the newest");
  reader.join();
  EXPECT_EQ(newest, kRounds);
  EXPECT_LT(messages, kRounds / 2) << "what was overtaken was left out";
}

TEST_F(LinkTest, APeerThatSaysNoHelloIsSentAway) {
  auto one = leader();
  auto channel =
      grpc::CreateChannel(one->fleet->address().text(), grpc::InsecureChannelCredentials());
  auto stub = wire::GatewayLink::NewStub(channel);
  grpc::ClientContext context;
  auto stream = stub->Follow(&context);
  stream->Write(to_wire(Report{.acked = 3}));
  grpc::Status status;
  bool over = false;
  std::thread reader([&] {
    wire::FromLeader news;
    while (stream->Read(&news)) {
    }
    status = stream->Finish();
    loop->post([&] { over = true; });
  });
  until([&] { return over; }, "it is refused");
  reader.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("no hello"));
}

TEST_F(LinkTest, OneGatewayTooManyIsRefusedAndTheOthersStay) {
  FleetOptions options;
  options.server.max_streams = 1;
  auto one = leader(options);
  auto a = gateway({one->fleet->address()}, 1);
  until([&] { return one->connected() == 1; }, "the first");
  auto b = gateway({one->fleet->address()}, 2);
  until([&] { return !b->follower.leader().trouble.empty(); }, "the second is refused");
  EXPECT_THAT(b->follower.leader().trouble, HasSubstr("as many as there may be"));
  EXPECT_EQ(one->connected(), 1u);
}

TEST(Wire, NonsenseFromOutsideIsMadeHarmless) {
  wire::FromGateway message;
  auto* model = message.add_models();
  model->set_model(std::string(1000, 'x'));
  model->mutable_demand()->set_queued_requests(-5);
  model->mutable_demand()->set_arrived_total(INT64_MAX);
  model->mutable_demand()->set_oldest_wait_nanos(-1);
  auto* bucket = model->add_ttft();
  bucket->set_index(UINT32_MAX);
  bucket->set_count(-9);
  model->add_replicas()->set_requests(INT64_MIN);
  const Report report = report_of(message);
  ASSERT_EQ(report.models.size(), 1u);
  EXPECT_EQ(report.models[0].model.size(), 256u);
  EXPECT_EQ(report.models[0].demand.queued_requests, 0);
  EXPECT_LT(report.models[0].demand.arrived_total, INT64_MAX / 1000)
      << "sums of it do not overflow";
  EXPECT_EQ(report.models[0].demand.oldest_wait, Duration(0));
  EXPECT_EQ(report.models[0].replicas[0].requests, 0);
  workload::Sketch sketch;
  for (const auto& [index, count] : report.models[0].ttft) sketch.fill(index, count);
  EXPECT_EQ(sketch.count(), 0);
}

TEST(Wire, WhatANewerPeerAddsIsLeftOut) {
  wire::FromLeader news = to_wire(News{.version = 4, .leader = "l"});
  news.GetReflection()->MutableUnknownFields(&news)->AddVarint(99, 1);
  wire::FromLeader read;
  ASSERT_TRUE(read.ParseFromString(news.SerializeAsString()));
  EXPECT_EQ(news_of(read).version, 4u);
  EXPECT_EQ(news_of(read).leader, "l");
}

TEST(Token, OfAFile) {
  struct Row {
    std::string label, text, token, error;
  };
  const std::vector<Row> rows = {
      {"blanks around it are none of it", "  s3cret\n", "s3cret", ""},
      {"an empty file", "\n", "", "empty"},
      {"two words", "a b", "", "one word"},
      {"too long", std::string(kMaxTokenBytes + 1, 'x'), "", "longer than"},
      {"as long as may be", std::string(kMaxTokenBytes, 'x'), std::string(kMaxTokenBytes, 'x'), ""},
  };
  const std::string file = testing::TempDir() + "/token";
  for (const Row& row : rows) {
    std::ofstream(file) << row.text;
    auto token = read_token(file);
    if (row.error.empty()) {
      ASSERT_TRUE(token) << row.label;
      EXPECT_EQ(*token, row.token) << row.label;
      EXPECT_TRUE(shows_token(authorization_of(*token), *token)) << row.label;
    } else {
      ASSERT_FALSE(token) << row.label;
      EXPECT_THAT(token.error().message, HasSubstr(row.error)) << row.label;
      EXPECT_THAT(token.error().message, testing::Not(HasSubstr("xxx"))) << row.label;
    }
  }
  EXPECT_FALSE(read_token("/nowhere"));
  EXPECT_FALSE(shows_token("s3cret", "s3cret")) << "no scheme";
  EXPECT_FALSE(shows_token("Bearer s3cre", "s3cret"));
}

}  // namespace
}  // namespace tidegate::live::link
