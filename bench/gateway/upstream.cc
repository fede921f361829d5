// bench_upstream: what stands behind every proxy that is compared: a server that answers at once.
//
//   bench_upstream CHUNKS PERIOD_MS     # prints its port, serves 127.0.0.1 until it is killed
//
// A POST whose body asks for "stream":true gets CHUNKS server-sent events, one each PERIOD_MS of
// wall time, each a chunk of its own; any other POST a small JSON answer. /health says 200, the
// rest 404: there is no metrics page, so nothing of it is measured.

#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "live/net/http_server.h"

namespace {

using namespace tidegate;

constexpr std::string_view kAnswer =
    R"({"id":"chatcmpl-1","choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":9,)"
    R"("completion_tokens":2,"total_tokens":11}})";
constexpr std::string_view kChunk =
    R"(data: {"id":"chatcmpl-123456","object":"chat.completion.chunk","created":1767323045,)"
    R"("model":"m","choices":[{"index":0,"delta":{"content":" hello"},"finish_reason":null}]})"
    "\n\n";
/// Where a client states it, at the end of the body: long prompts are not searched.
constexpr std::size_t kStreamFlagWithin = 64;

struct Stream : std::enable_shared_from_this<Stream> {
  net::Loop& loop;
  net::ExchangePtr exchange;
  int left;
  Duration period;

  Stream(net::Loop& on, net::ExchangePtr with, int chunks, Duration each)
      : loop(on), exchange(std::move(with)), left(chunks), period(each) {}

  void next() {
    if (exchange->closed()) return;
    exchange->write(kChunk);
    if (--left > 0) {
      loop.after(period, [self = shared_from_this()] { self->next(); });
      return;
    }
    exchange->write("data: [DONE]\n\n");
    exchange->finish();
  }
};

int number(const char* text) {
  int value = 0;
  std::from_chars(text, text + std::strlen(text), value);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || number(argv[1]) < 1 || number(argv[2]) < 1) {
    std::fputs("usage: bench_upstream CHUNKS PERIOD_MS\n", stderr);
    return 2;
  }
  const int chunks = number(argv[1]);
  const int period_ms = number(argv[2]);
  auto loop = net::Loop::create().value();
  int phase = 0;  // of the next stream: they must not all speak in the same millisecond
  net::HttpServer server(*loop, {}, [&](const net::ExchangePtr& x) {
    net::Headers headers;
    if (x->request().method != "POST") {
      return x->respond(x->request().path == "/health" ? 200 : 404, headers, "");
    }
    std::string_view body = x->request().body;
    body.remove_prefix(body.size() - std::min(body.size(), kStreamFlagWithin));
    if (body.find("\"stream\":true") == body.npos) {
      headers.add("Content-Type", "application/json");
      return x->respond(200, headers, kAnswer);
    }
    headers.add("Content-Type", "text/event-stream");
    x->start(200, headers);
    auto stream = std::make_shared<Stream>(*loop, x, chunks, millis(period_ms));
    phase = (phase + 7) % period_ms;
    loop->after(millis(phase), [stream] { stream->next(); });
  });
  auto bound = server.listen({"127.0.0.1", 0});
  if (!bound) {
    std::fprintf(stderr, "%s\n", bound.error().message.c_str());
    return 1;
  }
  std::printf("%d\n", bound->port);
  std::fflush(stdout);
  loop->run();
}
