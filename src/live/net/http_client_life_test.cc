// Time-outs, cancel, pause, the pool, and objects that end in their own callbacks.
#include "live/net/http_client.h"
#include "live/net/http_server.h"
#include "live/net/test_http_client.h"

namespace tidegate::net {
namespace {

TEST_F(HttpClientTest, TimeoutsHaveTheirKind) {
  RawServer server(*loop);
  Seen no_head;
  Seen half;
  call(server.address, no_head, {.first_byte_timeout = millis(20)});
  server.nth(0);
  call(server.address, half, {.first_byte_timeout = seconds(60), .idle_timeout = millis(20)});
  server.nth(1).send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
  ASSERT_TRUE(wait([&] { return no_head.over() && half.over(); }));
  EXPECT_EQ(no_head.errors.at(0).kind, ClientErrorKind::kTimeout);
  EXPECT_FALSE(no_head.errors[0].after_head);
  EXPECT_EQ(half.errors.at(0).kind, ClientErrorKind::kTimeout);
  EXPECT_TRUE(half.errors[0].after_head);
}

TEST_F(HttpClientTest, CancelClosesAndSilences) {
  RawServer server(*loop);
  Seen seen;
  auto id = call(server.address, seen);
  client->cancel(id);  // while connecting
  auto second = call(server.address, seen);
  ASSERT_TRUE(
      wait([&] { return !server.accepted.empty() && !server.accepted.back()->in.empty(); }));
  RawSocket& peer = *server.accepted.back();
  client->cancel(second);  // while waiting
  EXPECT_TRUE(peer.wait_end());
  client->cancel(second);  // again: nothing
  EXPECT_FALSE(seen.over());
  EXPECT_EQ(client->open_calls(), 0u);
}

TEST_F(HttpClientTest, PauseHoldsTheBytesAndResumeBringsThem) {
  constexpr std::size_t kTotal = 4 << 20;
  for (bool then_close : {false, true}) {
    SCOPED_TRACE(then_close);
    RawServer server(*loop);
    Seen seen;
    HttpClient::CallId id = HttpClient::CallId::kNone;
    ClientHandler handler = HttpClientTest::handler(seen);
    handler.on_data = [&](std::string_view bytes) {
      seen.body.append(bytes);
      client->pause(id);  // after every piece
    };
    id = client->send({.address = server.address, .idle_timeout = seconds(60)}, handler);
    RawSocket& peer = server.nth(0);
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n" +
              std::string(kTotal, 'x') + "\r\n0\r\n\r\n");
    if (then_close) peer.half_close();
    std::size_t last = 0;
    while (!seen.over()) {
      ASSERT_TRUE(wait([&] { return seen.over() || seen.body.size() > last; }));
      last = seen.body.size();
      loop->run_for(Duration(0));
      EXPECT_EQ(seen.body.size(), last) << "nothing comes while paused";
      client->resume(id);
    }
    EXPECT_EQ(seen.ends, 1);
    EXPECT_EQ(seen.body.size(), kTotal);
  }
}

TEST_F(HttpClientTest, AResetWhilePausedIsToldOnResume) {
  RawServer server(*loop);
  Seen seen;
  auto id = call(server.address, seen);
  server.nth(0).send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh");
  ASSERT_TRUE(wait([&] { return seen.body == "h"; }));
  client->pause(id);
  server.accepted[0]->reset();
  loop->run_for(Duration(0));
  EXPECT_FALSE(seen.over());
  client->resume(id);
  ASSERT_TRUE(wait([&] { return seen.over(); }));
  EXPECT_EQ(seen.errors.at(0).kind, ClientErrorKind::kReset);
}

TEST_F(HttpClientTest, TheClientMayEndInEachCallback) {
  for (std::string where : {"head", "data", "end", "error"}) {
    SCOPED_TRACE(where);
    RawServer server(*loop);
    client = std::make_unique<HttpClient>(*loop);
    Seen other;
    call(server.address, other);
    server.nth(0);
    int called = 0;
    auto die = [&](const std::string& here) {
      ++called;
      if (here == where) client.reset();
    };
    client->send({.address = server.address},
                 {.on_head = [&](int, const Headers&) { die("head"); },
                  .on_data = [&](std::string_view) { die("data"); },
                  .on_end = [&] { die("end"); },
                  .on_error = [&](const ClientError&) { die("error"); }});
    RawSocket& peer = server.nth(1);
    if (where != "error") peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody");
    peer.half_close();
    ASSERT_TRUE(wait([&] { return client == nullptr; }));
    int at_death = called;
    loop->run_for(Duration(0));
    EXPECT_EQ(called, at_death) << "silence afterwards";
    EXPECT_FALSE(other.over());
  }
}

TEST_F(HttpClientTest, TheNextCallFromOnEndFindsTheConnection) {
  RawServer server(*loop);
  Seen seen;
  Seen next;
  ClientHandler handler = HttpClientTest::handler(seen);
  handler.on_end = [&] { call(server.address, next); };
  client->send({.address = server.address}, handler);
  server.nth(0).send("HTTP/1.1 204 No Content\r\n\r\n");
  server.accepted[0]->in.clear();
  server.nth(0).send("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(wait([&] { return next.ends == 1; }));
  EXPECT_EQ(server.accepted.size(), 1u);
}

TEST_F(HttpClientTest, ThePoolIsBoundedAndIdleConnectionsExpire) {
  RawServer server(*loop);
  client = std::make_unique<HttpClient>(
      *loop, HttpClient::Options{.max_idle_per_address = 2, .idle_timeout = millis(20)});
  Seen seen[3];
  for (Seen& one : seen) call(server.address, one);
  server.nth(2);
  for (auto& peer : server.accepted) peer->send("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(wait([&] { return seen[0].ends + seen[1].ends + seen[2].ends == 3; }));
  auto ended = [&] {
    int count = 0;
    for (auto& peer : server.accepted) count += peer->ended;
    return count;
  };
  EXPECT_TRUE(wait([&] { return ended() >= 1; })) << "the one over the bound";
  EXPECT_TRUE(wait([&] { return ended() == 3; })) << "the others after their time-out";
}

TEST_F(HttpClientTest, AThousandConcurrentExchanges) {
  std::vector<ExchangePtr> held;
  HttpServer server(*loop, {}, [&](ExchangePtr x) { held.push_back(std::move(x)); });
  Address address = server.listen({"127.0.0.1", 0}).value();
  constexpr int kCalls = 1000;
  std::vector<Seen> seen(kCalls);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kCalls; ++i) {
      seen[i] = {};
      call(address, seen[i], {.method = "POST", .body = std::to_string(i)});
    }
    ASSERT_TRUE(wait([&] { return held.size() == kCalls; }));
    EXPECT_EQ(server.open_exchanges(), static_cast<std::size_t>(kCalls));
    for (auto& x : held) {
      x->start(200, {});
      x->write("<" + x->request().body);
      x->write(">");
      x->finish();
    }
    held.clear();
    ASSERT_TRUE(wait([&] { return client->open_calls() == 0; }));
    for (int i = 0; i < kCalls; ++i) EXPECT_EQ(seen[i].body, "<" + std::to_string(i) + ">");
    EXPECT_TRUE(wait([&] { return server.connections() == 256; })) << "the pool keeps 256";
  }
}

TEST_F(HttpClientTest, FetchBlockingHasATimeout) {
  RawServer server(*loop);  // accepts in the kernel, never answers
  auto slow = fetch_blocking({.address = server.address}, millis(20));
  ASSERT_FALSE(slow);
  EXPECT_NE(slow.error().message.find("within 20 ms"), std::string::npos);
  server.close();
  auto refused = fetch_blocking({.address = server.address}, seconds(20));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("cannot connect to 127.0.0.1:"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::net
