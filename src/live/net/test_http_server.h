#pragma once
// For tests: an HttpServer on a loop whose exchanges are answered with a length, or held.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "live/net/http_server.h"
#include "live/net/test_socket.h"

namespace tidegate::net {

class HttpServerFixture : public ::testing::Test {
 protected:
  void serve(HttpServer::Handler handler) {
    server = std::make_unique<HttpServer>(*loop, limits, std::move(handler));
    address = server->listen({"127.0.0.1", 0}).value();
  }
  void serve_length() {
    serve([this](ExchangePtr x) {
      ++handled;
      x->respond(200, {}, "<" + std::to_string(x->request().body.size()) + ">");
    });
  }
  void serve_held() {
    serve([this](ExchangePtr x) {
      x->on_closed([this] { ++left; });
      held.push_back(std::move(x));
    });
  }
  bool wait(const std::function<bool()>& done) { return loop->run_until(done, kTestPatience); }
  /// One exchange under way from a new client.
  std::unique_ptr<RawSocket> open_one(
      std::string_view request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n") {
    auto client = std::make_unique<RawSocket>(*loop, address);
    std::size_t before = held.size();
    client->send(request);
    EXPECT_TRUE(wait([&] { return held.size() == before + 1; }));
    return client;
  }

  std::unique_ptr<Loop> loop = Loop::create().value();
  Limits limits;
  std::unique_ptr<HttpServer> server;
  Address address;
  int handled = 0;
  int left = 0;
  std::vector<ExchangePtr> held;
};

}  // namespace tidegate::net
