#include "live/kube/testing/api_server.h"

#include <fmt/format.h>

#include <algorithm>

#include "live/net/clock.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

net::Limits limits() {
  net::Limits out;
  out.max_body_bytes = 3u << 20;  // as a real one
  return out;
}

std::vector<std::string> words_of(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    auto slash = path.find('/');
    if (slash != 0) out.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return out;
}

}  // namespace

ApiServer::ApiServer(net::Loop& loop, const net::Address& listen,
                     const std::shared_ptr<net::TlsServer>& tls)
    : loop_(loop),
      server_(loop, limits(), [this](const net::ExchangePtr& x) { handle(x); }),
      scheme_(tls ? "https://" : "http://") {
  address_ = server_.listen(listen, tls).value();
  store_.on_change = [this](const Change& change) {
    for (const WatchPtr& watch : std::vector<WatchPtr>(watches_)) send(*watch, change);
    if (on_change) on_change(change);
  };
}

Access ApiServer::access() const {
  Access out;
  out.server = url();
  if (!tokens.empty()) out.identity.token = *tokens.begin();
  out.source = "the test";
  return out;
}

const ServedKind* ApiServer::kind(const std::string& api_version, const std::string& plural) const {
  for (const ServedKind& one : kinds_) {
    if (one.plural == plural && one.api_version() == api_version) return &one;
  }
  return nullptr;
}
bool ApiServer::serves(const std::string& api_version) const {
  return std::any_of(kinds_.begin(), kinds_.end(),
                     [&](const ServedKind& one) { return one.api_version() == api_version; });
}

ObjectPtr ApiServer::find(const std::string& api_version, const std::string& plural,
                          const std::string& ns, const std::string& name) const {
  const ServedKind* of = kind(api_version, plural);
  return of == nullptr ? nullptr : store_.find(*of, ns, name);
}
std::vector<ObjectPtr> ApiServer::all(const std::string& api_version, const std::string& plural,
                                      const std::string& ns) const {
  return store_.all(*kind(api_version, plural), ns);
}
ObjectPtr ApiServer::put(const std::string& api_version, const std::string& plural, json object) {
  const ServedKind& of = *kind(api_version, plural);
  object["apiVersion"] = api_version;
  object["kind"] = of.kind;
  return store_.put(of, std::move(object));
}
void ApiServer::erase(const std::string& api_version, const std::string& plural,
                      const std::string& ns, const std::string& name) {
  store_.erase(*kind(api_version, plural), ns, name);
}

std::string ApiServer::Asked::content_type() const {
  std::string_view type = http->headers.get("Content-Type");
  return std::string(type.substr(0, type.find(';')));
}

Writer ApiServer::Asked::writer() const {
  std::string manager = query("fieldManager");
  if (manager.empty()) {
    std::string_view agent = http->headers.get("User-Agent");
    manager = agent.substr(0, agent.find('/'));
  }
  return {manager, subresource};
}

/// /api/v1/... and /apis/GROUP/VERSION/... [namespaces/NS/] PLURAL [/NAME [/SUBRESOURCE]].
bool ApiServer::take_apart(const net::Request& request, Asked& asked, Answer& error) const {
  asked.http = &request;
  auto words = words_of(request.path);
  std::size_t at = !words.empty() && words[0] == "api" ? 2 : 3;
  error = page_not_found();
  if (words.size() <= at) return false;
  std::string api_version = at == 2 ? words[1] : words[1] + "/" + words[2];
  if (!serves(api_version)) return false;
  error = no_such_resource();
  bool in_namespace = words[at] == "namespaces" && words.size() >= at + 3;
  if (in_namespace) {
    asked.ns = words[at + 1];
    at += 2;
  }
  asked.kind = kind(api_version, words[at]);
  if (asked.kind == nullptr || words.size() > at + 3) return false;
  if (words.size() > at + 1) asked.name = words[at + 1];
  if (words.size() > at + 2) asked.subresource = words[at + 2];
  if (in_namespace && !asked.kind->namespaced) return false;
  if (asked.subresource == "scale") return asked.kind->scale;
  if (asked.subresource == "status") return asked.kind->status;
  if (asked.subresource == "binding") return asked.kind->qualified() == "pods";
  return asked.subresource.empty();
}

std::optional<Answer> ApiServer::refused(const net::Request& request, const Asked& asked) const {
  if (!tokens.empty()) {
    std::string_view who = request.headers.get("Authorization");
    if (!who.starts_with("Bearer ") || !tokens.contains(std::string(who.substr(7)))) {
      return failure(401, "Unauthorized", "Unauthorized");
    }
  }
  if (asked.kind == nullptr || forbid.empty()) return std::nullopt;
  bool watching = !asked.query("watch").empty();
  std::string verb = request.method == "GET"
                         ? asked.name.empty() ? watching ? "watch" : "list" : "get"
                     : request.method == "POST"   ? "create"
                     : request.method == "PUT"    ? "update"
                     : request.method == "DELETE" ? "delete"
                                                  : "patch";
  std::string what = asked.kind->plural;
  if (!asked.subresource.empty()) what += "/" + asked.subresource;
  if (!forbid.contains(verb + " " + what)) return std::nullopt;
  json details = {{"kind", asked.kind->plural}};
  if (!asked.name.empty()) details["name"] = asked.name;
  if (!asked.kind->group.empty()) details["group"] = asked.kind->group;
  return failure(
      403, "Forbidden",
      fmt::format("{}{} is forbidden: User \"test\" cannot {} resource \"{}\" in API "
                  "group \"{}\" in the namespace \"{}\"",
                  asked.kind->qualified(), asked.name.empty() ? "" : " \"" + asked.name + "\"",
                  verb, what, asked.kind->group, asked.ns),
      details);
}

void ApiServer::handle(const net::ExchangePtr& exchange) {
  const net::Request& request = exchange->request();
  requests.push_back(request.method + " " + request.target);
  if (down) return exchange->abort();
  if (fault) {
    if (auto instead = fault(request)) return respond(*exchange, *instead);
  }
  Asked asked;
  Answer error;
  bool known = take_apart(request, asked, error);
  if (auto no = refused(request, asked)) return respond(*exchange, *no);
  if (auto verdict = review(request)) return respond(*exchange, *verdict);
  std::string watch = asked.query("watch");
  bool watching = request.method == "GET" && (watch == "1" || watch == "true");
  if (known && asked.name.empty() && watching) {
    Answer no = watch_refused(asked);
    if (no.status != 200) return respond(*exchange, no);
    return start_watch(exchange, asked);
  }
  respond(*exchange, answer(request));
}

void ApiServer::respond(net::Exchange& exchange, const Answer& answer) {
  net::Headers headers;
  for (const std::string& warning : answer.warnings) {
    headers.add("Warning", "299 - " + json(warning).dump());
  }
  if (answer.retry_after >= 0) headers.add("Retry-After", std::to_string(answer.retry_after));
  bool text = !answer.text.empty();
  headers.add("Content-Type", text ? "text/plain; charset=utf-8" : "application/json");
  exchange.respond(answer.status, headers, text ? answer.text : answer.body.dump() + "\n");
}

Answer ApiServer::answer(const net::Request& request) {
  Asked asked;
  Answer error;
  if (!take_apart(request, asked, error)) {
    if (request.method != "GET" || asked.kind != nullptr) return error;
    Answer page = discovery(request.path);
    return page.status == 200 ? page : error;
  }
  const std::string& method = request.method;
  if (asked.name.empty()) {
    if (method == "GET") return list(asked);
    return method == "POST" ? create(asked) : method_not_allowed();
  }
  if (asked.subresource == "binding") {
    return method == "POST" ? bind(asked) : method_not_allowed();
  }
  if (method == "GET") return read(asked);
  if (method == "PUT") return asked.subresource == "scale" ? write_scale(asked) : replace(asked);
  if (method == "PATCH") return asked.subresource == "scale" ? write_scale(asked) : patch(asked);
  if (method == "DELETE" && asked.subresource.empty()) return remove(asked);
  return method_not_allowed();
}

Answer ApiServer::read(const Asked& asked) const {
  ObjectPtr object = store_.find(*asked.kind, asked.ns, asked.name);
  if (!object) return not_found(*asked.kind, asked.name);
  if (asked.subresource == "scale") return scale_of(asked, *object);
  if (const auto table = table_wished(*asked.http)) {
    json rows = table_of(*asked.kind, {object}, *table, net::WorldClock::wall_now());
    rows["metadata"] = {{"resourceVersion", (*object)["metadata"]["resourceVersion"]}};
    return {200, std::move(rows), "", {}};
  }
  return {200, *object, "", {}};
}

}  // namespace tidegate::live::kube
