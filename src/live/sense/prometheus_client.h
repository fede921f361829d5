#pragma once
// PrometheusClient: one instant query of one Prometheus, its answer or a reason for people.
//
//   PrometheusClient prometheus(curl, *model.prometheus);
//   auto id = prometheus.ask("sum(up)", [](Result<PrometheusClient::Reply> reply) {...});
//
// Promises: `done` is called once, never from inside ask(), and never after cancel(). An error
// names the server and carries Prometheus's own words where it has any. The bearer token is read
// again for each query and never shown. Time-outs are wall time. Thread-safety: the loop's thread.
// Source: prometheus/docs querying/api.md.

#include <functional>
#include <optional>
#include <string>

#include "core/spec/model.h"
#include "format/promql.h"
#include "live/net/curl/curl_client.h"

namespace tidegate::live {

class PrometheusClient {
 public:
  static constexpr std::size_t kMaxAnswerBytes = 64u << 20;
  using CallId = net::CurlClient::CallId;
  struct Reply {
    format::PromqlAnswer answer;
    /// What its clock is ahead of ours, by its Date header, to a second; nothing where it has none
    /// or came too slowly to tell.
    std::optional<Duration> clock_ahead;
  };
  using Done = std::function<void(Result<Reply>)>;

  PrometheusClient(net::CurlClient& client, spec::Prometheus spec);
  CallId ask(const std::string& promql, Done done);
  void cancel(CallId id) { client_.cancel(id); }
  const spec::Prometheus& spec() const { return spec_; }

 private:
  net::CurlClient& client_;
  spec::Prometheus spec_;
  std::string url_;  ///< of /api/v1/query
};

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, IMF-fixdate).
std::optional<WallTime> parse_http_date(std::string_view text);

}  // namespace tidegate::live
