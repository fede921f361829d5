#include "live/sense/prometheus_client.h"

#include <charconv>
#include <chrono>
#include <sstream>
#include <utility>

#include "live/net/clock.h"
#include "live/net/percent.h"
#include "live/net/token_file.h"

namespace tidegate::live {
namespace {

constexpr int kOk = 200;
constexpr Duration kConnectTimeout = seconds(5);
constexpr Duration kQuick = seconds(1);  // an answer that tells what its server's clock says

std::optional<int> number(std::string_view text) {
  int out = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

}  // namespace

std::optional<WallTime> parse_http_date(std::string_view text) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  constexpr std::size_t kLength = 29;
  if (text.size() != kLength || text.substr(25) != " GMT") return std::nullopt;
  const auto month = kMonths.find(text.substr(8, 3));
  const auto day = number(text.substr(5, 2)), year = number(text.substr(12, 4));
  const auto hour = number(text.substr(17, 2)), minute = number(text.substr(20, 2));
  const auto second = number(text.substr(23, 2));
  if (month == std::string_view::npos || month % 3 != 0 || !day || !year || !hour || !minute ||
      !second) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(month / 3 + 1)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t unix_seconds = ((days * 24 + *hour) * 60 + *minute) * 60 + *second;
  return WallTime::from_unix_nanos(unix_seconds * 1'000'000'000);
}

namespace {

Result<PrometheusClient::Reply> read(const std::string& url, const Result<net::Response>& response,
                                     WallTime asked) {
  if (!response) return fail(response.error());
  auto answer = format::PromqlAnswer::parse(response->body);
  if (response->status != kOk || !answer) {
    std::string why = answer ? "an answer with this status" : answer.error().message;
    return fail(url + ": HTTP " + std::to_string(response->status) + ": " + why);
  }
  PrometheusClient::Reply reply{.answer = std::move(*answer)};
  // The header is cut to whole seconds: half a second is its middle.
  const WallTime now = net::WorldClock::wall_now();
  const auto date = parse_http_date(response->headers.get("Date"));
  if (date && now - asked <= kQuick) reply.clock_ahead = *date + millis(500) - now;
  return reply;
}

}  // namespace

PrometheusClient::PrometheusClient(net::CurlClient& client, spec::Prometheus spec)
    : client_(client), spec_(std::move(spec)), url_(spec_.url) {
  while (url_.ends_with('/')) url_.pop_back();
  url_ += "/api/v1/query";
}

PrometheusClient::CallId PrometheusClient::ask(const std::string& promql, Done done) {
  net::CurlRequest request{.method = "POST", .url = url_};
  request.headers.add("Content-Type", "application/x-www-form-urlencoded");
  for (const auto& [name, value] : spec_.headers) request.headers.add(name, value);
  std::string trouble = net::add_bearer(spec_.bearer_token_file, request.headers);
  request.body = "query=" + net::percent_encode(promql);
  // Prometheus gives up when we do, and does not go on computing for nobody.
  request.body += "&timeout=" + std::to_string(spec_.timeout / millis(1)) + "ms";
  request.connect_timeout = std::min(kConnectTimeout, spec_.timeout);
  request.total_timeout = spec_.timeout;
  request.max_response_bytes = kMaxAnswerBytes;
  if (!spec_.ca_file.empty()) {
    auto tls = std::make_shared<net::Tls>();
    tls->ca_file = spec_.ca_file;
    request.tls = std::move(tls);
  }
  return client_.fetch(std::move(request), [url = spec_.url, asked = net::WorldClock::wall_now(),
                                            trouble = std::move(trouble), done = std::move(done)](
                                               const Result<net::Response>& r) {
    auto reply = read(url, r, asked);
    // A token that is missing is why it was refused: both are said.
    if (!reply && !trouble.empty()) reply = fail(reply.error().message + "; " + trouble);
    done(std::move(reply));
  });
}

}  // namespace tidegate::live
