#pragma once
// For tests: a TLS client on a socket of the loop under test.

#include <memory>
#include <string>
#include <string_view>

#include "live/net/test_socket.h"
#include "live/net/tls/test_tls_client.h"

namespace tidegate::net {

class TlsSocket {
 public:
  TlsSocket(Loop& loop, const Address& to, const TestTlsWish& wish = {}, int receive_buffer = 0)
      : client(wish), raw(loop, to, receive_buffer) {
    push();
  }
  void send(std::string_view bytes) {
    client.send(bytes);
    push();
  }
  /// Whatever came is read and answered before `done` is asked.
  bool wait(const std::function<bool()>& done) {
    return raw.wait([&] {
      push();
      return done();
    });
  }
  bool wait_open() {
    return wait([&] { return client.open() || client.failed || raw.ended; }) && client.open();
  }
  bool wait_for(std::string_view text) {
    return wait([&] { return client.in.find(text) != std::string::npos; });
  }
  bool wait_end() {
    return wait([&] { return raw.ended; });
  }

  /// Reads what has come and sends what there is to say.
  void push() {
    if (!raw.in.empty()) client.receive(std::exchange(raw.in, {}));
    std::string out = client.take();
    if (!out.empty()) raw.send(out);
  }

  TestTlsClient client;
  RawSocket raw;
};

}  // namespace tidegate::net
