#include "core/base/rng.h"
#include "live/net/clock.h"
#include "live/net/test_http_server.h"
#include "live/net/test_tls_socket.h"
#include "live/net/tls/test_authority.h"
#include "live/net/tls/tls_server.h"

namespace tidegate::net {
namespace {

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

class HttpServerTls : public HttpServerFixture {
 protected:
  HttpServerTls() : ca("ca", WorldClock::wall_now()) {}
  void serve_tls(HttpServer::Handler handler) {
    options.pair = ca.issue({.common_name = "server"});
    server = std::make_unique<HttpServer>(*loop, limits, std::move(handler));
    address = server->listen({"127.0.0.1", 0}, TlsServer::create(options).value()).value();
  }
  void serve_echo() {
    serve_tls([this](const ExchangePtr& x) {
      ++handled;
      x->respond(200, {}, "<" + x->request().path + x->request().body + ">");
    });
  }
  bool serves() {
    TlsSocket client(*loop, address);
    if (!client.wait_open()) return false;
    client.send(kGet);
    return client.wait_for("</a>");
  }

  TestAuthority ca;
  TlsOptions options;
};

TEST_F(HttpServerTls, AnswersRequestsOneAfterAnotherOnOneConnection) {
  serve_echo();
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsSocket client(*loop, address, {.least = version, .most = version});
    ASSERT_TRUE(client.wait_open());
    client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(client.wait_for("</1>"));
    EXPECT_TRUE(client.wait_for("</2>"));
    client.send(
        "POST /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody");
    EXPECT_TRUE(client.wait_for("</3body>"));
    EXPECT_TRUE(client.wait_end());
    EXPECT_TRUE(client.client.ended) << "the end is said, so that nobody can cut it short";
  }
}

TEST_F(HttpServerTls, StreamsWithBackPressureAndLosesNothing) {
  limits.high_water_bytes = 64 << 10;
  std::size_t written = 0, paused = 0;
  const std::size_t total = 4 << 20;
  serve_tls([&](const ExchangePtr& x) {
    x->start(200, {});
    auto more = std::make_shared<std::function<void()>>();
    *more = [&, x, weak = std::weak_ptr(more)] {
      while (written < total) {
        written += 1000;
        if (x->write(std::string(1000, static_cast<char>('a' + written / 1000 % 26)))) continue;
        ++paused;
        return x->on_writable([again = weak.lock()] { (*again)(); });
      }
      x->finish();
    };
    (*more)();
  });
  TlsSocket client(*loop, address, {}, 16 << 10);
  ASSERT_TRUE(client.wait_open());
  client.send(kGet);
  EXPECT_TRUE(client.wait_for("\r\n0\r\n\r\n"));
  EXPECT_GT(paused, 0u);
  std::size_t letters = 0;
  for (char c : client.client.in.substr(client.client.in.find("\r\n\r\n") + 4)) {
    letters += c >= 'a' && c <= 'z' ? 1 : 0;
  }
  // Chunk lines of 1000 are "3e8": one letter each.
  EXPECT_EQ(letters, written + written / 1000);
}

TEST_F(HttpServerTls, HandsTheClientsCertificateToTheHandler) {
  options.ask = AskClient::kForCertificate;
  std::vector<CertificateChain> seen;
  serve_tls([&](const ExchangePtr& x) {
    seen.push_back(x->client_certificates());
    x->respond(200, {}, "done");
  });
  KeyPair pair = ca.issue({.common_name = "anna"});
  TlsSocket with(*loop, address, {.pair = pair});
  ASSERT_TRUE(with.wait_open());
  with.send(kGet);
  ASSERT_TRUE(with.wait_for("done"));
  TlsSocket without(*loop, address);
  ASSERT_TRUE(without.wait_open());
  without.send(kGet);
  ASSERT_TRUE(without.wait_for("done"));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0], chain_of(pair.certificate_pem));
  EXPECT_TRUE(seen[1].empty());
}

TEST_F(HttpServerTls, AHandshakeThatDoesNotEndIsEnded) {
  options.handshake_timeout = millis(50);
  limits.idle_timeout = seconds(3600);
  serve_echo();
  RawSocket silent(*loop, address);
  RawSocket half(*loop, address);
  std::string hello = TestTlsClient().take();
  half.send(std::string_view(hello).substr(0, hello.size() / 2));
  RawSocket stalled(*loop, address);  // takes the server's flight and says no more
  stalled.send(hello);
  EXPECT_TRUE(silent.wait_end());
  EXPECT_TRUE(half.wait_end());
  EXPECT_TRUE(stalled.wait_end());
  EXPECT_TRUE(wait([&] { return server->connections() == 0; }));
  EXPECT_EQ(handled, 0);
}

TEST_F(HttpServerTls, AfterTheHandshakeTheTimesOfHttpCount) {
  limits.head_timeout = millis(50);
  serve_echo();
  TlsSocket slow(*loop, address);
  ASSERT_TRUE(slow.wait_open());
  slow.send("GET /a HT");
  EXPECT_TRUE(slow.wait_for("408"));
  EXPECT_TRUE(slow.wait_end());
}

TEST_F(HttpServerTls, WhoSpeaksPlainHttpIsToldSo) {
  serve_echo();
  RawSocket plain(*loop, address);
  plain.send(kGet);
  EXPECT_TRUE(plain.wait_for("this port speaks TLS"));
  EXPECT_TRUE(plain.wait_end());
  EXPECT_EQ(handled, 0);
}

TEST_F(HttpServerTls, AClientThatEndsInTheMiddleIsGone) {
  serve_tls([this](const ExchangePtr& x) {
    x->on_closed([this] { ++left; });
    held.push_back(x);
  });
  TlsSocket client(*loop, address);
  ASSERT_TRUE(client.wait_open());
  client.send(kGet);
  ASSERT_TRUE(client.wait([&] { return held.size() == 1; }));
  client.client.end();
  client.push();
  client.raw.close();
  EXPECT_TRUE(wait([&] { return left == 1; }));
  held[0]->respond(200, {}, "to nobody");
  EXPECT_TRUE(wait([&] { return server->connections() == 0; }));
}

TEST_F(HttpServerTls, RenegotiationEndsTheConnectionWithoutARequest) {
  serve_echo();
  TlsSocket client(*loop, address, {.least = TLS1_2_VERSION, .most = TLS1_2_VERSION});
  ASSERT_TRUE(client.wait_open());
  ASSERT_EQ(SSL_renegotiate(client.client.ssl()), 1);
  SSL_do_handshake(client.client.ssl());
  EXPECT_TRUE(client.wait([&] { return client.client.failed; }));
  EXPECT_EQ(client.client.error, "no renegotiation");
  EXPECT_EQ(handled, 0);
}

TEST_F(HttpServerTls, GarbageAtAnyMomentLeavesTheServerServing) {
  serve_echo();
  Rng chance(11, "garbage");
  for (int round = 0; round < 60; ++round) {
    std::string bytes;
    for (std::uint64_t n = 1 + chance.below(3000); n > 0; --n) {
      bytes.push_back(static_cast<char>(chance.below(256)));
    }
    if (round % 3 == 0) {  // instead of a hello
      RawSocket raw(*loop, address);
      raw.send("\x16\x03\x01" + bytes);
      raw.half_close();
      EXPECT_TRUE(raw.wait_end());
    } else {  // after the handshake, and in the middle of a request
      TlsSocket client(*loop, address);
      ASSERT_TRUE(client.wait_open());
      if (round % 3 == 1)
        client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbod");
      client.raw.send("\x17\x03\x03\x01" + bytes);  // a record of 256 bytes and more
      client.raw.half_close();
      EXPECT_TRUE(client.wait_end());
    }
  }
  EXPECT_EQ(handled, 0);
  EXPECT_TRUE(serves());
}

TEST_F(HttpServerTls, ADrainEndsWhoIsIdleOrShakingHandsAndServesWhoIsNot) {
  serve_tls([this](const ExchangePtr& x) { held.push_back(x); });
  TlsSocket busy(*loop, address), idle(*loop, address);
  RawSocket shaking(*loop, address);
  ASSERT_TRUE(busy.wait_open());
  ASSERT_TRUE(idle.wait_open());
  busy.send(kGet);
  ASSERT_TRUE(busy.wait([&] { return held.size() == 1 && server->connections() == 3; }));
  server->drain();
  EXPECT_TRUE(idle.wait_end());
  EXPECT_TRUE(shaking.wait_end());
  held[0]->respond(200, {}, "the last");
  EXPECT_TRUE(busy.wait_for("the last"));
  EXPECT_TRUE(busy.wait_end());
}

}  // namespace
}  // namespace tidegate::net
