#include "live/load/load.h"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/check.h"
#include "format/openai_sse.h"
#include "live/net/clock.h"
#include "live/net/deadline.h"
#include "live/net/http_client.h"

namespace tidegate::live {

using workload::Ending;
using workload::TraceRequest;

namespace {

/// Requests sent before answers are looked at again.
constexpr int kSendsPerWake = 64;
constexpr Duration kConnectTimeout = seconds(10);

/// http://host:port, .../, .../v1 and .../v1/ all lead to .../v1/NAME.
std::string api_path(const net::Url& url, std::string_view name) {
  std::string base = url.path;
  while (!base.empty() && base.back() == '/') base.pop_back();
  if (!base.ends_with("/v1")) base += "/v1";
  return base.append("/").append(name);
}

net::Headers common_headers(const std::string& api_key) {
  net::Headers headers;
  if (!api_key.empty()) headers.add("Authorization", "Bearer " + api_key);
  return headers;
}

Ending ending_of_status(int status) {
  if (status == 429 || status == 503) return Ending::kRejected;
  return status == 408 || status == 504 ? Ending::kTimedOut : Ending::kLost;
}

}  // namespace

std::string_view error_name(net::ClientErrorKind kind) {
  switch (kind) {
    case net::ClientErrorKind::kConnect:
      return "connect";
    case net::ClientErrorKind::kReset:
      return "reset";
    case net::ClientErrorKind::kTimeout:
      return "timeout";
    case net::ClientErrorKind::kProtocol:
      return "protocol";
  }
  return "protocol";
}

struct LoadRun::State : std::enable_shared_from_this<State> {
  struct Open {
    net::HttpClient::CallId call{};
    std::uint32_t generation = 0;  // tells a time-out of this request from one of a predecessor
    bool active = false;
    int status = 0;
    Instant due;
    Instant first;
    Instant last;
    format::SseScanner scan;
  };
  struct Timeout {
    Instant at;  // wall, monotonic
    std::uint32_t slot;
    std::uint32_t generation;
  };

  State(net::Loop& on, LoadConfig with, Source from)
      : loop(on),
        config(std::move(with)),
        source(std::move(from)),
        client(on, {.max_idle_per_address = config.max_open}),
        clock(config.time_scale),
        timeouts(on, [this] { expire(); }) {
    result.time_scale = config.time_scale;
    path = api_path(config.url,
                    config.endpoint == LoadEndpoint::kChat ? "chat/completions" : "completions");
    headers = common_headers(config.api_key);
    headers.add("Content-Type", "application/json");
    headers.add("Accept", "text/event-stream");
  }

  net::Loop& loop;
  const LoadConfig config;
  Source source;
  net::HttpClient client;
  net::WorldClock clock;
  std::string path;
  net::Headers headers;
  std::function<void()> done;
  Instant started;
  Instant started_wall;
  LoadResult result;
  std::optional<LoadResult> final_result;

  TraceRequest next;
  bool have_next = false;
  bool exhausted = false;
  std::uint64_t sequence = 0;
  net::Loop::TimerId arrival = net::Loop::TimerId::kNone;
  std::vector<std::unique_ptr<Open>> slots;
  std::vector<std::uint32_t> free_slots;
  std::size_t open_count = 0;
  std::deque<Timeout> waiting_timeouts;  // in order of time: all time-outs are equally long
  net::Deadline timeouts;

  void pump();
  void send(const TraceRequest& request, Instant due);
  net::ClientRequest wire_request(const TraceRequest& request) const;
  net::ClientHandler handler(std::uint32_t slot);
  void on_data(Open& open, std::string_view bytes);
  void on_end(std::uint32_t slot);
  void end(std::uint32_t slot, Ending ending, std::string_view error);
  void count(std::string_view error) { ++result.errors[std::string(error)]; }
  void expire();
  void finish_if_done();
  void finish();
  LoadResult snapshot() const;
};

/// Sends what is due and sets the clock for what comes next.
void LoadRun::State::pump() {
  arrival = net::Loop::TimerId::kNone;
  for (int i = 0; i < kSendsPerWake && !exhausted; ++i) {
    if (!have_next && !(have_next = source(next))) {
      exhausted = true;
      break;
    }
    Instant due = started + next.at;
    Instant now = clock.now();
    if (due > now) {
      arrival = loop.after(clock.to_wall(due - now), [this] { pump(); });
      return;
    }
    have_next = false;
    send(next, due);
  }
  if (exhausted) return finish_if_done();
  // A burst: answers get their turn before the rest of it leaves.
  arrival = loop.after(Duration(0), [this] { pump(); });
}

net::ClientRequest LoadRun::State::wire_request(const TraceRequest& request) const {
  net::ClientRequest wire;
  wire.address = config.url.address;
  wire.method = "POST";
  wire.path = path;
  wire.headers = headers;
  wire.connect_timeout = kConnectTimeout;
  if (!request.tenant.empty()) wire.headers.add("x-tidegate-tenant", request.tenant);
  auto priority = static_cast<std::size_t>(request.priority);
  if (priority < config.priority_names.size()) {
    wire.headers.add("x-tidegate-priority", config.priority_names[priority]);
  } else if (request.priority != 0) {
    wire.headers.add("x-tidegate-priority", std::to_string(request.priority));
  }
  const std::string& model = !config.model.empty()    ? config.model
                             : !request.model.empty() ? request.model
                                                      : config.fallback_model;
  wire.body = request_body(config.endpoint, model, request, config.seed ^ (sequence << 20));
  return wire;
}

void LoadRun::State::send(const TraceRequest& request, Instant due) {
  ++sequence;
  result.lateness.add(to_seconds(clock.now() - due));
  if (open_count >= config.max_open) {
    count("tooManyOpen");
    result.score.add(config.slo, {});
    return;
  }
  std::uint32_t slot = 0;
  if (free_slots.empty()) {
    slot = static_cast<std::uint32_t>(slots.size());
    slots.push_back(std::make_unique<Open>());
  } else {
    slot = free_slots.back();
    free_slots.pop_back();
  }
  Open& open = *slots[slot];
  std::uint32_t generation = open.generation + 1;
  open = {};
  open.generation = generation;
  open.active = true;
  open.due = due;
  ++open_count;
  result.open_peak = std::max(result.open_peak, open_count);
  ++result.sent;
  open.call = client.send(wire_request(request), handler(slot));
  if (config.timeout > Duration(0)) {
    Instant at = net::WorldClock::mono_now() + clock.to_wall(config.timeout);
    waiting_timeouts.push_back({at, slot, generation});
    if (waiting_timeouts.size() == 1) timeouts.set(at);
  }
}

net::ClientHandler LoadRun::State::handler(std::uint32_t slot) {
  // A call ends once, and its slot is not given away before: the slot alone names it.
  return {
      .on_head = [this, slot](int status, const net::Headers&) { slots[slot]->status = status; },
      .on_data = [this, slot](std::string_view bytes) { on_data(*slots[slot], bytes); },
      .on_end = [this, slot] { on_end(slot); },
      .on_error =
          [this, slot](const net::ClientError& error) {
            bool half = error.after_head && slots[slot]->status == 200;
            end(slot,
                error.kind == net::ClientErrorKind::kTimeout ? Ending::kTimedOut : Ending::kLost,
                half ? "incomplete" : error_name(error.kind));
          }};
}

void LoadRun::State::on_data(Open& open, std::string_view bytes) {
  if (open.status != 200) return;
  std::int64_t before = open.scan.seen().content_events;
  open.scan.feed(bytes);
  if (open.scan.seen().content_events == before) return;
  open.last = clock.now();
  if (before == 0) open.first = open.last;
}

void LoadRun::State::on_end(std::uint32_t slot) {
  Open& open = *slots[slot];
  const auto& seen = open.scan.seen();
  if (open.status != 200) {
    end(slot, ending_of_status(open.status), std::to_string(open.status));
  } else if (seen.error) {
    end(slot, Ending::kLost, "streamError");
  } else if (!seen.done) {
    end(slot, Ending::kLost, "incomplete");
  } else {
    if (seen.content_events == 0) open.first = open.last = clock.now();  // nothing but an end
    end(slot, Ending::kCompleted, {});
  }
}

void LoadRun::State::end(std::uint32_t slot, Ending ending, std::string_view error) {
  Open& open = *slots[slot];
  TIDEGATE_CHECK(open.active);
  workload::Served served;
  served.ending = ending;
  if (ending == Ending::kCompleted) {
    const auto& seen = open.scan.seen();
    served.ttft = open.first - open.due;
    served.e2e = open.last - open.due;
    served.output = Tokens(seen.usage ? seen.usage->completion_tokens : seen.content_events);
    result.output_tokens += served.output.value();
  } else {
    count(error);
  }
  result.score.add(config.slo, served);
  open.active = false;
  open.scan = {};
  --open_count;
  free_slots.push_back(slot);
  finish_if_done();
}

void LoadRun::State::expire() {
  Instant now = net::WorldClock::mono_now();
  while (!waiting_timeouts.empty() && waiting_timeouts.front().at <= now) {
    Timeout due = waiting_timeouts.front();
    waiting_timeouts.pop_front();
    Open& open = *slots[due.slot];
    if (!open.active || open.generation != due.generation) continue;
    client.cancel(open.call);
    end(due.slot, Ending::kTimedOut, "timeout");
  }
  if (!waiting_timeouts.empty()) timeouts.set(waiting_timeouts.front().at);
}

LoadResult LoadRun::State::snapshot() const {
  if (final_result) return *final_result;
  LoadResult out = result;
  out.open = static_cast<std::int64_t>(open_count);
  out.world = clock.now() - started;
  out.wall = net::WorldClock::mono_now() - started_wall;
  return out;
}

void LoadRun::State::finish_if_done() {
  if (exhausted && open_count == 0) finish();
}

void LoadRun::State::finish() {
  if (final_result) return;
  final_result = snapshot();
  timeouts.clear();
  loop.defer([weak = weak_from_this()] {
    if (auto self = weak.lock(); self && self->done) self->done();
  });
}

LoadRun::LoadRun(net::Loop& loop, LoadConfig config, Source source)
    : state_(std::make_shared<State>(loop, std::move(config), std::move(source))) {}

LoadRun::~LoadRun() { state_->loop.cancel(state_->arrival); }

void LoadRun::start(std::function<void()> done) {
  state_->done = std::move(done);
  state_->started = state_->clock.now();
  state_->started_wall = net::WorldClock::mono_now();
  state_->pump();
}

void LoadRun::stop() {
  State& s = *state_;
  if (s.final_result) return;
  s.loop.cancel(s.arrival);
  s.result.interrupted = true;
  s.exhausted = true;
  s.finish();
  for (auto& open : s.slots) {
    if (open->active) s.client.cancel(open->call);
  }
}

LoadResult LoadRun::result() const { return state_->snapshot(); }

Result<std::string> ask_model(const net::Url& url, const std::string& api_key, Duration timeout) {
  net::ClientRequest request;
  request.address = url.address;
  request.path = api_path(url, "models");
  request.headers = common_headers(api_key);
  request.max_response_bytes = 16u << 20;
  auto context = "GET " + request.path + " of " + url.address.text();
  auto response = net::fetch_blocking(std::move(request), timeout);
  if (!response) return fail(response.error().within(context));
  if (response->status != 200) {
    return fail(context + ": status " + std::to_string(response->status));
  }
  auto json = nlohmann::json::parse(response->body, nullptr, /*allow_exceptions=*/false);
  auto data = json.is_object() ? json.find("data") : json.end();
  if (!json.is_object() || data == json.end() || !data->is_array() || data->empty() ||
      !data->front().is_object() || !data->front().contains("id") ||
      !data->front()["id"].is_string()) {
    return fail(context + ": no model is listed");
  }
  return data->front()["id"].get<std::string>();
}

}  // namespace tidegate::live
