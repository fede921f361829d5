// Clients that leave or stop reading, aborts, drain, and objects that end in their own callbacks.
#include "live/net/http_server.h"
#include "live/net/test_http_server.h"

namespace tidegate::net {
namespace {

using HttpServerLifeTest = HttpServerFixture;

TEST_F(HttpServerLifeTest, AClientThatLeavesIsNoticedInEveryPhase) {
  serve_held();
  enum How { kClose, kReset, kHalf };
  for (How how : {kClose, kReset, kHalf}) {
    for (int phase = 0; phase < 3; ++phase) {
      SCOPED_TRACE("way " + std::to_string(how) + ", phase " + std::to_string(phase));
      left = 0;
      // Pipelined bytes before the end must not hide it.
      auto client = open_one("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /next");
      ExchangePtr x = held.back();
      if (phase >= 1) x->start(200, {});
      if (phase >= 2) {
        x->write("data: 1\n\n");
        ASSERT_TRUE(client->wait_for("data: 1"));
      }
      EXPECT_FALSE(x->closed());
      if (how == kClose) client->close();
      if (how == kReset) client->reset();
      if (how == kHalf) client->half_close();
      ASSERT_TRUE(wait([&] { return left == 1; }));
      EXPECT_TRUE(x->closed());
      x->write("into the void");
      x->finish();
      x->respond(200, {}, "late");
      loop->run_for(Duration(0));
      EXPECT_EQ(left, 1) << "told once";
      EXPECT_EQ(server->open_exchanges(), 0u);
    }
  }
}

TEST_F(HttpServerLifeTest, ToldOfAnEndThatCameBeforeAsking) {
  serve([this](ExchangePtr x) { held.push_back(std::move(x)); });
  auto client = open_one();
  client->close();
  ASSERT_TRUE(wait([&] { return held[0]->closed(); }));
  held[0]->on_closed([this] { ++left; });
  EXPECT_EQ(left, 0) << "never from inside the call";
  EXPECT_TRUE(wait([&] { return left == 1; }));
}

TEST_F(HttpServerLifeTest, BackPressureStopsTheWriterAndLosesNothing) {
  limits.high_water_bytes = 64 << 10;
  serve_held();
  RawSocket client(*loop, address, 4096);
  client.stop_reading();
  client.send("GET / HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(wait([&] { return held.size() == 1; }));
  ExchangePtr x = held[0];
  constexpr std::size_t kTotal = 8 << 20;
  std::size_t written = 0;
  int pauses = 0;
  std::function<void()> produce = [&] {
    while (written < kTotal) {
      std::string block(10'000, static_cast<char>('a' + written / 10'000 % 26));
      bool room = x->write(block);
      written += block.size();
      if (!room) {
        ++pauses;
        return;
      }
    }
    x->finish();
  };
  x->start(200, {});
  x->on_writable(produce);
  produce();
  EXPECT_LT(written, kTotal) << "the socket cannot have taken it all";
  client.start_reading();
  ASSERT_TRUE(client.wait_end());
  EXPECT_GT(pauses, 1);
  std::string_view body(client.in);
  body.remove_prefix(body.find("\r\n\r\n") + 4);
  ASSERT_EQ(body.size(), written);
  bool same = true;
  for (std::size_t i = 0; i < body.size(); ++i)
    same &= body[i] == 'a' + static_cast<int>(i / 10'000 % 26);
  EXPECT_TRUE(same);
}

TEST_F(HttpServerLifeTest, AClientThatTakesNothingIsDropped) {
  limits.write_timeout = millis(30);
  serve_held();
  auto client = open_one();
  client->stop_reading();
  held[0]->start(200, {});
  while (held[0]->write(std::string(1 << 20, 'x'))) {
  }
  EXPECT_TRUE(wait([&] { return left == 1; }));
}

TEST_F(HttpServerLifeTest, AbortLeavesAnIncompleteBody) {
  serve_held();
  for (const char* version : {"1.1", "1.0"}) {
    SCOPED_TRACE(version);
    auto client = open_one("GET / HTTP/" + std::string(version) + "\r\nHost: x\r\n\r\n");
    held.back()->start(200, {});
    held.back()->write("part");
    if (std::string(version) == "1.0") {
      ASSERT_TRUE(client->wait_for("part"));  // a reset may overtake what is not read yet
    }
    held.back()->abort();
    ASSERT_TRUE(client->wait_end());
    EXPECT_NE(client->in.find("part"), std::string::npos) << "what was written went out";
    EXPECT_EQ(client->in.find("0\r\n\r\n"), std::string::npos);
    // Where the end of the connection ends the body, only a reset says that it is not whole.
    EXPECT_EQ(client->was_reset, std::string(version) == "1.0");
  }
  EXPECT_EQ(left, 0) << "the client did not leave";
}

TEST_F(HttpServerLifeTest, APromisedLengthIsKeptOrTheConnectionBreaks) {
  Headers headers;
  headers.add("Content-Length", "4");
  serve_held();
  for (const char* body : {"abc", "abcde"}) {
    SCOPED_TRACE(body);
    auto client = open_one();
    held.back()->start(200, headers);
    held.back()->write(body);
    held.back()->finish();
    ASSERT_TRUE(client->wait_end());
    EXPECT_EQ(client->in.find("abcd"), std::string::npos);
  }
}

TEST_F(HttpServerLifeTest, AnExchangeThatIsDroppedIsStillAnswered) {
  serve([](ExchangePtr) {});
  RawSocket client(*loop, address);
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.wait_for("HTTP/1.1 500"));
}

TEST_F(HttpServerLifeTest, DrainFinishesWhatIsOpenAndClosesWhatIsIdle) {
  serve_held();
  auto busy = open_one();
  auto done = open_one();
  held[1]->respond(200, {}, "one");
  ASSERT_TRUE(done->wait_for("one"));
  server->drain();
  EXPECT_TRUE(done->wait_end());
  RawSocket late(*loop, address);
  EXPECT_TRUE(late.wait_end());
  EXPECT_EQ(late.in, "");
  held[0]->respond(200, {}, "two");
  EXPECT_TRUE(busy->wait_end());
  EXPECT_NE(busy->in.find("Connection: close\r\n"), std::string::npos);
  EXPECT_NE(busy->in.find("two"), std::string::npos);
}

TEST_F(HttpServerLifeTest, ObjectsMayEndInTheirOwnCallbacks) {
  // The server inside its handler.
  serve([this](ExchangePtr x) {
    held.push_back(x);
    server.reset();
    x->respond(200, {}, "late");
  });
  RawSocket first(*loop, address);
  first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(first.wait_end());
  EXPECT_TRUE(held[0]->closed());
  EXPECT_EQ(held.size(), 1u);
  held.clear();
  // The last pointer to an exchange inside its own callbacks.
  serve([this](ExchangePtr x) {
    x->start(200, {});
    auto keep = std::make_shared<ExchangePtr>(x);
    x->on_closed([keep, this] { keep->reset(), ++left; });
    x->on_writable([keep] { keep->reset(); });
    while (x->write(std::string(1 << 20, 'x'))) {
    }
  });
  RawSocket reader(*loop, address);
  reader.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(reader.wait_end()) << "on_writable dropped the exchange, which broke it off";
  RawSocket leaver(*loop, address);
  leaver.stop_reading();
  leaver.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(wait([&] { return server->open_exchanges() == 1; }));
  leaver.close();
  EXPECT_TRUE(wait([&] { return left == 1; }));
}

}  // namespace
}  // namespace tidegate::net
