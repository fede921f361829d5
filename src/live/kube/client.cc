#include "live/kube/client.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

/// A watch without a word for longer than its own time-out has lost its server.
constexpr Duration kWatchGrace = seconds(30);

constexpr std::size_t kMostQuoted = 80;

/// Who wrote which field is half of what lists and watches carry, and nobody here reads it.
bool wanted(int, json::parse_event_t event, json& key) {
  return event != json::parse_event_t::key || key != "managedFields";
}
json parse_collected(std::string_view text) { return json::parse(text, wanted, false); }

}  // namespace

struct KubeClient::Flight {
  CallId id{};
  ApiCall call;
  Answered answered;
  WatchHandler watching;
  bool is_watch = false;
  Duration watch_silence{0};

  net::CurlClient::CallId curl{};
  net::Loop::TimerId timer = net::Loop::TimerId::kNone;
  Credential used;
  int status = 0;
  std::string retry_after;
  std::string body;  // of a call; of a watch the piece of a line
  int retries = 0;
  bool renewed = false;
  bool entered = false;  // one of kMaxCalls
  bool streaming() const { return is_watch && status == 200; }
};

KubeClient::KubeClient(net::Loop& loop, Access access, std::string user_agent)
    : loop_(loop),
      access_(std::move(access)),
      user_agent_(std::move(user_agent)),
      curl_(loop),
      credentials_(loop, access_) {}

KubeClient::~KubeClient() {
  for (auto& [id, flight] : flights_) loop_.cancel(flight->timer);
}

KubeClient::CallId KubeClient::call(ApiCall call, Answered answered) {
  auto flight = std::make_shared<Flight>();
  flight->call = std::move(call);
  flight->answered = std::move(answered);
  return launch(flight);
}

KubeClient::CallId KubeClient::watch(ApiCall call, WatchHandler handler) {
  auto flight = std::make_shared<Flight>();
  flight->is_watch = true;
  auto at = call.query.find("timeoutSeconds=");
  std::int64_t wait = at == std::string::npos ? 300 : std::atoll(call.query.c_str() + at + 15);
  flight->watch_silence = seconds(wait) + kWatchGrace;
  flight->call = std::move(call);
  flight->watching = std::move(handler);
  return launch(flight);
}

KubeClient::CallId KubeClient::launch(FlightPtr flight) {
  flight->id = static_cast<CallId>(next_++);
  flights_.emplace(flight->id, flight);
  // Credentials may be had at once, and fail at once: not from inside the caller's call.
  flight->timer = loop_.after(Duration(0), [this, flight] { enter(flight); });
  return flight->id;
}

void KubeClient::enter(const FlightPtr& flight) {
  flight->timer = net::Loop::TimerId::kNone;
  if (!flight->is_watch && !flight->call.urgent) {
    if (entered_ == kMaxCalls) return waiting_.push_back(flight->id);
    ++entered_;
    flight->entered = true;
  }
  attempt(flight);
}

/// Its place is the next one's, which begins from the loop: the caller's answer comes first.
void KubeClient::leave(const FlightPtr& flight) {
  if (!std::exchange(flight->entered, false)) return;
  --entered_;
  while (!waiting_.empty()) {
    auto next = flights_.find(waiting_.front());
    waiting_.pop_front();
    if (next == flights_.end()) continue;
    ++entered_;
    next->second->entered = true;
    next->second->timer = loop_.after(Duration(0), [this, of = next->second] { attempt(of); });
    return;
  }
}

void KubeClient::attempt(const FlightPtr& flight) {
  flight->timer = net::Loop::TimerId::kNone;
  credentials_.get([this, flight, alive = std::weak_ptr(alive_)](const Result<Credential>& who) {
    if (alive.expired() || !open(flight)) return;
    if (who) return send(flight, *who);
    failed(flight, no_answer(flight->call, access_.server, who.error().message));
  });
}

void KubeClient::send(const FlightPtr& flight, const Credential& credential) {
  flight->used = credential;
  flight->status = 0;
  flight->body.clear();
  flight->retry_after.clear();
  const ApiCall& call = flight->call;
  net::CurlRequest request;
  request.method = call.method;
  request.url = access_.server + call.path + (call.query.empty() ? "" : "?" + call.query);
  request.body = call.body;
  request.proxy = access_.proxy;
  request.headers.add("User-Agent", user_agent_);
  request.headers.add("Accept", "application/json");
  if (!call.content_type.empty()) request.headers.add("Content-Type", call.content_type);
  if (!credential.authorization.empty()) {
    request.headers.add("Authorization", credential.authorization);
  }
  auto tls = std::make_shared<net::Tls>(access_.tls);
  if (!credential.certificate_pem.empty()) {
    tls->certificate_pem = credential.certificate_pem;
    tls->key_pem = credential.key_pem;
  }
  request.tls = std::move(tls);
  request.total_timeout = call.timeout;
  request.idle_timeout = flight->watch_silence;
  // Over HTTP/2 all calls and watches share a connection, and a time-out does not end it: one that
  // a node or a load balancer dropped in silence would be used for ever (kubernetes/client-go#374).
  request.http2 = false;
  request.max_response_bytes = flight->is_watch ? 0 : kMaxResponse;
  flight->curl =
      curl_.send(std::move(request),
                 {.on_head =
                      [flight](int status, const net::Headers& headers) {
                        flight->status = status;
                        flight->retry_after = headers.get("Retry-After");
                        if (flight->streaming() && flight->watching.on_open)
                          flight->watching.on_open();
                      },
                  .on_data =
                      [this, flight](std::string_view bytes) {
                        if (flight->streaming()) return lines(flight, bytes);
                        flight->body.append(bytes);
                      },
                  .on_end = [this, flight] { ended(flight); },
                  .on_error =
                      [this, flight](const net::ClientError& error) {
                        failed(flight, no_answer(flight->call, access_.server, error.message));
                      }});
}

bool KubeClient::open(const FlightPtr& flight) const { return flights_.contains(flight->id); }

void KubeClient::lines(const FlightPtr& flight, std::string_view bytes) {
  while (!bytes.empty()) {
    auto end = bytes.find('\n');
    flight->body.append(bytes.substr(0, end));
    if (flight->body.size() > kMaxWatchLine) {
      curl_.cancel(flight->curl);
      return failed(flight, no_answer(flight->call, access_.server, "a watch event over 8 MiB"));
    }
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    std::string whole;
    whole.swap(flight->body);
    if (!line(flight, whole)) return;
  }
}

/// False: the watch is over.
bool KubeClient::line(const FlightPtr& flight, std::string_view text) {
  if (text.empty()) return true;
  json event = parse_collected(text);
  bool whole = event.is_object() && event.contains("type") && event["type"].is_string() &&
               event.contains("object") && event["object"].is_object();
  if (!whole || event["type"] == "ERROR") {
    curl_.cancel(flight->curl);
    failed(flight, whole
                       ? error_of(flight->call, event["object"])
                       : no_answer(flight->call, access_.server, "a watch event that is no JSON"));
    return false;
  }
  std::weak_ptr<int> alive = alive_;
  flight->watching.on_event(event["type"].get<std::string>(), event["object"]);
  return !alive.expired() && open(flight);
}

void KubeClient::ended(const FlightPtr& flight) {
  bool fine = flight->status >= 200 && flight->status < 300;
  if (!fine) {
    return failed(flight,
                  error_of(flight->call, flight->status, flight->body, flight->retry_after));
  }
  if (flight->is_watch) {
    // What is left of a stream that closed whole: an event without its newline, or a page of some
    // proxy in the server's stead.
    std::string rest;
    rest.swap(flight->body);
    if (line(flight, rest)) finish(flight, json());
    return;
  }
  json body = flight->call.verb == "list" ? parse_collected(flight->body)
                                          : json::parse(flight->body, nullptr, false);
  if (!body.is_object()) {  // a proxy's page, say
    return failed(flight, no_answer(flight->call, access_.server,
                                    "answered with what is no JSON object: " +
                                        flight->body.substr(0, kMostQuoted)));
  }
  finish(flight, std::move(body));
}

void KubeClient::failed(const FlightPtr& flight, ApiError error) {
  if (!again(flight, error)) finish(flight, tl::unexpected(std::move(error)));
}

bool KubeClient::again(const FlightPtr& flight, const ApiError& error) {
  if (error.code == 401 && !flight->renewed && credentials_.refused(flight->used)) {
    flight->renewed = true;
    attempt(flight);
    return true;
  }
  bool busy = error.code == 429 || error.code >= 500;
  if (!busy || flight->retry_after.empty() || error.retry_after < Duration(0) ||
      flight->retries >= kMaxRetries) {
    return false;
  }
  ++flight->retries;
  leave(flight);
  flight->timer = loop_.after(std::min(error.retry_after, kLongestRetryAfter),
                              [this, flight] { enter(flight); });
  return true;
}

void KubeClient::finish(const FlightPtr& flight, ApiResult<json> result) {
  flights_.erase(flight->id);
  leave(flight);
  if (!flight->is_watch) return flight->answered(std::move(result));
  if (result) return flight->watching.on_end(std::nullopt);
  flight->watching.on_end(std::move(result.error()));
}

void KubeClient::cancel(CallId id) {
  auto it = flights_.find(id);
  if (it == flights_.end()) return;
  const FlightPtr flight = it->second;
  loop_.cancel(flight->timer);
  curl_.cancel(flight->curl);
  flights_.erase(it);
  leave(flight);
}

}  // namespace tidegate::live::kube
