#include "live/aws/client.h"

#include <algorithm>

#include "live/net/clock.h"

namespace tidegate::live::aws {

struct Client::Flight {
  std::uint64_t id = 0;
  Operation operation;
  std::string url, body;
  Answered answered;
  Keys used;
  int attempts = 0;
  bool renewed = false;
  net::Loop::TimerId timer = net::Loop::TimerId::kNone;
};

Client::Client(net::Loop& loop, net::HttpClient& http, Wish wish, Environment environment,
               ClientOptions options)
    : loop_(loop),
      wish_(std::move(wish)),
      environment_(std::move(environment)),
      options_(options),
      curl_(loop),
      chain_(loop, curl_, http, wish_, environment_),
      chance_(options.seed, "aws." + wish_.region + "/" + wish_.profile) {}

Client::~Client() {
  for (auto& [id, flight] : flights_) loop_.cancel(flight->timer);
}

void Client::call(const Service& service, const std::string& action, Params params,
                  Answered answered) {
  auto flight = std::make_shared<Flight>();
  flight->id = next_++;
  flight->operation = {service.name, action};
  flight->url = endpoint_of(service.name, wish_, environment_) + "/";
  Params all = {{"Action", action}, {"Version", service.version}};
  all.insert(all.end(), params.begin(), params.end());
  flight->body = form(all);
  flight->answered = std::move(answered);
  flights_.emplace(flight->id, flight);
  // Keys may be had at once, and fail at once: not from inside the caller's call.
  flight->timer = loop_.after(Duration(0), [this, flight] { attempt(flight); });
}

void Client::attempt(const FlightPtr& flight) {
  flight->timer = net::Loop::TimerId::kNone;
  chain_.get([this, flight, alive = std::weak_ptr(alive_)](const Result<Keys>& keys) {
    if (alive.expired()) return;
    if (keys) return send(flight, *keys);
    finish(flight, tl::unexpected(no_answer(flight->operation, keys.error().message)));
  });
}

void Client::send(const FlightPtr& flight, const Keys& keys) {
  ++flight->attempts;
  flight->used = keys;
  net::CurlRequest request;
  request.method = "POST";
  request.url = flight->url;
  request.body = flight->body;
  request.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  request.headers.add("User-Agent", "tidegate");
  if (!keys.session_token.empty()) request.headers.add("X-Amz-Security-Token", keys.session_token);
  request.sigv4 = "aws:amz:" + wish_.region + ":" + flight->operation.service;
  request.sigv4_key = keys.access_key;
  request.sigv4_secret = keys.secret;
  request.total_timeout = options_.timeout;
  request.max_response_bytes = kMaxAnswer;
  curl_.fetch(std::move(request), [this, flight](Result<net::Response> answer) {
    if (!answer) {
      return finish(flight, tl::unexpected(no_answer(flight->operation, answer.error().message)));
    }
    Answer read = read_answer(flight->operation, answer->status, answer->body,
                              clock_off(answer->headers.get("Date"), net::WorldClock::wall_now()));
    if (read) return finish(flight, std::move(read));
    failed(flight, std::move(read.error()));
  });
}

void Client::failed(const FlightPtr& flight, AwsError error) {
  if (error.expired() && !flight->renewed && chain_.refused(flight->used)) {
    flight->renewed = true;
    return attempt(flight);
  }
  if (!error.passing() || flight->attempts >= kMaxAttempts) {
    return finish(flight, tl::unexpected(std::move(error)));
  }
  Duration pause = options_.first_pause;
  for (int i = 1; i < flight->attempts && pause < kLongestPause; ++i) pause *= 2;
  const auto most = static_cast<double>(std::min(pause, kLongestPause).count());
  flight->timer = loop_.after(Duration(static_cast<std::int64_t>(most * chance_.uniform())),
                              [this, flight] { attempt(flight); });
}

void Client::finish(const FlightPtr& flight, Answer answer) {
  flights_.erase(flight->id);
  flight->answered(std::move(answer));
}

Result<std::shared_ptr<Client>> Accounts::client(const Wish& wish) {
  auto& known = clients_[wish];
  if (auto open = known.lock()) return open;
  if (auto source = find_source(wish, environment_); !source) return fail(source.error());
  auto made = std::make_shared<Client>(loop_, http_, wish, environment_, options_);
  known = made;
  return made;
}

}  // namespace tidegate::live::aws
