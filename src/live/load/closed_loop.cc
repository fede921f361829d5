#include "live/load/closed_loop.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "format/openai_sse.h"
#include "live/load/load.h"
#include "live/net/clock.h"
#include "live/net/deadline.h"
#include "live/net/http_client.h"

namespace tidegate::live {
namespace {

/// Evenly over the answer, in an order that has nothing to do with that of sending: the golden
/// ratio's multiples, as core/engine/grid.cc plays it.
std::int64_t opening_output(std::size_t client, std::int64_t output) {
  const double turns = 0.6180339887498949 * static_cast<double>(client + 1);
  const double share = turns - std::floor(turns);
  return 1 + static_cast<std::int64_t>(share * static_cast<double>(output));
}

}  // namespace

struct ClosedLoop::State : std::enable_shared_from_this<ClosedLoop::State> {
  struct Client {
    net::HttpClient::CallId call{};
    bool open = false, opening = true, counts = false;
    int status = 0;
    std::int64_t output = 0;
    Instant sent, first, last;
    format::SseScanner scan;
    std::string refusal;  // the start of a body that is no stream
  };

  State(net::Loop& on, ClosedLoopConfig with)
      : loop(on),
        config(std::move(with)),
        http(on, {.max_idle_per_address = static_cast<std::size_t>(config.point.concurrency)}),
        clock(config.time_scale),
        deadline(on,
                 [this] {
                   result.overran = true;
                   finish();
                 }),
        clients(static_cast<std::size_t>(config.point.concurrency)) {}

  void start();
  void send(std::size_t index);
  void on_data(Client& client, std::string_view bytes);
  void on_end(std::size_t index);
  void failed(std::size_t index, const std::string& name, std::string words);
  void completed(std::size_t index);
  void finish();

  net::Loop& loop;
  const ClosedLoopConfig config;
  net::HttpClient http;
  net::WorldClock clock;
  net::Deadline deadline;
  std::vector<Client> clients;
  std::function<void()> done;
  Instant started;
  std::uint64_t sequence = 0;
  std::size_t opening_left = 0;
  std::int64_t measured_sent = 0, measured_ended = 0, error_count = 0;
  ClosedLoopResult result;
  bool over = false;
};

void ClosedLoop::State::start() {
  started = clock.now();
  opening_left = clients.size();
  if (config.deadline > Duration(0))
    deadline.set(net::WorldClock::mono_now() + clock.to_wall(config.deadline));
  for (std::size_t i = 0; i < clients.size(); ++i) send(i);
}

void ClosedLoop::State::send(std::size_t index) {
  Client& client = clients[index];
  const bool opening = client.opening;
  client = {};
  client.open = true;
  client.opening = opening;
  client.output = opening ? opening_output(index, config.point.output) : config.point.output;
  client.counts = !opening && opening_left == 0 && measured_sent < config.point.measured_requests();
  measured_sent += client.counts;
  client.sent = clock.now();
  net::ClientRequest request =
      completion_request(config.access, config.facts.words_of(config.point.prompt), client.output,
                         config.unique + ++sequence, config.facts.end_of_text);
  client.call = http.send(
      std::move(request),
      {.on_head = [this, index](int status,
                                const net::Headers&) { clients[index].status = status; },
       .on_data = [this, index](std::string_view bytes) { on_data(clients[index], bytes); },
       .on_end = [this, index] { on_end(index); },
       .on_error =
           [this, index](const net::ClientError& error) {
             failed(index, error.after_head ? "incomplete" : std::string(error_name(error.kind)),
                    error.message);
           }});
}

void ClosedLoop::State::on_data(Client& client, std::string_view bytes) {
  constexpr std::size_t kMostWords = 200;
  if (client.status != 200) {
    client.refusal.append(
        bytes.substr(0, kMostWords - std::min(kMostWords, client.refusal.size())));
    return;
  }
  const std::int64_t before = client.scan.seen().content_events;
  client.scan.feed(bytes);
  if (client.scan.seen().content_events == before) return;
  client.last = clock.now();
  if (before == 0) client.first = client.last;
}

void ClosedLoop::State::on_end(std::size_t index) {
  Client& client = clients[index];
  const auto& seen = client.scan.seen();
  if (client.status != 200) {
    failed(index, std::to_string(client.status), client.refusal);
  } else if (seen.error) {
    failed(index, "streamError", "an error inside the stream");
  } else if (!seen.done) {
    failed(index, "incomplete", "a stream without its end");
  } else {
    completed(index);
  }
}

void ClosedLoop::State::completed(std::size_t index) {
  Client& client = clients[index];
  client.open = false;
  const auto& seen = client.scan.seen();
  if (seen.content_events == 0) client.first = client.last = clock.now();
  engine::SweepRequest r{config.point.prompt, seen.content_events,
                         to_seconds(client.first - client.sent),
                         to_seconds(client.last - client.sent)};
  if (seen.usage) {
    r.prompt = seen.usage->prompt_tokens;
    r.output = seen.usage->completion_tokens;
  }
  result.tokens += r.prompt + r.output;
  if (client.counts) {
    ++measured_ended;
    result.requests.push_back(r);
  }
  if (std::exchange(client.opening, false)) --opening_left;
  if (measured_ended == config.point.measured_requests()) return finish();
  if (!over) send(index);
}

void ClosedLoop::State::failed(std::size_t index, const std::string& name, std::string words) {
  Client& client = clients[index];
  client.open = false;
  ++result.errors[name];
  if (result.first_error.empty()) result.first_error = std::move(words);
  if (++error_count == kMostErrors) return finish();
  measured_sent -= client.counts;  // another one takes its place
  if (!over) send(index);
}

void ClosedLoop::State::finish() {
  if (std::exchange(over, true)) return;
  deadline.clear();
  result.world = clock.now() - started;
  for (Client& client : clients) {
    if (!client.open) continue;
    client.open = false;
    http.cancel(client.call);
    // Its prompt was sent, and so much of the answer came.
    result.tokens += config.point.prompt + client.scan.seen().content_events;
  }
  loop.defer([weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || !self->done) return;
    auto told = std::move(self->done);  // it may destroy the loop
    told();
  });
}

ClosedLoop::ClosedLoop(net::Loop& loop, ClosedLoopConfig config)
    : state_(std::make_shared<State>(loop, std::move(config))) {}

ClosedLoop::~ClosedLoop() {
  state_->done = nullptr;
  state_->finish();
}

void ClosedLoop::start(std::function<void()> done) {
  state_->done = std::move(done);
  state_->start();
}

void ClosedLoop::stop() {
  if (state_->over) return;
  state_->result.stopped = true;
  state_->finish();
}

bool ClosedLoop::steady() const { return state_->measured_sent > 0 && !state_->over; }

std::int64_t ClosedLoop::measured_so_far() const { return state_->measured_ended; }

const ClosedLoopResult& ClosedLoop::result() const { return state_->result; }

}  // namespace tidegate::live
