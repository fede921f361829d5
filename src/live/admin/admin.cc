#include "live/admin/admin.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "format/spec_yaml.h"
#include "live/admin/dashboard.h"

namespace tidegate::live {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kMaxBody = 64 << 10;
constexpr std::size_t kMaxDecisions = 1000;
constexpr std::string_view kApi = "/api/v1/";

void answer(const net::ExchangePtr& x, int status, std::string_view type, std::string_view body) {
  net::Headers headers;
  headers.add("Content-Type", std::string(type));
  headers.add("Cache-Control", "no-store");
  headers.add("X-Content-Type-Options", "nosniff");
  x->respond(status, headers, body);
}
void answer_json(const net::ExchangePtr& x, const std::string& json) {
  answer(x, 200, "application/json", json);
}
void answer_error(const net::ExchangePtr& x, int status, const std::string& message) {
  answer(x, status, "application/json", Json{{"error", {{"message", message}}}}.dump());
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^
                  static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()]);
  }
  return difference == 0;
}

/// localhost or an IP literal: a name somebody else's DNS can point at us is neither.
bool host_is_ours(std::string_view host) {
  if (host.empty()) return true;  // HTTP/1.0
  std::string name(host);
  if (name.front() == '[') {
    name = name.substr(1, name.find(']') - 1);
  } else if (auto colon = name.rfind(':'); colon != std::string::npos) {
    name.resize(colon);
  }
  unsigned char buffer[16];
  return name == "localhost" || inet_pton(AF_INET, name.c_str(), buffer) == 1 ||
         inet_pton(AF_INET6, name.c_str(), buffer) == 1;
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto slash = path.find('/');
    parts.emplace_back(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return parts;
}

/// The operator's word from a POST body; an error names the key, the value seen and the form
/// wanted.
Result<control::OperatorSaid> parse_said(const std::string& verb, const std::string& body) {
  Json in = body.empty() ? Json::object() : Json::parse(body, nullptr, false);
  if (!in.is_object()) return fail("the body is not a JSON object");
  control::OperatorSaid said;
  if (verb == "pause") {
    said.said = control::Said::kPause;
  } else if (verb == "resume") {
    said.said = control::Said::kResume;
    if (in.contains("for") && !in["for"].is_null()) {
      if (!in["for"].is_string()) return fail("\"for\" is a duration such as \"2h\"");
      auto lasting = format::parse_duration(in["for"].get<std::string>());
      if (!lasting) return fail(lasting.error().within("\"for\""));
      if (*lasting <= Duration(0)) return fail("\"for\" must be above zero");
      said.lasting = *lasting;
    }
  } else {
    said.said = control::Said::kScale;
    if (!in.contains("replicas") || !in["replicas"].is_number_integer()) {
      return fail("\"replicas\" is missing or not a whole number");
    }
    said.replicas = in["replicas"].get<std::int64_t>();
    if (in.contains("variant") && !in["variant"].is_string())
      return fail("\"variant\" is not a string");
    said.variant = in.value("variant", "");
  }
  return said;
}

}  // namespace

struct AdminServer::State {
  AdminApi api;
  AdminOptions options;
  std::vector<std::unique_ptr<net::HttpServer>> servers;
  net::Loop& loop;

  State(net::Loop& l, AdminApi a, AdminOptions o)
      : api(std::move(a)), options(std::move(o)), loop(l) {}

  bool allowed(const net::Request& request) const {
    if (options.token.empty()) return true;
    constexpr std::string_view kBearer = "Bearer ";
    std::string_view header = request.headers.get("Authorization");
    return header.starts_with(kBearer) &&
           equal_constant_time(header.substr(kBearer.size()), options.token);
  }

  /// True where the request was one for probes and metrics, and is answered.
  bool probe(const net::ExchangePtr& x) {
    const auto& path = x->request().path;
    if (path == "/healthz") {
      answer(x, 200, "text/plain; charset=utf-8", "ok\n");
    } else if (path == "/readyz") {
      const bool ready = api.ready();
      std::string text = ready ? "ok\n" : "not ready\n";
      if (std::string detail = api.ready_detail ? api.ready_detail() : ""; !detail.empty()) {
        text += detail + "\n";
      }
      answer(x, ready ? 200 : 503, "text/plain; charset=utf-8", std::move(text));
    } else if (path == "/metrics") {
      answer(x, 200, "text/plain; version=0.0.4; charset=utf-8", api.metrics_text());
    } else {
      return false;
    }
    return true;
  }

  void handle(const net::ExchangePtr& x) {
    const auto& request = x->request();
    if (!host_is_ours(request.headers.get("Host"))) {
      return answer_error(x, 421, "the Host header must be an IP address or localhost");
    }
    if (probe(x)) return;
    if (request.path == "/" && (request.method == "GET" || request.method == "HEAD")) {
      return answer(x, 200, "text/html; charset=utf-8", dashboard_html());
    }
    if (!request.path.starts_with(kApi))
      return answer_error(x, 404, "no such path: " + request.path);
    if (!allowed(request)) {
      return answer_error(x, 401,
                          "the admin token is missing or wrong (Authorization: Bearer ...)");
    }
    auto parts = split_path(std::string_view(request.path).substr(kApi.size()));
    if (parts.size() == 1 && parts[0] == "status") return answer_json(x, api.status_json());
    if (parts.size() == 4) {  // a model of one of several namespaces: NAMESPACE/NAME
      parts[1] += "/" + parts[2];
      parts.erase(parts.begin() + 2);
    }
    if (parts.size() == 3 && parts[0] == "models" && parts[2] == "decisions") {
      return decisions(x, parts[1]);
    }
    if (parts.size() == 3 && parts[0] == "models" &&
        (parts[2] == "scale" || parts[2] == "pause" || parts[2] == "resume")) {
      return say(x, parts[1], parts[2]);
    }
    answer_error(x, 404, "no such path: " + request.path);
  }

  void decisions(const net::ExchangePtr& x, const std::string& model) {
    const auto& query = x->request().query;
    std::size_t limit = 20;
    if (auto text = net::query_value(query, "limit"); !text.empty()) {
      char* end = nullptr;
      limit = std::strtoul(text.c_str(), &end, 10);
      if (*end != '\0' || limit < 1 || limit > kMaxDecisions) {
        return answer_error(
            x, 400, fmt::format("limit \"{}\": a number from 1 to {}", text, kMaxDecisions));
      }
    }
    std::optional<WallTime> until;
    if (auto text = net::query_value(query, "until"); !text.empty()) {
      auto parsed = parse_wall_time(text);
      if (!parsed) return answer_error(x, 400, parsed.error().message);
      until = *parsed;
    }
    auto json = api.decisions_json(model, limit, until);
    if (!json) return answer_error(x, 404, json.error().message);
    answer_json(x, *json);
  }

  void say(const net::ExchangePtr& x, const std::string& model, const std::string& verb) {
    const auto& request = x->request();
    if (request.method != "POST") return answer_error(x, 405, verb + " is a POST");
    if (!request.headers.get("Content-Type").starts_with("application/json")) {
      return answer_error(x, 415, "Content-Type must be application/json");
    }
    auto said = parse_said(verb, request.body);
    if (!said) return answer_error(x, 400, said.error().message);
    if (auto done = api.say(model, *said); !done) return answer_error(x, 404, done.error().message);
    answer_json(x, R"({"ok":true})");
  }

  Result<net::Address> listen(const net::Address& address, bool probes_only) {
    net::Limits limits;
    limits.max_body_bytes = kMaxBody;
    limits.max_connections = 1000;
    auto server = std::make_unique<net::HttpServer>(
        loop, limits, [this, probes_only](const net::ExchangePtr& x) {
          if (!probes_only) return handle(x);
          if (!probe(x)) answer_error(x, 404, "probes and metrics only");
        });
    auto bound = server->listen(address);
    if (bound) servers.push_back(std::move(server));
    return bound;
  }
};

AdminServer::AdminServer(net::Loop& loop, AdminApi api, AdminOptions options)
    : state_(std::make_shared<State>(loop, std::move(api), std::move(options))) {}
AdminServer::~AdminServer() = default;

Result<net::Address> AdminServer::listen(const net::Address& address) {
  if (!is_loopback(address.host) && state_->options.token.empty()) {
    return fail(
        fmt::format("admin address {} is not loopback: set TIDEGATE_ADMIN_TOKEN, or listen on "
                    "127.0.0.1",
                    address.text()));
  }
  return state_->listen(address, false);
}

Result<net::Address> AdminServer::listen_probes(const net::Address& address) {
  return state_->listen(address, true);
}

void AdminServer::drain() {
  for (auto& server : state_->servers) server->drain();
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace tidegate::live
