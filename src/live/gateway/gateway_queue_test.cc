// Requests that wait: how many and how long, and what becomes of them when replicas come, models
// change and the gateway ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "live/gateway/stub_engine.h"

namespace tidegate::live {
namespace {

using route::Outcome;
using testing::HasSubstr;

class GatewayQueueTest : public StubWorld {};

TEST_F(GatewayQueueTest, FullQueueIs429WithRetryAfterAtTheLimitAndOnePast) {
  struct Row {
    const char* label;
    spec::Queue queue;
    const char* outcome;
  };
  const auto size = static_cast<std::int64_t>(chat().size());
  const Row rows[] = {
      {"requests", {.max_requests = 2}, "queue_full"},
      {"bytes", {.max_bytes = 2 * size}, "queue_bytes_full"},
  };
  for (const Row& row : rows) {
    spec::Model m = model("m");
    m.queue = row.queue;
    open({m});
    auto first = send(chat()), second = send(chat());
    until([&] { return demand().queued_requests == 2; });
    auto third = send(chat());
    finish(third);
    EXPECT_EQ(third->status, 429) << row.label;
    EXPECT_EQ(third->headers.get("x-tidegate-outcome"), row.outcome) << row.label;
    EXPECT_FALSE(third->headers.get("retry-after").empty()) << row.label;
    EXPECT_THAT(third->body, HasSubstr("rate_limit_error")) << row.label;
    EXPECT_FALSE(first->over() || second->over()) << row.label;
    gateway.reset();
  }
}

TEST_F(GatewayQueueTest, WaitEndsAtTheClientsDeadlineWith503) {
  open({model("m")});
  net::Headers headers;
  headers.add("x-tidegate-deadline", "30ms");
  auto call = send(chat(), headers);
  finish(call);
  EXPECT_EQ(call->status, 503);
  EXPECT_EQ(call->headers.get("x-tidegate-outcome"), "queue_timeout");
  EXPECT_FALSE(call->headers.get("retry-after").empty());
  EXPECT_EQ(ended(Outcome::kQueueTimeout), 1);
}

TEST_F(GatewayQueueTest, FromZeroFiftyAreHeldAndReleasedToExactlyTheRoom) {
  open({model("m")});
  std::vector<std::shared_ptr<StubCall>> calls;
  for (int i = 0; i < 50; ++i) calls.push_back(send(chat()));
  until([&] { return demand().queued_requests == 50; });
  StubEngine first(*loop), second(*loop);
  up(first, 1, 8);
  up(second, 2, 8);
  until([&] { return first.requests.size() + second.requests.size() == 16; });
  EXPECT_EQ(first.requests.size(), 8u);
  EXPECT_EQ(second.requests.size(), 8u);
  EXPECT_EQ(demand().queued_requests, 34);
  std::size_t a = 0, b = 0;
  until([&] {
    while (a < first.requests.size()) StubEngine::answer_json(*first.requests[a++]->exchange);
    while (b < second.requests.size()) StubEngine::answer_json(*second.requests[b++]->exchange);
    return demand().finished_total == 50;
  });
  for (auto& call : calls) {
    finish(call);
    EXPECT_EQ(call->status, 200);
  }
  EXPECT_EQ(a + b, 50u);
}

TEST_F(GatewayQueueTest, ReloadKeepsTheQueueAndAModelThatLeftIsGone) {
  open({model("m"), model("n")});
  auto stays = send(chat("m")), leaves = send(chat("n"));
  until([&] { return gateway->open_requests() == 2; });
  spec::Model changed = model("m");
  changed.served_names = {"m", "new-alias"};
  gateway->set_models({changed});
  finish(leaves);
  EXPECT_EQ(leaves->status, 503);
  EXPECT_EQ(leaves->headers.get("x-tidegate-outcome"), "shutting_down");
  auto late = send(chat("n"));
  finish(late);
  EXPECT_EQ(late->status, 404);
  EXPECT_FALSE(stays->over());
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  up(engine);
  finish(stays);
  EXPECT_EQ(stays->status, 200);
  auto alias = send(chat("new-alias"));
  finish(alias);
  EXPECT_EQ(alias->status, 200);
}

TEST_F(GatewayQueueTest, ShutdownAnswersTheQueueAndLetsWhatRunsFinish) {
  StubEngine engine(*loop);
  open({model("m")});
  up(engine, 1, 1);
  auto runs = stream();
  until([&] { return engine.requests.size() == 1; });
  auto waits = send(chat());
  until([&] { return demand().queued_requests == 1; });
  bool done = false;
  gateway->shutdown([&] { done = true; });
  finish(waits);
  EXPECT_EQ(waits->status, 503);
  EXPECT_FALSE(done);
  net::Exchange& x = *engine.requests[0]->exchange;
  StubEngine::start_stream(x);
  x.write(StubEngine::chunk("a") + StubEngine::kDone);
  x.finish();
  until([&] { return done; });
  finish(runs);
  EXPECT_TRUE(runs->ended);
  EXPECT_THAT(runs->body, HasSubstr("[DONE]"));
}

TEST_F(GatewayQueueTest, UntilLoadBalancersKnowItServesOnAndEachAnswerEndsItsConnection) {
  StubEngine engine(*loop, [](auto x) { x->respond(200, {}, "{}"); });
  GatewayOptions options = quick();
  options.drain_delay = seconds(3600);
  open({model("m")}, options);
  up(engine);
  auto before = send(chat());
  finish(before);
  EXPECT_EQ(before->headers.get("connection"), "");
  int done = 0;
  gateway->shutdown([&] { ++done; });
  for (const char* label : {"on the connection there was", "on one of its own"}) {
    SCOPED_TRACE(label);
    auto late = send(chat());
    finish(late);
    EXPECT_EQ(late->status, 200);
    EXPECT_EQ(late->headers.get("connection"), "close");
  }
  EXPECT_EQ(done, 0);
  gateway->shutdown([&] { ++done; });  // a second signal does not wait
  until([&] { return done == 2; });
}

TEST_F(GatewayQueueTest, AfterTheDrainDelayNobodyIsLetIn) {
  open({model("m")}, [] {
    GatewayOptions options = quick();
    options.drain_delay = millis(1);
    return options;
  }());
  bool done = false;
  gateway->shutdown([&] { done = true; });
  until([&] { return done; });
  auto late = send(chat());
  finish(late);
  EXPECT_TRUE(late->broken) << "the port is closed";
}

TEST_F(GatewayQueueTest, SecondShutdownBreaksOffWhatRuns) {
  StubEngine engine(*loop);
  open({model("m")});
  up(engine);
  auto runs = send(chat());
  until([&] { return engine.requests.size() == 1; });
  int done = 0;
  gateway->shutdown([&] { ++done; });
  gateway->shutdown([&] { ++done; });
  until([&] { return done == 2; });
  finish(runs);
  EXPECT_EQ(runs->status, 503);
  until([&] { return engine.requests[0]->aborted; });
}

}  // namespace
}  // namespace tidegate::live
