#pragma once
// For tests: one emulated engine in this process, a hundred times as fast as the world, and a
// client beside it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "live/emulator/emulator.h"
#include "live/net/http_client.h"

namespace tidegate::live {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr Duration kPatience = seconds(20);  // never waited for when the code is right

class EmulatorTest : public ::testing::Test {
 protected:
  void boot() {
    options.listen.port = 0;
    engine = std::make_unique<Emulator>(*loop, options, [this](int code) { exit_code = code; });
    auto started = engine->start();
    ASSERT_TRUE(started) << started.error().message;
    ASSERT_TRUE(wait([&] { return engine->ready(); }));
  }
  bool wait(const std::function<bool()>& done) { return loop->run_until(done, kPatience); }

  /// One call as its client sees it.
  struct Call {
    int status = 0;
    std::string body;
    bool ended = false, failed = false;
    net::HttpClient::CallId id{};
    bool over() const { return ended || failed; }
  };
  using CallPtr = std::shared_ptr<Call>;
  CallPtr send(const std::string& method, const std::string& path, const std::string& body = {},
               const net::Headers& headers = {}) {
    auto call = std::make_shared<Call>();
    call->id =
        client->send({.address = engine->address(),
                      .method = method,
                      .path = path,
                      .headers = headers,
                      .body = body},
                     {.on_head = [call](int status, const net::Headers&) { call->status = status; },
                      .on_data = [call](std::string_view bytes) { call->body += bytes; },
                      .on_end = [call] { call->ended = true; },
                      .on_error = [call](const net::ClientError&) { call->failed = true; }});
    return call;
  }
  CallPtr call(const std::string& method, const std::string& path, const std::string& body = {}) {
    CallPtr done = send(method, path, body);
    EXPECT_TRUE(wait([&] { return done->over(); })) << path;
    return done;
  }
  CallPtr chat(const std::string& more) {
    return send("POST", "/v1/chat/completions",
                R"({"messages":[{"role":"user","content":"hello there"}])" + more + "}");
  }
  /// The value of a series on the page; the name is all up to the blank.
  double metric(const std::string& series) {
    std::string page = "\n" + call("GET", "/metrics")->body;
    std::size_t at = page.find("\n" + series + " ");
    EXPECT_NE(at, page.npos) << series;
    return at == page.npos ? -1 : std::stod(page.substr(at + series.size() + 2));
  }
  double gauge(const std::string& name) {
    return metric("vllm:" + name + R"({engine="0",model_name="reference"})");
  }
  /// The data of each event, [DONE] as null.
  static std::vector<json> events(const std::string& stream) {
    std::vector<json> out;
    for (std::size_t at = 0; at < stream.size();) {
      std::size_t end = stream.find("\n\n", at);
      std::string line = stream.substr(at, end - at);
      EXPECT_EQ(line.substr(0, 6), "data: ");
      out.push_back(line == "data: [DONE]" ? json() : json::parse(line.substr(6)));
      at = end + 2;
    }
    return out;
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  EmulatorOptions options{.time_scale = 100};
  std::unique_ptr<net::HttpClient> client = std::make_unique<net::HttpClient>(*loop);
  std::unique_ptr<Emulator> engine;
  int exit_code = -1;
};

}  // namespace tidegate::live
