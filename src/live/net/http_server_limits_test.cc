// Every limit at and one past it; clients that stall or flood.
#include <fcntl.h>
#include <sys/resource.h>

#include "live/net/http_server.h"
#include "live/net/http_server_core.h"
#include "live/net/test_http_server.h"

namespace tidegate::net {
namespace {

using HttpServerLimitsTest = HttpServerFixture;

std::string chunked_request(std::size_t body) {
  std::string out = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  http1::ChunkLine room;
  for (std::size_t done = 0; done < body;) {
    std::size_t n = std::min<std::size_t>(body - done, 1000);
    out.append(http1::chunk_size_line(n, room)).append(std::string(n, 'x')).append("\r\n");
    done += n;
  }
  return out + "0\r\n\r\n";
}

std::string plain_request(std::size_t body) {
  return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body) + "\r\n\r\n" +
         std::string(body, 'x');
}

std::string head_of(std::size_t bytes) {
  std::string head = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
  return head + std::string(bytes - head.size() - 4, 'a') + "\r\n\r\n";
}

std::string with_headers(int count) {
  std::string out = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 1; i < count; ++i) out += "A: b\r\n";
  return out + "\r\n";
}

TEST_F(HttpServerLimitsTest, EachLimitHoldsAtItAndOnePast) {
  limits.max_head_bytes = 2000;
  limits.max_headers = 10;
  limits.max_body_bytes = 5000;
  serve_length();
  struct {
    const char* label;
    std::string request;
    const char* expect;
  } rows[] = {
      {"a head of the largest size", head_of(2000), "HTTP/1.1 200"},
      {"a head one byte larger", head_of(2001), "HTTP/1.1 431"},
      {"a head that never ends", std::string("GET /") + std::string(3000, 'a'), "HTTP/1.1 431"},
      {"as many headers as allowed", with_headers(10), "HTTP/1.1 200"},
      {"one header more", with_headers(11), "HTTP/1.1 431"},
      {"a body of the largest size", plain_request(5000), "<5000>"},
      {"a body one byte larger", plain_request(5001), "HTTP/1.1 413"},
      {"a chunked body of the largest size", chunked_request(5000), "<5000>"},
      {"a chunked body one byte larger", chunked_request(5001), "HTTP/1.1 413"},
      {"chunk extensions of the largest size",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
           std::string(http1::ChunkReader::kMaxLineBytes, 'e') + "\r\nx\r\n0\r\n\r\n",
       "<1>"},
      {"chunk extensions one byte larger",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
           std::string(http1::ChunkReader::kMaxLineBytes + 1, 'e') + "\r\nx\r\n0\r\n\r\n",
       "HTTP/1.1 400"},
      {"trailers of the largest size",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" +
           std::string(http1::ChunkReader::kMaxTrailerBytes, 't') + "\r\n\r\n",
       "<0>"},
      {"trailers one byte larger",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" +
           std::string(http1::ChunkReader::kMaxTrailerBytes + 1, 't') + "\r\n\r\n",
       "HTTP/1.1 400"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.label);
    RawSocket client(*loop, address);
    client.send(row.request);
    EXPECT_TRUE(client.wait_for(row.expect)) << client.in.substr(0, 200);
    EXPECT_EQ(client.in.find("HTTP/1.1", 1), std::string::npos);
  }
}

TEST_F(HttpServerLimitsTest, AHundredMegabytesAreRefusedAndTheClientSeesIt) {
  serve_length();
  const std::string piece(1 << 20, 'x');
  for (bool chunked : {false, true}) {
    SCOPED_TRACE(chunked ? "mid-way in a chunked body" : "from the Content-Length");
    RawSocket client(*loop, address);
    client.send(chunked
                    ? "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6400000\r\n"
                    : "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n");
    // The client that reads only after it has sent all is the one a reset would rob of its answer.
    client.stop_reading();
    for (int i = 0; i < 100; ++i) {
      client.send(piece);
      ASSERT_TRUE(wait([&] { return client.sent_all(); }));
    }
    client.start_reading();
    ASSERT_TRUE(client.wait_end());
    EXPECT_FALSE(client.was_reset);
    EXPECT_TRUE(client.in.starts_with("HTTP/1.1 413 ")) << client.in;
  }
  EXPECT_EQ(handled, 0);
}

TEST_F(HttpServerLimitsTest, BodiesBeingReadAreBoundedTogether) {
  limits.max_buffered_bytes = 1000;
  serve_length();
  RawSocket first(*loop, address);
  first.send(plain_request(900).substr(0, plain_request(900).size() - 1));  // 899 bytes held
  loop->run_for(Duration(0));
  RawSocket second(*loop, address);
  second.send(plain_request(101));
  EXPECT_TRUE(second.wait_for("<101>")) << "899 + 101 is the limit";
  RawSocket third(*loop, address);
  third.send(plain_request(102));
  EXPECT_TRUE(third.wait_for("HTTP/1.1 503"));
  first.send("x");
  EXPECT_TRUE(first.wait_for("<900>"));
  RawSocket fourth(*loop, address);
  fourth.send(plain_request(1000));
  EXPECT_TRUE(fourth.wait_for("<1000>")) << "answered bodies no longer count";
}

TEST_F(HttpServerLimitsTest, ConnectionsOverTheLimitAreClosed) {
  limits.max_connections = 2;
  serve_held();
  auto first = open_one();
  auto second = open_one();
  RawSocket third(*loop, address);
  EXPECT_TRUE(third.wait_end());
  EXPECT_EQ(server->connections(), 2u);
  first->close();
  EXPECT_TRUE(wait([&] { return server->connections() == 1; }));
  open_one();
  EXPECT_EQ(server->open_exchanges(), 2u);
}

TEST_F(HttpServerLimitsTest, TimeoutsEndWhatStalls) {
  limits.head_timeout = limits.body_timeout = limits.idle_timeout = millis(30);
  serve_length();
  RawSocket silent(*loop, address);
  RawSocket slow_head(*loop, address);
  slow_head.send("GET / HTTP/1.1\r\nHo");
  RawSocket slow_body(*loop, address);
  slow_body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  RawSocket keep_alive(*loop, address);
  keep_alive.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  for (RawSocket* client : {&silent, &slow_head, &slow_body, &keep_alive}) {
    EXPECT_TRUE(client->wait_end());
  }
  EXPECT_EQ(silent.in, "");
  EXPECT_TRUE(slow_head.in.starts_with("HTTP/1.1 408 ")) << slow_head.in;
  EXPECT_TRUE(slow_body.in.starts_with("HTTP/1.1 408 ")) << slow_body.in;
  EXPECT_TRUE(keep_alive.in.starts_with("HTTP/1.1 200 ")) << keep_alive.in;
}

TEST_F(HttpServerLimitsTest, AHeadThatDribblesInDoesNotMoveItsTimeout) {
  limits.head_timeout = millis(60);
  serve_length();
  RawSocket client(*loop, address);
  // A byte every 5 ms would keep a time-out between bytes from ever firing.
  std::function<void()> dribble = [&] {
    client.send("a");
    loop->after(millis(5), dribble);
  };
  client.send("GET /");
  dribble();
  EXPECT_TRUE(client.wait_end());
  EXPECT_TRUE(client.in.starts_with("HTTP/1.1 408 ")) << client.in;
}

TEST_F(HttpServerLimitsTest, OutOfDescriptorsPausesAccepting) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer's own checks open pipes";
#endif
  serve_length();
  RawSocket client(*loop, address);
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  int next = ::fcntl(0, F_DUPFD_CLOEXEC, 0);  // the lowest free descriptor
  ASSERT_GE(next, 0);
  ::close(next);
  rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  loop->run_for(millis(5));
  EXPECT_EQ(server->connections(), 0u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(client.wait_for("<0>")) << "it waited and was served";
}

TEST_F(HttpServerLimitsTest, APortInUseIsAClearError) {
  serve_length();
  HttpServer second(*loop, limits, [](ExchangePtr) {});
  auto refused = second.listen(address);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "cannot listen on " + address.text() +
                ": address already in use; stop who listens there, or take another port");
}

}  // namespace
}  // namespace tidegate::net
