// stub_engine: what tests start as an engine. Serves the routes an actuator uses and misbehaves on
// request.
//
//   stub_engine --port 8000 [--delay-ms 50] [--exit 3] [--never-ready] [--ignore-term] [--worker]
//               [--say LINE]
//
// GET /health (503 until the delay is over, or after POST /sicken), GET /env?name=X, GET /calls
// (the POSTs so far), POST /crash, /sicken, /sleep, /wake_up, /collective_rpc, /reset_prefix_cache,
// GET /is_sleeping. After POST /deaf it neither sleeps nor wakes. Ends by itself after two minutes,
// so that a test that dies leaves nothing for long.

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "live/net/http_server.h"
#include "live/net/loop.h"

using namespace tidegate;

namespace {

struct Told {
  std::uint16_t port = 0;
  Duration delay{0};
  bool never_ready = false;
};

/// A process of the group that outlives SIGTERM and the leader, as a stuck worker does.
void start_worker() {
  if (::fork() != 0) return;
  ::signal(SIGTERM, SIG_IGN);
  ::alarm(120);
  while (true) ::pause();
}

Told parse(int argc, char** argv) {
  Told told;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "0";
    if (word == "--port") told.port = static_cast<std::uint16_t>(std::atoi(value));
    if (word == "--delay-ms") told.delay = millis(std::atoi(value));
    if (word == "--exit") ::_exit(std::atoi(value));
    if (word == "--never-ready") told.never_ready = true;
    if (word == "--ignore-term") ::signal(SIGTERM, SIG_IGN);
    if (word == "--worker") start_worker();
    if (word == "--say") std::fprintf(stderr, "%s\n", value);
  }
  return told;
}

}  // namespace

int main(int argc, char** argv) {
  ::alarm(120);
  Told told = parse(argc, argv);
  auto loop = net::Loop::create().value();
  bool healthy = false, asleep = false, deaf = false;
  std::string calls;
  if (!told.never_ready) loop->after(told.delay, [&] { healthy = true; });
  net::HttpServer server(*loop, net::Limits{}, [&](net::ExchangePtr x) {
    const net::Request& request = x->request();
    if (request.method == "POST") calls += request.target + " " + request.body + "\n";
    if (request.path == "/crash") ::_exit(3);
    if (request.path == "/sicken") healthy = false;
    if (request.path == "/deaf") deaf = true;
    if (deaf && (request.path == "/sleep" || request.path == "/wake_up")) {
      return x->respond(500, {}, "");
    }
    if (request.path == "/sleep") asleep = true;
    if (request.path == "/wake_up") asleep = false;
    if (request.path == "/health") return x->respond(healthy ? 200 : 503, {}, "");
    if (request.path == "/is_sleeping") {
      return x->respond(200, {}, asleep ? R"({"is_sleeping":true})" : R"({"is_sleeping":false})");
    }
    if (request.path == "/calls") return x->respond(200, {}, calls);
    if (request.path == "/env") {
      const char* value = std::getenv(net::query_value(request.query, "name").c_str());
      return x->respond(200, {}, value == nullptr ? "(unset)" : value);
    }
    x->respond(request.method == "POST" ? 200 : 404, {}, "");
  });
  if (!server.listen({"127.0.0.1", told.port})) return 1;
  loop->run();
}
