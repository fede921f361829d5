#include "live/external_metrics/server.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "live/net/clock.h"
#include "live/net/log.h"

namespace tidegate::live::external_metrics {
namespace {

constexpr const char* kAuthenticated = "system:authenticated";

net::Limits limits() {
  net::Limits out;
  out.max_connections = Server::kMaxConnections;
  out.max_head_bytes = Server::kMaxHead;
  out.max_body_bytes = Server::kMaxBody;
  return out;
}

Status not_found() { return {404, "NotFound", "the server could not find the requested resource"}; }

/// Everybody whom the cluster knows is in this group, whether or not it says so.
Caller with_group(Caller caller) {
  auto& groups = caller.groups;
  if (std::find(groups.begin(), groups.end(), kAuthenticated) == groups.end()) {
    groups.emplace_back(kAuthenticated);
  }
  return caller;
}

std::string bearer(const net::Headers& headers) {
  constexpr std::string_view kBearer = "bearer ";
  std::string_view field = headers.get("Authorization");
  if (!ascii::equal_ignoring_case(field.substr(0, kBearer.size()), kBearer)) return "";
  field.remove_prefix(kBearer.size());
  while (field.starts_with(' ')) field.remove_prefix(1);
  return std::string(field);
}

}  // namespace

Server::Server(net::Loop& loop, const std::shared_ptr<kube::KubeClient>& client, Source source,
               Leadership leadership)
    : loop_(loop),
      source_(std::move(source)),
      trust_(client),
      reviews_(client),
      desk_(client, std::move(leadership)),
      http_(loop, limits(), [this](const net::ExchangePtr& exchange) { handle(exchange); }) {}

Result<net::Address> Server::listen(const net::Address& address,
                                    std::shared_ptr<net::TlsServer> tls) {
  return http_.listen(address, std::move(tls));
}

bool Server::probe(const net::ExchangePtr& exchange) const {
  const std::string& path = exchange->request().path;
  if (path != "/healthz" && path != "/livez" && path != "/readyz") return false;
  net::Headers headers;
  headers.add("Content-Type", "text/plain; charset=utf-8");
  if (path == "/readyz" && !ready()) {
    exchange->respond(503, headers, "whom the cluster trusts is not known yet\n");
  } else {
    exchange->respond(200, headers, "ok");
  }
  return true;
}

void Server::handle(const net::ExchangePtr& exchange) {
  if (probe(exchange)) return;
  // Reviews tell nothing after our death, so `this` is there whenever they do.
  authenticate(exchange, [this, exchange](const Verdict<Caller>& who) {
    if (!who) return refuse(exchange, who.error());
    Asked asked = asked_by(exchange->request());
    reviews_.may(with_group(*who), asked, [this, exchange, asked](const Verdict<Allowed>& verdict) {
      if (!verdict) return refuse(exchange, verdict.error());
      serve(exchange, asked);
    });
  });
}

void Server::authenticate(const net::ExchangePtr& exchange, const Reviews::Known& known) {
  const net::Headers& headers = exchange->request().headers;
  const auto& chain = exchange->client_certificates();
  std::string why = "no client certificate and no bearer token";
  if (!chain.empty()) {
    why.clear();
    if (const ClusterTrust* trust = trust_.known()) {
      auto caller = by_certificate(chain, headers, *trust, net::WorldClock::wall_now(), why);
      if (caller) return known(*caller);
    } else if (bearer(headers).empty()) {
      return known(tl::unexpected(
          Status{503, "ServiceUnavailable",
                 "whom the cluster trusts is not known yet: " +
                     (trust_.trouble().empty() ? "it is being read" : trust_.trouble()),
                 1}));
    }
  }
  if (std::string token = bearer(headers); !token.empty()) return reviews_.whose(token, known);
  known(tl::unexpected(Status{401, "Unauthorized", "Unauthorized: " + why}));
}

void Server::serve(const net::ExchangePtr& exchange, const Asked& asked) {
  const net::Request& request = exchange->request();
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (!reads) {
    return answer(exchange, {405, "MethodNotAllowed",
                             "the server does not allow this method on the requested resource"});
  }
  if (asked.is_resource()) return values(exchange, asked);
  std::string_view path = request.path;
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::string group_path = "/apis/" + std::string(kGroup);
  if (path == "/apis") return answer_json(exchange, 200, group_list());
  if (path == group_path) return answer_json(exchange, 200, group());
  if (path == group_path + "/" + std::string(kVersion)) {
    return answer_json(exchange, 200, resource_list());
  }
  if (path == "/openapi/v2") return answer_json(exchange, 200, openapi_v2());
  if (path == "/openapi/v3") return answer_json(exchange, 200, openapi_v3_index());
  if (path == kOpenapiV3Path) return answer_json(exchange, 200, openapi_v3());
  answer(exchange, not_found());
}

void Server::values(const net::ExchangePtr& exchange, const Asked& asked) {
  if (asked.ns.empty() || !asked.name.empty()) return answer(exchange, not_found());
  if (!is_metric(asked.resource)) {
    std::string names;
    for (std::string_view one : kMetrics) names += (names.empty() ? "" : ", ") + std::string(one);
    return answer(exchange,
                  {404, "NotFound", "no metric " + asked.resource + "; there are " + names});
  }
  auto selector =
      kube::Selector::parse(net::query_value(exchange->request().query, "labelSelector"));
  if (!selector) return answer(exchange, {400, "BadRequest", selector.error().message});
  if (!desk_.ours()) return desk_.pass_on(exchange);
  Samples picked = source_(asked.resource, asked.ns);
  std::erase_if(picked, [&](const Sample& one) { return !selector->matches(one.labels); });
  // A part of a sum would be taken for the whole.
  auto withheld = std::find_if(picked.begin(), picked.end(),
                               [](const Sample& one) { return !one.withheld.empty(); });
  if (withheld != picked.end()) return answer(exchange, {409, "Conflict", withheld->withheld});
  answer_json(exchange, 200, value_list(asked.resource, picked, net::WorldClock::wall_now()));
}

void Server::refuse(const net::ExchangePtr& exchange, const Status& status) {
  answer(exchange, status);
  const Instant now = loop_.now();
  if (now - told_ < kTellAgain) return;
  told_ = now;
  net::log(net::Level::kWarn, "external metrics: a caller was refused",
           {{"peer", std::string(exchange->peer())},
            {"code", std::to_string(status.code)},
            {"cause", status.message}});
}

}  // namespace tidegate::live::external_metrics
