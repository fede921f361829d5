#include "live/net/http_client.h"

#include "live/net/http_client_core.h"
#include "live/net/test_http_client.h"

namespace tidegate::net {
namespace {

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

}  // namespace
}  // namespace tidegate::net
