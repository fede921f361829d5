#pragma once
// For tests: an HttpClient on a loop, and what one call's handler was told.

#include <memory>
#include <string>
#include <vector>

#include "live/net/http_client.h"
#include "live/net/test_socket.h"

namespace tidegate::net {

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

}  // namespace tidegate::net
