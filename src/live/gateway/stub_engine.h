#pragma once
// Engines and clients for the gateway's tests: everything in one process, on one loop, on free
// ports.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "live/gateway/gateway.h"
#include "live/net/http_client.h"
#include "live/net/http_server.h"

namespace tidegate::live {

/// An engine that keeps every request until the test answers it, or answers at once by `script`.
class StubEngine {
 public:
  using Script = std::function<void(net::ExchangePtr)>;
  explicit StubEngine(net::Loop& loop, Script script = nullptr)
      : script_(std::move(script)), server_(loop, {}, [this](net::ExchangePtr x) { take(x); }) {
    address = server_.listen({"127.0.0.1", 0}).value();
  }
  struct Held {
    net::ExchangePtr exchange;
    bool aborted = false;
  };
  net::Address address;
  std::vector<std::shared_ptr<Held>> requests;
  std::vector<std::string> bodies;

  static void answer_json(net::Exchange& x, const std::string& text = "hi") {
    net::Headers headers;
    headers.add("Content-Type", "application/json");
    x.respond(200, headers,
              R"({"choices":[{"message":{"content":")" + text +
                  R"("}}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}})");
  }
  static void start_stream(net::Exchange& x) {
    net::Headers headers;
    headers.add("Content-Type", "text/event-stream; charset=utf-8");
    x.start(200, headers);
  }
  static std::string chunk(const std::string& text) {
    return R"(data: {"choices":[{"index":0,"delta":{"content":")" + text + "\"}}]}\n\n";
  }
  static constexpr const char* kDone = "data: [DONE]\n\n";

 private:
  void take(const net::ExchangePtr& x) {
    auto held = std::make_shared<Held>();
    held->exchange = x;
    x->on_closed([held] { held->aborted = true; });
    requests.push_back(held);
    bodies.push_back(x->request().body);
    if (script_) script_(x);
  }
  Script script_;
  net::HttpServer server_;
};

/// One client call and all that came back.
struct StubCall {
  int status = 0;
  net::Headers headers;
  std::string body;
  std::vector<std::string> pieces;
  bool ended = false, broken = false;
  bool over() const { return ended || broken; }
  net::HttpClient::CallId id = net::HttpClient::CallId::kNone;
};

class StubWorld : public testing::Test {
 protected:
  static constexpr Duration kLimit = seconds(10);  ///< of a wait; a test that needs it has failed

  static GatewayOptions quick() {
    GatewayOptions options;
    options.quiet_wait = millis(20);
    options.keep_alive_every = millis(10);
    options.lost_grace = millis(20);
    return options;
  }
  static spec::Model model(const std::string& name) {
    spec::Model m;
    m.name = name;
    m.served_names = {name};
    return m;
  }
  void open(std::vector<spec::Model> models, GatewayOptions options = quick()) {
    gateway = std::make_unique<Gateway>(*loop, upstream, clock, options);
    gateway->set_models(std::move(models));
    address = gateway->listen({"127.0.0.1", 0}).value();
  }
  void up(const StubEngine& engine, std::uint64_t id = 1, std::int64_t room = 4,
          const std::string& model = "m") {
    gateway->replica_up(model, {.replica = ReplicaId(id), .max_requests = room}, engine.address);
  }
  static std::string chat(const std::string& model = "m", const std::string& more = "") {
    return R"({"model":")" + model + R"(","messages":[{"role":"user","content":"hello"}])" + more +
           "}";
  }
  std::shared_ptr<StubCall> send(const std::string& body, net::Headers headers = {},
                                 const std::string& path = "/v1/chat/completions",
                                 const std::string& method = "POST") {
    auto call = std::make_shared<StubCall>();
    call->id = client.send({.address = address,
                            .method = method,
                            .path = path,
                            .headers = std::move(headers),
                            .body = body},
                           {.on_head =
                                [call](int status, const net::Headers& h) {
                                  call->status = status;
                                  call->headers = h;
                                },
                            .on_data =
                                [call](std::string_view bytes) {
                                  call->body += bytes;
                                  call->pieces.emplace_back(bytes);
                                },
                            .on_end = [call] { call->ended = true; },
                            .on_error = [call](const net::ClientError&) { call->broken = true; }});
    return call;
  }
  std::shared_ptr<StubCall> stream(const std::string& model = "m") {
    return send(chat(model, R"(,"stream":true)"));
  }
  void until(const std::function<bool()>& done) { ASSERT_TRUE(loop->run_until(done, kLimit)); }
  void finish(const std::shared_ptr<StubCall>& call) {
    until([&] { return call->over(); });
  }
  signal::Demand demand() const { return gateway->demand("m"); }
  std::int64_t ended(route::Outcome outcome, const std::string& model = "m") const {
    return gateway->traffic(model)->by_outcome[static_cast<std::size_t>(outcome)];
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  net::WorldClock clock;
  net::HttpClient upstream{*loop};
  net::HttpClient client{*loop};
  std::unique_ptr<Gateway> gateway;
  net::Address address;
};

}  // namespace tidegate::live
