#include <gtest/gtest.h>

#include "live/gateway/gateway.h"
#include "live/gateway/stub_engine.h"
#include "live/net/test_tls_socket.h"
#include "live/net/tls/test_authority.h"
#include "live/net/tls/tls_server.h"

namespace tidegate::live {
namespace {

class GatewayTlsTest : public StubWorld {
 protected:
  void open_tls() {
    open({model("m")});
    net::TestAuthority ca("ca", net::WorldClock::wall_now());
    auto tls = net::TlsServer::create({.pair = ca.issue({.common_name = "gateway"})}).value();
    address = gateway->listen({"127.0.0.1", 0}, std::move(tls)).value();
  }
  std::string request(const std::string& body) const {
    return "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
           "Content-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  }
};

TEST_F(GatewayTlsTest, AStreamIsPassedOnPieceByPieceOverTls) {
  StubEngine engine(*loop);
  open_tls();
  up(engine);
  net::TlsSocket client(*loop, address);
  ASSERT_TRUE(client.wait_open());
  client.send(request(chat("m", R"(,"stream":true)")));
  ASSERT_TRUE(client.wait([&] { return engine.requests.size() == 1; }));
  net::Exchange& x = *engine.requests[0]->exchange;
  StubEngine::start_stream(x);
  for (const char* piece : {"one", "two", "three"}) {
    x.write(StubEngine::chunk(piece));
    EXPECT_TRUE(client.wait_for(piece)) << "before the next is written: nothing is held back";
  }
  x.write(StubEngine::kDone);
  x.finish();
  EXPECT_TRUE(client.wait_for("0\r\n\r\n"));
  EXPECT_EQ(engine.bodies.size(), 1u);
}

TEST_F(GatewayTlsTest, AClientThatLeavesAStreamIsSeen) {
  StubEngine engine(*loop);
  open_tls();
  up(engine);
  net::TlsSocket client(*loop, address);
  ASSERT_TRUE(client.wait_open());
  client.send(request(chat("m", R"(,"stream":true)")));
  ASSERT_TRUE(client.wait([&] { return engine.requests.size() == 1; }));
  client.raw.close();
  until([&] { return gateway->open_requests() == 0; });
}

}  // namespace
}  // namespace tidegate::live
