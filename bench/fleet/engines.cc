// bench_engines: ten thousand engines that say the same: one server on every address of 127/8.
//
//   bench_engines PAGE_FILE     # prints its port, serves until it is killed
//
// GET /metrics answers the file's bytes, /health 200; each line on its standard input is answered
// with how many pages it gave. Nothing is computed: what a scrape costs here
// is not looked at, only what it costs who scrapes.

#include <sys/epoll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "live/net/http_server.h"

int main(int argc, char** argv) {
  using namespace tidegate;
  std::ifstream file(argc == 2 ? argv[1] : "");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  if (page.empty()) {
    std::fputs("usage: bench_engines PAGE_FILE\n", stderr);
    return 2;
  }
  auto loop = net::Loop::create().value();
  net::Headers headers;
  headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  long pages = 0;
  net::HttpServer server(*loop, {}, [&](const net::ExchangePtr& x) {
    const bool metrics = x->request().path == "/metrics";
    pages += metrics ? 1 : 0;
    x->respond(200, headers, metrics ? page : "");
  });
  auto bound = server.listen({"0.0.0.0", 0});
  if (!bound) {
    std::fprintf(stderr, "%s\n", bound.error().message.c_str());
    return 1;
  }
  auto watched = loop->watch(STDIN_FILENO, EPOLLIN, [&](std::uint32_t) {
    char line[64];
    if (::read(STDIN_FILENO, line, sizeof line) <= 0) std::exit(0);
    std::printf("%ld\n", pages);
    std::fflush(stdout);
  });
  if (!watched) return 1;
  std::printf("%d\n", bound->port);
  std::fflush(stdout);
  loop->run();
}
