#include "live/gateway/relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "live/gateway/stub_engine.h"
#include "live/gateway/stub_socket.h"

namespace tidegate::live {
namespace {

using route::Outcome;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class RelayTest : public StubWorld {};

TEST_F(RelayTest, ClientThatLeavesFreesItsPlaceInEveryPhase) {
  enum class Phase { kQueued, kKeptAlive, kBound, kStreaming };
  struct Row {
    const char* label;
    Phase phase;
  };
  const Row rows[] = {{"queued", Phase::kQueued},
                      {"queued, with keep-alives", Phase::kKeptAlive},
                      {"bound, nothing back yet", Phase::kBound},
                      {"streaming", Phase::kStreaming}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.label);
    StubEngine engine(*loop);
    open({model("m")});
    bool bound = row.phase == Phase::kBound || row.phase == Phase::kStreaming;
    if (bound) up(engine, 1, 1);
    auto call = stream();
    until([&] { return gateway->open_requests() == 1; });
    if (row.phase == Phase::kKeptAlive) until([&] { return !call->body.empty(); });
    if (bound) until([&] { return engine.requests.size() == 1; });
    if (row.phase == Phase::kStreaming) {
      StubEngine::start_stream(*engine.requests[0]->exchange);
      engine.requests[0]->exchange->write(StubEngine::chunk("a"));
      until([&] { return !call->body.empty(); });
    }
    client.cancel(call->id);
    until([&] { return gateway->open_requests() == 0; });
    if (bound) until([&] { return engine.requests[0]->aborted; });
    EXPECT_EQ(demand().queued_requests + demand().dispatched_requests, 0);
    EXPECT_EQ(ended(Outcome::kClientGone), 1);
    gateway.reset();
  }
}

TEST_F(RelayTest, FailureBeforeTheFirstByteIsTriedElsewhereWithTheSameBody) {
  struct Row {
    const char* label;
    StubEngine::Script bad;
  };
  const Row rows[] = {
      {"connection broken", [](auto x) { x->abort(); }},
      {"503: full", [](auto x) { x->respond(503, {}, "busy"); }},
      {"429: full, as TGI says it", [](auto x) { x->respond(429, {}, "Model is overloaded"); }},
      {"head of a stream and then nothing",
       [](auto x) {
         StubEngine::start_stream(*x);
         x->finish();
       }},
      {"head and then broken",
       [](auto x) {
         net::Headers h;
         h.add("Content-Length", "10");
         x->start(200, h);
         x->abort();
       }},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.label);
    StubEngine bad(*loop, row.bad);
    StubEngine good(*loop, [](auto x) { StubEngine::answer_json(*x, "second"); });
    open({model("m")});
    up(bad, 1);
    auto call = send(chat());
    until([&] { return bad.requests.size() == 1; });
    up(good, 2);
    finish(call);
    EXPECT_EQ(call->status, 200);
    EXPECT_THAT(call->body, HasSubstr("second"));
    EXPECT_EQ(call->headers.get("x-tidegate-replica"), "2");
    EXPECT_EQ(good.bodies, std::vector{chat()});
    EXPECT_EQ(gateway->traffic("m")->retries, 1);
    gateway.reset();
  }
}

TEST_F(RelayTest, NobodyListensIsTriedElsewhereToo) {
  net::Address nobody;
  {
    StubEngine gone(*loop);
    nobody = gone.address;
  }
  StubEngine good(*loop, [](auto x) { StubEngine::answer_json(*x); });
  open({model("m")});
  gateway->replica_up("m", {.replica = ReplicaId(1), .max_requests = 1}, nobody);
  auto call = send(chat());
  until([&] { return gateway->open_requests() == 1; });
  up(good, 2);
  finish(call);
  EXPECT_EQ(call->status, 200);
}

TEST_F(RelayTest, GivesUpWith502WhenEveryTryFailed) {
  StubEngine bad(*loop, [](auto x) { x->abort(); });
  open({model("m")});
  for (std::uint64_t id = 1; id <= 3; ++id) up(bad, id);
  auto call = send(chat());
  finish(call);
  EXPECT_EQ(call->status, 502);
  EXPECT_EQ(call->headers.get("x-tidegate-outcome"), "upstream_failed");
  EXPECT_EQ(bad.requests.size(), 3u);
}

TEST_F(RelayTest, EnginesOwnErrorGoesThroughBodyAndAll) {
  StubEngine errors(*loop, [](auto x) { x->respond(500, {}, "\x01\x02 not json"); });
  open({model("m")});
  up(errors);
  auto call = send(chat());
  finish(call);
  EXPECT_EQ(call->status, 500);
  EXPECT_EQ(call->body, "\x01\x02 not json");
  EXPECT_EQ(gateway->traffic("m")->engine_errors, 1);
}

TEST_F(RelayTest, EngineThatSpeaksNoHttpIs502AndTheNextRequestIsServed) {
  RawServer garbage(*loop, "SSH-2.0-OpenSSH_9.2\r\n\0\xff\r\n\r\n");
  open({model("m")});
  for (std::uint64_t id = 1; id <= 3; ++id) {
    gateway->replica_up("m", {.replica = ReplicaId(id), .max_requests = 1}, garbage.address);
  }
  auto call = send(chat());
  finish(call);
  EXPECT_EQ(call->status, 502);
  StubEngine good(*loop, [](auto x) { StubEngine::answer_json(*x); });
  up(good, 4);
  auto next = send(chat());
  finish(next);
  EXPECT_EQ(next->status, 200);
}

TEST_F(RelayTest, AfterTheFirstByteNothingIsTriedAgain) {
  StubEngine bad(*loop), other(*loop);
  open({model("m")});
  up(bad, 1);
  auto call = stream();
  until([&] { return bad.requests.size() == 1; });
  up(other, 2);
  net::Exchange& x = *bad.requests[0]->exchange;
  StubEngine::start_stream(x);
  x.write(StubEngine::chunk("a") + "data: {\"cho");
  until([&] { return !call->body.empty(); });
  x.abort();
  finish(call);
  EXPECT_THAT(call->body, HasSubstr("\n\ndata: {\"error\":{"));
  EXPECT_THAT(call->body, HasSubstr("upstream_lost"));
  EXPECT_THAT(call->body, Not(HasSubstr("[DONE]")));
  EXPECT_TRUE(other.requests.empty());
  EXPECT_EQ(ended(Outcome::kUpstreamLost), 1);
}

TEST_F(RelayTest, StreamThatEndsWithoutDoneIsLost) {
  StubEngine engine(*loop, [](auto x) {
    StubEngine::start_stream(*x);
    x->write(StubEngine::chunk("a"));
    x->finish();
  });
  open({model("m")});
  up(engine);
  auto call = stream();
  finish(call);
  EXPECT_THAT(call->body, HasSubstr("upstream_lost"));
  EXPECT_EQ(ended(Outcome::kUpstreamLost), 1);
}

TEST_F(RelayTest, WholeAnswerThatBreaksOffIsSeenAsBroken) {
  StubEngine engine(*loop);
  open({model("m")});
  up(engine);
  auto call = send(chat());
  until([&] { return engine.requests.size() == 1; });
  net::Headers headers;
  headers.add("Content-Length", "1000");
  engine.requests[0]->exchange->start(200, headers);
  engine.requests[0]->exchange->write("{\"half\":");
  until([&] { return !call->body.empty(); });
  engine.requests[0]->exchange->abort();
  finish(call);
  EXPECT_TRUE(call->broken);
}

TEST_F(RelayTest, WaitingStreamIsToldItsPlaceAndThenGetsItsAnswer) {
  open({model("m")});
  auto first = stream(), second = stream();
  auto whole = send(chat());
  until([&] { return first->body.size() > 40 && second->body.size() > 40; });
  EXPECT_EQ(first->status, 200);
  EXPECT_THAT(first->body, StartsWith(": queued position=0\n\n: queued position=0\n\n"));
  EXPECT_THAT(second->body, HasSubstr(": queued position=1\n\n"));
  EXPECT_EQ(whole->status, 0) << "a whole answer waits for its own status";
  StubEngine engine(*loop, [](auto x) {
    if (x->request().body.find("stream") == std::string::npos) return StubEngine::answer_json(*x);
    StubEngine::start_stream(*x);
    x->write(StubEngine::chunk("a") + StubEngine::kDone);
    x->finish();
  });
  up(engine);
  for (auto& call : {first, second, whole}) finish(call);
  std::string answer = StubEngine::chunk("a") + StubEngine::kDone;
  EXPECT_EQ(first->body.substr(first->body.size() - answer.size()), answer);
  EXPECT_EQ(whole->status, 200);
}

TEST_F(RelayTest, FailureAfterAnEarly200IsAnEventInTheStream) {
  struct Row {
    const char* label;
    StubEngine::Script script;  ///< null: its deadline passes
    const char* says;
  };
  const Row rows[] = {
      {"the deadline", nullptr, "queue_timeout"},
      {"the engine's own error",
       [](auto x) { x->respond(400, {}, "{\"error\":{\"message\":\"too\nlong\"}}"); },
       "data: {\"error\":{\"message\":\"too long\"}}\n\n"},
      {"no engine answers", [](auto x) { x->abort(); }, "upstream_failed"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.label);
    open({model("m")});
    net::Headers headers;
    headers.add("x-tidegate-deadline", row.script ? "100" : "0.2");
    auto call = send(chat("m", R"(,"stream":true)"), headers);
    until([&] { return call->status == 200; });
    StubEngine engine(*loop, row.script);
    if (row.script) {
      for (std::uint64_t id = 1; id <= 3; ++id) up(engine, id);
    }
    finish(call);
    EXPECT_TRUE(call->ended);
    EXPECT_THAT(call->body, HasSubstr(row.says));
    EXPECT_THAT(call->body, Not(HasSubstr("[DONE]")));
    gateway.reset();
  }
}

TEST_F(RelayTest, ReplicaThatGoesDownHandsOverWhatItHadNotBegun) {
  StubEngine hung(*loop), other(*loop, [](auto x) { StubEngine::answer_json(*x); });
  open({model("m")});
  up(hung, 1);
  auto waits = send(chat());
  auto streams = stream();
  until([&] { return hung.requests.size() == 2; });
  net::Exchange& x = hung.requests[0]->exchange->request().body.find("stream") == std::string::npos
                         ? *hung.requests[1]->exchange
                         : *hung.requests[0]->exchange;
  StubEngine::start_stream(x);
  x.write(StubEngine::chunk("a"));
  until([&] { return !streams->body.empty(); });
  up(other, 2);
  gateway->replica_down("m", ReplicaId(1));
  finish(waits);
  EXPECT_EQ(waits->status, 200);
  EXPECT_EQ(waits->headers.get("x-tidegate-replica"), "2");
  finish(streams);  // its socket says nothing: ended after its grace
  EXPECT_THAT(streams->body, HasSubstr("upstream_lost"));
}

TEST_F(RelayTest, AStreamThatIsLostLeavesNoCallBehind) {
  StubEngine hung(*loop);
  open({model("m")});
  up(hung);
  auto streams = stream();
  until([&] { return hung.requests.size() == 1; });
  net::Exchange& x = *hung.requests[0]->exchange;
  StubEngine::start_stream(x);
  x.write(StubEngine::chunk("a"));
  until([&] { return !streams->body.empty(); });
  gateway->replica_down("m", ReplicaId(1));
  finish(streams);
  EXPECT_THAT(streams->body, HasSubstr("upstream_lost"));
  until([&] { return hung.requests[0]->aborted; });
  EXPECT_EQ(demand().dispatched_requests, 0);
}

TEST_F(RelayTest, AStreamThatStillSpeaksMayEndOnAReplicaThatIsDown) {
  StubEngine engine(*loop);
  open({model("m")});
  up(engine);
  auto streams = stream();
  until([&] { return engine.requests.size() == 1; });
  net::Exchange& x = *engine.requests[0]->exchange;
  StubEngine::start_stream(x);
  x.write(StubEngine::chunk("a"));
  until([&] { return !streams->body.empty(); });
  gateway->replica_down("m", ReplicaId(1));
  for (int i = 0; i < 20; ++i) {  // four times the grace
    x.write(StubEngine::chunk("b"));
    loop->run_for(millis(4));
  }
  ASSERT_FALSE(streams->over());
  x.write(StubEngine::kDone);
  x.finish();
  finish(streams);
  EXPECT_THAT(streams->body, Not(HasSubstr("upstream_lost")));
  EXPECT_EQ(demand().dispatched_requests, 0);
}

TEST_F(RelayTest, WhatIsPlacedAgainHearsNothingOfItsFirstReplica) {
  StubEngine engine(*loop);
  open({model("m")});
  up(engine);
  auto call = stream();
  until([&] { return engine.requests.size() == 1; });
  gateway->replica_down("m", ReplicaId(1));
  until([&] { return engine.requests[0]->aborted; });
  EXPECT_EQ(demand().queued_requests, 1);
  up(engine);
  until([&] { return engine.requests.size() == 2; });
  EXPECT_EQ(engine.bodies[1], engine.bodies[0]);
  net::Exchange& x = *engine.requests[1]->exchange;
  StubEngine::start_stream(x);
  x.write(StubEngine::chunk("again"));
  x.write(StubEngine::kDone);
  x.finish();
  finish(call);
  EXPECT_THAT(call->body, HasSubstr("again"));
  EXPECT_EQ(demand().dispatched_requests, 0);
  EXPECT_EQ(demand().finished_total, 1);
}

TEST_F(RelayTest, DrainedIsSaidWhenTheLastAnswerIsThrough) {
  StubEngine engine(*loop);
  open({model("m")});
  std::vector<std::uint64_t> drained;
  gateway->on_drained([&](const std::string&, ReplicaId id) { drained.push_back(id.value()); });
  up(engine);
  auto call = send(chat());
  until([&] { return engine.requests.size() == 1; });
  gateway->replica_draining("m", ReplicaId(1));
  auto later = send(chat());
  until([&] { return demand().queued_requests == 1; });
  EXPECT_TRUE(drained.empty());
  StubEngine::answer_json(*engine.requests[0]->exchange);
  until([&] { return !drained.empty(); });
  EXPECT_EQ(drained, std::vector<std::uint64_t>{1});
  client.cancel(later->id);
}

TEST_F(RelayTest, SlowReaderHoldsTheEngineBackAndLosesNothing) {
  const std::string piece(64 << 10, 'x');
  StubEngine engine(*loop);
  open({model("m")});
  up(engine);
  auto call = send(chat());
  until([&] { return engine.requests.size() == 1; });
  client.pause(call->id);
  net::Exchange& x = *engine.requests[0]->exchange;
  x.start(200, {});
  // Written as the engine's socket takes it; the gateway must stop taking at some point.
  std::size_t written = 0;
  bool blocked = false;
  std::function<void()> pump = [&] {
    blocked = false;
    while (written < 512 && !blocked) {
      ++written;
      blocked = !x.write(piece);
    }
    if (written == 512) x.finish();
  };
  x.on_writable(pump);
  pump();
  loop->run_for(millis(50));
  EXPECT_LT(written, 512u) << "32 MB vanished into buffers";
  client.resume(call->id);
  finish(call);
  EXPECT_EQ(call->body.size(), 512 * piece.size());
}

}  // namespace
}  // namespace tidegate::live
