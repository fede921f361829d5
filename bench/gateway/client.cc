// bench_client: the load before every proxy that is compared. Prints one line of JSON.
//
//   bench_client PORT json RATE SECONDS     # small requests, RATE a second, open loop
//   bench_client PORT long RATE SECONDS     # prompts of 400 KB, about 100,000 tokens
//   bench_client PORT sse STREAMS SECONDS   # that many streams open all the time
//
// Latency counts from when a request was due, in wall seconds, not from when the client came round
// to it. At most kMaxOpen are open; more wait for their turn and their latency shows it.

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "live/net/clock.h"
#include "live/net/http_client.h"

namespace {

using namespace tidegate;

constexpr std::size_t kMaxOpen = 256;
constexpr std::size_t kLongBytes = 400'000;
constexpr std::string_view kEvent = "data: {";

std::string chat(std::string_view prompt, bool stream) {
  std::string body = R"({"model":"m","messages":[{"role":"user","content":")";
  body.append(prompt).append(R"("}],"max_tokens":16)");
  return body.append(stream ? R"(,"stream":true})" : "}");
}

std::string long_prompt() {
  std::string text;
  for (int i = 0; text.size() < kLongBytes; ++i) text += "word" + std::to_string(i % 977) + " ";
  return text;
}

Duration wall_seconds(double seconds) { return nanos(static_cast<std::int64_t>(seconds * 1e9)); }

class Load {
 public:
  Load(net::Loop& loop, std::uint16_t port, std::string body)
      : loop_(loop), client_(loop), to_{"127.0.0.1", port} {
    body_ = std::make_shared<const std::string>(std::move(body));
    headers_.add("Content-Type", "application/json");
  }

  /// `rate` requests a second until `end`, each at its time.
  void open_loop(double rate, Instant end) {
    gap_ = wall_seconds(1 / rate);
    end_ = end;
    next_ = loop_.now();
    send_due();
  }
  /// `streams` at a time until `end`.
  void closed_loop(int streams, Instant end) {
    end_ = end;
    closed_ = true;
    for (int i = 0; i < streams; ++i) send(loop_.now());
  }
  bool idle() const { return open_ == 0 && (closed_ || next_ >= end_); }

  void print(double seconds) {
    std::sort(latencies_.begin(), latencies_.end());
    auto quantile = [&](double q) {
      if (latencies_.empty()) return 0.0;
      return latencies_[static_cast<std::size_t>(q * static_cast<double>(latencies_.size() - 1))];
    };
    std::printf(R"({"requests": %zu, "failed": %lld, "events": %lld, "seconds": %.3f, )"
                R"("p50": %.6f, "p99": %.6f})"
                "\n",
                latencies_.size(), static_cast<long long>(failed_), static_cast<long long>(events_),
                seconds, quantile(0.5), quantile(0.99));
  }

 private:
  void send_due() {
    Instant now = net::WorldClock::mono_now();
    while (next_ <= now && next_ < end_ && open_ < kMaxOpen) {
      send(next_);
      next_ += gap_;
    }
    if (next_ < end_ && open_ < kMaxOpen) {
      loop_.at(next_, [this] { send_due(); });
    } else {
      stalled_ = next_ < end_;
    }
  }

  void send(Instant due) {
    ++open_;
    auto good = std::make_shared<bool>(false);
    client_.send({.address = to_,
                  .method = "POST",
                  .path = "/v1/chat/completions",
                  .headers = headers_,
                  .shared_body = body_},
                 {.on_head = [good](int status, const net::Headers&) { *good = status == 200; },
                  .on_data = [this](std::string_view bytes) { count_events(bytes); },
                  .on_end = [this, good, due] { ended(due, *good); },
                  .on_error = [this, due](const net::ClientError&) { ended(due, false); }});
  }

  /// An event that is split between two reads is not counted: one in thousands.
  void count_events(std::string_view bytes) {
    if (!closed_) return;
    for (std::size_t at = bytes.find(kEvent); at != bytes.npos; at = bytes.find(kEvent, at + 1)) {
      ++events_;
    }
  }

  void ended(Instant due, bool good) {
    --open_;
    Instant now = net::WorldClock::mono_now();
    if (good) {
      latencies_.push_back(to_seconds(now - due));
    } else {
      ++failed_;
    }
    if (closed_ && now < end_) return send(now);
    if (stalled_) {
      stalled_ = false;
      send_due();
    }
  }

  net::Loop& loop_;
  net::HttpClient client_;
  net::Address to_;
  net::Headers headers_;
  std::shared_ptr<const std::string> body_;
  Duration gap_{0};
  Instant end_;
  Instant next_;
  bool closed_ = false;
  bool stalled_ = false;  // too many are open: the next one is sent when one ends
  std::size_t open_ = 0;
  std::int64_t failed_ = 0;
  std::int64_t events_ = 0;
  std::vector<double> latencies_;
};

double number(const char* text) {
  double value = 0;
  std::from_chars(text, text + std::strlen(text), value);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view mode = argc == 5 ? argv[2] : "";
  if ((mode != "json" && mode != "long" && mode != "sse") || number(argv[3]) < 1 ||
      number(argv[4]) <= 0) {
    std::fputs("usage: bench_client PORT json|long|sse RATE_OR_STREAMS SECONDS\n", stderr);
    return 2;
  }
  auto loop = net::Loop::create().value();
  auto port = static_cast<std::uint16_t>(number(argv[1]));
  bool sse = mode == "sse";
  Load load(*loop, port, chat(mode == "long" ? long_prompt() : "hello, how are you today?", sse));
  const Duration wall = wall_seconds(number(argv[4]));
  const Instant begin = net::WorldClock::mono_now();
  if (sse) {
    load.closed_loop(static_cast<int>(number(argv[3])), begin + wall);
  } else {
    load.open_loop(number(argv[3]), begin + wall);
  }
  if (!loop->run_until([&] { return load.idle(); }, wall + seconds(20))) {
    std::fputs("bench_client: answers are still missing 20 s after the end\n", stderr);
    return 1;
  }
  load.print(to_seconds(net::WorldClock::mono_now() - begin));
}
