#include "live/external_metrics/leader.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tidegate::live::external_metrics {
namespace {

using nlohmann::json;

Status unknown(std::string why) { return {503, "ServiceUnavailable", std::move(why), 1}; }

net::Headers json_headers() {
  net::Headers headers;
  headers.add("Content-Type", "application/json");
  headers.add("Cache-Control", "no-cache, private");
  return headers;
}

/// Of a Status object; else what there is.
std::string words_of(const net::Response& response) {
  const json body = json::parse(response.body, nullptr, false);
  if (body.is_object()) {
    auto it = body.find("message");
    if (it != body.end() && it->is_string()) return it->get<std::string>();
  }
  return response.body.substr(0, 200);
}

}  // namespace

void answer_json(const net::ExchangePtr& exchange, int code, const std::string& body) {
  exchange->respond(code, json_headers(), body);
}

void answer(const net::ExchangePtr& exchange, const Status& status) {
  net::Headers headers = json_headers();
  if (status.retry_after >= 0) headers.add("Retry-After", std::to_string(status.retry_after));
  if (status.code == 405) headers.add("Allow", "GET, HEAD");
  exchange->respond(status.code, headers, status_text(status));
}

LeaderDesk::LeaderDesk(const std::shared_ptr<kube::KubeClient>& client, Leadership leadership)
    : leadership_(std::move(leadership)),
      credentials_(client->loop(), client->access()),
      curl_(client->loop()) {
  const net::Tls& own = client->access().tls;
  own_certificate_.certificate_pem = own.certificate_pem;
  own_certificate_.certificate_file = own.certificate_file;
  own_certificate_.key_pem = own.key_pem;
  own_certificate_.key_file = own.key_file;
}

void LeaderDesk::pass_on(const net::ExchangePtr& exchange) {
  if (exchange->request().headers.has(kPassedOn)) {
    return answer(exchange, unknown("this Tidegate does not lead, and who does has just changed"));
  }
  const std::optional<Leader> leader = leadership_.leader();
  if (!leader) {
    return answer(exchange, unknown("another Tidegate may lead, and which is not known: no number "
                                    "until one holds the Lease"));
  }
  if (asking_ >= kMaxAsking) {
    return answer(exchange, {429, "TooManyRequests",
                             "too many are being passed on to the Tidegate that leads", 1});
  }
  ++asking_;
  credentials_.get([this, exchange, leader = *leader,
                    alive = std::weak_ptr(alive_)](const Result<kube::Credential>& own) {
    if (alive.expired()) return;
    if (own) return ask(exchange, leader, *own);
    --asking_;
    answer(exchange,
           unknown("no credentials to ask the Tidegate that leads with: " + own.error().message));
  });
}

void LeaderDesk::ask(const net::ExchangePtr& exchange, const Leader& leader,
                     const kube::Credential& own) {
  auto tls = std::make_shared<net::Tls>(own_certificate_);
  tls->ca_pem = leader.certificate_pem;
  tls->server_name = leader.server_name;
  if (!own.certificate_pem.empty()) {
    tls->certificate_pem = own.certificate_pem;
    tls->key_pem = own.key_pem;
  }
  net::CurlRequest request;
  request.url = "https://" + leader.address.text() + exchange->request().target;
  request.headers.add(kPassedOn, "1");
  if (!own.authorization.empty()) request.headers.add("Authorization", own.authorization);
  request.tls = std::move(tls);
  request.total_timeout = kPatience;
  request.max_response_bytes = kMaxAnswer;
  curl_.fetch(std::move(request), [this, exchange, leader, own, alive = std::weak_ptr(alive_)](
                                      const Result<net::Response>& answer) {
    if (!alive.expired()) answered(exchange, leader, own, answer);
  });
}

void LeaderDesk::answered(const net::ExchangePtr& exchange, const Leader& leader,
                          const kube::Credential& shown, const Result<net::Response>& got) {
  --asking_;
  const std::string where = "the Tidegate that leads, at " + leader.address.text() + ", ";
  if (!got) return answer(exchange, unknown(where + "did not answer: " + got.error().message));
  switch (got->status) {
    case 200:
    case 400:
    case 404:
    case 409:
      return answer_json(exchange, got->status, got->body);
    case 401:
      credentials_.refused(shown);
      [[fallthrough]];
    case 403:  // of us, not of the caller
      return answer(exchange, unknown(where + "refused this one: " + words_of(*got) +
                                      "; let its account list in group external.metrics.k8s.io"));
    default:
      return answer(exchange,
                    unknown(where + fmt::format("said {}: ", got->status) + words_of(*got)));
  }
}

}  // namespace tidegate::live::external_metrics
