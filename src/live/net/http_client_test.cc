#include "live/net/http_client.h"

#include "live/net/http_client_core.h"
#include "live/net/http_server.h"
#include "live/net/test_socket.h"

namespace tidegate::net {
namespace {

/// What a call's handler was told, in order.
struct Seen {
  int status = 0;
  std::string body;
  int ends = 0;
  std::vector<ClientError> errors;
  bool over() const { return ends + static_cast<int>(errors.size()) > 0; }
};

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClient::CallId call(const Address& to, Seen& seen, ClientRequest request = {}) {
    request.address = to;
    return client->send(std::move(request), handler(seen));
  }
  static ClientHandler handler(Seen& seen) {
    return {.on_head = [&](int status, const Headers&) { seen.status = status; },
            .on_data = [&](std::string_view bytes) { seen.body.append(bytes); },
            .on_end = [&] { ++seen.ends; },
            .on_error = [&](const ClientError& error) { seen.errors.push_back(error); }};
  }
  bool wait(const std::function<bool()>& done) { return loop->run_until(done, kTestPatience); }

  std::unique_ptr<Loop> loop = Loop::create().value();
  std::unique_ptr<HttpClient> client = std::make_unique<HttpClient>(*loop);
};

struct Row {
  const char* label;
  std::string response;
  int status;
  std::string body;
  bool reusable = true;
  const char* method = "GET";
};

TEST_F(HttpClientTest, ReadsEveryFramingAtEverySplit) {
  const Row rows[] = {
      {"Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},
      {"an empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""},
      {"chunks with a trailer",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nA: "
       "b\r\n\r\n",
       200, "hello"},
      {"until the connection ends", "HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", false},
      {"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false},
      {"Connection: close", "HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
       503, "no", false},
      {"1xx heads are skipped",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
       200, "ok"},
      {"204 has no body", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
      {"304 has no body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, ""},
      {"HEAD has no body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "", true, "HEAD"},
      {"no reason phrase", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
  };
  for (const Row& row : rows) {
    for (std::size_t split = 0; split < row.response.size(); ++split) {
      SCOPED_TRACE(std::string(row.label) + ", split at " + std::to_string(split));
      RawServer server(*loop);
      Seen seen;
      call(server.address, seen, {.method = row.method});
      RawSocket& peer = server.nth(0);
      peer.send(row.response.substr(0, split));
      loop->run_for(Duration(0));
      peer.send(row.response.substr(split));
      if (!row.reusable) peer.half_close();
      ASSERT_TRUE(wait([&] { return seen.over(); }));
      EXPECT_EQ(seen.ends, 1);
      EXPECT_EQ(seen.status, row.status);
      EXPECT_EQ(seen.body, row.body);
      peer.in.clear();
      Seen again;
      call(server.address, again);
      server.nth(row.reusable ? 0 : 1).send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!");
      ASSERT_TRUE(wait([&] { return again.over(); }));
      EXPECT_EQ(again.body, "!");
      EXPECT_EQ(server.accepted.size(), row.reusable ? 1u : 2u);
    }
  }
}

TEST_F(HttpClientTest, SendsWhatItWasGiven) {
  RawServer server(*loop);
  ClientRequest request{.method = "POST", .path = "/v1?x=1"};
  request.headers.add("X-A", "b");
  request.headers.add("Content-Length", "99");
  request.headers.add("Transfer-Encoding", "chunked");
  request.headers.add("X-Bad", "a\r\nX-Injected: 1");
  request.shared_body = std::make_shared<const std::string>(3'000'000, 'z');
  Seen seen;
  call(server.address, seen, request);
  RawSocket& peer = server.nth(0);
  ASSERT_TRUE(peer.wait([&] { return peer.in.size() > 3'000'000; }));
  EXPECT_TRUE(peer.in.starts_with("POST /v1?x=1 HTTP/1.1\r\nHost: " + server.address.text() +
                                  "\r\nX-A: b\r\nContent-Length: 3000000\r\n\r\nzzz"))
      << peer.in.substr(0, 200);
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(wait([&] { return seen.ends == 1; }));
}

TEST_F(HttpClientTest, RefusesRequestsThatCannotBeWritten) {
  for (const char* path : {"", "no-slash", "/a b", "/a\r\nX: y"}) {
    SCOPED_TRACE(path);
    Seen seen;
    call({"127.0.0.1", 9}, seen, {.path = path});
    EXPECT_FALSE(seen.over()) << "never from inside send()";
    ASSERT_TRUE(wait([&] { return seen.over(); }));
    EXPECT_EQ(seen.errors.at(0).kind, ClientErrorKind::kProtocol);
  }
}

TEST_F(HttpClientTest, BrokenResponsesAreErrorsOfTheirKind) {
  const struct {
    const char* label;
    std::string response;
    ClientErrorKind kind;
    bool after_head;
  } rows[] = {
      {"nothing at all", "", ClientErrorKind::kReset, false},
      {"half a head", "HTTP/1.1 200 OK\r\nContent-", ClientErrorKind::kReset, false},
      {"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", ClientErrorKind::kReset,
       true},
      {"chunks without their end",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", ClientErrorKind::kReset,
       true},
      {"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", ClientErrorKind::kProtocol, false},
      {"bare LFs", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", ClientErrorKind::kProtocol, false},
      {"both lengths", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
       ClientErrorKind::kProtocol, false},
      {"a bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
       ClientErrorKind::kProtocol, true},
      {"an upgrade", "HTTP/1.1 101 Switching Protocols\r\n\r\n", ClientErrorKind::kProtocol, false},
      {"a head without end",
       "HTTP/1.1 200 OK\r\nA: " + std::string(http1::ClientConnection::kMaxHeadBytes, 'a'),
       ClientErrorKind::kProtocol, false},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.label);
    RawServer server(*loop);
    Seen seen;
    call(server.address, seen);
    RawSocket& peer = server.nth(0);
    peer.send(row.response);
    peer.half_close();
    ASSERT_TRUE(wait([&] { return seen.over(); }));
    ASSERT_EQ(seen.errors.size(), 1u);
    EXPECT_EQ(seen.errors[0].kind, row.kind) << seen.errors[0].message;
    EXPECT_EQ(seen.errors[0].after_head, row.after_head);
    EXPECT_EQ(client->open_calls(), 0u);
  }
}

TEST_F(HttpClientTest, AResponseOverItsLimitIsAnError) {
  for (std::size_t limit : {5u, 4u}) {
    RawServer server(*loop);
    Seen seen;
    call(server.address, seen, {.max_response_bytes = limit});
    server.nth(0).send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    ASSERT_TRUE(wait([&] { return seen.over(); }));
    EXPECT_EQ(seen.ends, limit == 5 ? 1 : 0);
    if (limit == 4) {
      EXPECT_EQ(seen.errors.at(0).kind, ClientErrorKind::kProtocol);
    }
  }
}

TEST_F(HttpClientTest, RefusedAndUnknownAddressesAreConnectErrors) {
  Address gone;
  {
    RawServer server(*loop);
    gone = server.address;
  }
  for (const Address& address :
       {gone, Address{"localhost", gone.port}, Address{"no-such-host.invalid", 80}}) {
    SCOPED_TRACE(address.text());
    Seen seen;
    call(address, seen);
    EXPECT_FALSE(seen.over());
    ASSERT_TRUE(wait([&] { return seen.over(); }));
    ASSERT_EQ(seen.errors.size(), 1u);
    EXPECT_EQ(seen.errors[0].kind, ClientErrorKind::kConnect) << seen.errors[0].message;
  }
}

TEST_F(HttpClientTest, AStaleConnectionIsRetriedOnceAndAFreshOneIsNot) {
  RawServer server(*loop);
  Seen first;
  call(server.address, first);
  server.nth(0).send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(wait([&] { return first.ends == 1; }));
  // The server takes the second request on the kept connection and closes without a byte.
  server.accepted[0]->in.clear();
  Seen second;
  call(server.address, second, {.method = "POST", .body = "data"});
  server.nth(0, "data").close();
  server.nth(1, "data").send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_TRUE(wait([&] { return second.over(); }));
  EXPECT_EQ(second.body, "ok");
  EXPECT_EQ(second.errors.size(), 0u);
  // Twice in a row is the server's own doing.
  server.accepted[1]->in.clear();
  Seen third;
  call(server.address, third);
  server.nth(1).close();
  server.nth(2).close();
  ASSERT_TRUE(wait([&] { return third.over(); }));
  EXPECT_EQ(third.errors.at(0).kind, ClientErrorKind::kReset);
  EXPECT_EQ(server.accepted.size(), 3u);
}

TEST_F(HttpClientTest, AnIdleConnectionThatTheServerClosesLeavesThePool) {
  RawServer server(*loop);
  Seen first;
  call(server.address, first);
  server.nth(0).send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(wait([&] { return first.ends == 1; }));
  server.accepted[0]->close();
  loop->run_for(Duration(0));
  Seen second;
  call(server.address, second);
  server.nth(1).send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(wait([&] { return second.ends == 1; }));
}

TEST_F(HttpClientTest, AnEarlyAnswerToABodyUnderWayIsSeen) {
  RawServer server(*loop);
  Seen seen;
  call(server.address, seen, {.method = "POST", .body = std::string(64 << 20, 'x')});
  RawSocket& peer = server.nth(0);
  peer.stop_reading();
  peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
  ASSERT_TRUE(wait([&] { return seen.over(); }));
  EXPECT_EQ(seen.status, 413);
  EXPECT_EQ(seen.body, "big");
  peer.start_reading();
  EXPECT_TRUE(peer.wait_end()) << "a half-sent request is no place for the next one";
}

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
