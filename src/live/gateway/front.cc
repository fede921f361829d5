#include "live/gateway/front.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/base/ascii.h"
#include "live/gateway/forwarding.h"
#include "live/net/log.h"
#include "live/net/percent.h"

namespace tidegate::live {

using format::OpenAiEndpoint;

namespace {

struct Route {
  std::string_view path;
  OpenAiEndpoint endpoint;
};
constexpr Route kRoutes[] = {{"/v1/chat/completions", OpenAiEndpoint::kChat},
                             {"/v1/completions", OpenAiEndpoint::kCompletions},
                             {"/v1/embeddings", OpenAiEndpoint::kEmbeddings}};
constexpr std::string_view kModels = "/v1/models";
constexpr std::int64_t kCompletionsDefaultTokens = 16;  // OpenAI's default of max_tokens there

std::string no_such_model(std::string_view name) {
  return "The model \"" + std::string(name) +
         "\" does not exist; GET /v1/models lists those served.";
}

std::string unknown_path(const std::string& path) {
  std::string known;
  for (const Route& route : kRoutes) known += std::string(route.path) + ", ";
  return "Unknown path: " + path + "; here are " + known + std::string(kModels) +
         " (health and metrics: the admin address).";
}

/// FNV-1a; never 0, which means "no tenant".
std::uint64_t tenant_hash(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return hash | 1;
}

/// Output a client allows; 0: not said.
std::int64_t max_output(OpenAiEndpoint endpoint, const format::OpenAiRequest& body) {
  std::int64_t limit = std::max<std::int64_t>(0, body.max_tokens.value_or(0));
  if (endpoint == OpenAiEndpoint::kEmbeddings) return 1;
  if (endpoint == OpenAiEndpoint::kCompletions && !body.max_tokens)
    limit = kCompletionsDefaultTokens;
  std::int64_t choices = std::clamp<std::int64_t>(body.n, 1, 128);
  return std::min<std::int64_t>(limit, 1LL << 40) * choices;
}

}  // namespace

std::optional<Duration> parse_deadline(std::string_view text) {
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  double factor = unit.empty() || unit == "s" ? 1
                  : unit == "ms"              ? 1e-3
                  : unit == "m"               ? 60
                  : unit == "h"               ? 3600
                                              : 0;
  number *= factor;
  if (!(number > 0) || number > to_seconds(kMaxDeadline)) return std::nullopt;
  return seconds_f(number);
}

Result<std::int64_t> parse_priority(std::string_view text, const spec::Model& model) {
  const auto& classes = model.priority_classes;
  if (classes.empty()) return 0;
  std::string_view wanted = text.empty() ? "default" : text;
  std::string names;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (classes[i].name == wanted) return static_cast<std::int64_t>(i);
    names += (i == 0 ? "" : ", ") + classes[i].name;
  }
  if (text.empty()) return 0;
  return fail("x-tidegate-priority: no class \"" + std::string(text) + "\"; there are: " + names);
}

Front::Front(const net::WorldClock& clock)
    : clock_(clock),
      id_salt_(static_cast<std::uint64_t>(net::WorldClock::wall_now().unix_nanos())),
      created_(net::WorldClock::wall_now().unix_nanos() / 1'000'000'000) {}

void Front::serve(std::vector<Lane*> lanes) {
  lanes_ = std::move(lanes);
  served_.clear();
  auto claim = [this](const std::string& name, Lane* lane, bool adapter) {
    auto [it, fresh] = served_.try_emplace(name, Served{lane, adapter});
    if (fresh || it->second.lane == lane) return;
    net::log(
        net::Level::kWarn, "served name is taken by another model",
        {{"name", name}, {"model", lane->model().name}, {"by", it->second.lane->model().name}});
  };
  for (Lane* lane : lanes_) {
    for (const auto& name : lane->model().served_names) claim(name, lane, false);
    for (const auto& adapter : lane->model().adapters) claim(adapter.name, lane, true);
  }
}

void Front::refuse(net::Exchange& exchange, const ClientFault& fault, std::string_view request_id) {
  ++refused_[fault.status];
  answer_fault(exchange, fault, request_id);
}

std::string Front::request_id(const net::Headers& headers) {
  std::string_view given = headers.get(kRequestIdHeader);
  if (sane_request_id(given)) return std::string(given);
  // splitmix64 of a counter: distinct in a process, unlikely to meet across restarts.
  std::uint64_t x = id_salt_ + ++ids_ * 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  char text[19] = "tg-";
  std::to_chars_result end = std::to_chars(text + 3, text + sizeof text, x ^ (x >> 31), 16);
  return std::string(text, end.ptr);
}

void Front::handle(const net::ExchangePtr& exchange) {
  const net::Request& request = exchange->request();
  const std::string& path = request.path;
  bool one_model = path.starts_with("/v1/models/");
  if (path == kModels || one_model) {
    if (request.method != "GET") {
      return refuse(*exchange, {405, "This path takes GET.", "GET", {}},
                    request_id(request.headers));
    }
    // Clients write the slash of org/model as %2F.
    return list_models(
        *exchange,
        one_model ? net::percent_decode(std::string_view(path).substr(kModels.size() + 1)) : "");
  }
  for (const Route& route : kRoutes) {
    if (path != route.path) continue;
    if (request.method != "POST") {
      return refuse(*exchange, {405, "This path takes POST.", "POST", {}},
                    request_id(request.headers));
    }
    return infer(exchange, route.endpoint);
  }
  refuse(*exchange, {404, unknown_path(path), {}, {}}, request_id(request.headers));
}

std::string Front::model_json(const std::string& name, const Served& served) const {
  std::string json = "{\"id\":";
  format::append_json_string(json, name);
  json += ",\"object\":\"model\",\"created\":" + std::to_string(created_) +
          ",\"owned_by\":\"tidegate\"";
  if (served.adapter) {
    json += ",\"parent\":";
    format::append_json_string(json, served.lane->engine_name());
  }
  return json + "}";
}

void Front::list_models(net::Exchange& exchange, std::string_view only) {
  std::string_view key = bearer(exchange.request().headers);
  net::Headers headers;
  headers.add("Content-Type", "application/json");
  const std::string id = request_id(exchange.request().headers);
  headers.add(std::string(kRequestIdHeader), id);
  std::string list;
  bool hidden = false;
  for (const auto& [name, served] : served_) {
    if (check_key(served.lane, key)) {
      hidden = true;
      continue;
    }
    if (name == only) return exchange.respond(200, headers, model_json(name, served));
    list += (list.empty() ? "" : ",") + model_json(name, served);
  }
  if (list.empty() && hidden) return refuse(exchange, *check_key(nullptr, key), id);
  if (!only.empty()) {
    return refuse(exchange, {404, no_such_model(only), "model", "model_not_found"}, id);
  }
  exchange.respond(200, headers, "{\"object\":\"list\",\"data\":[" + list + "]}");
}

/// Null lane: no model was found. Who holds no key at all learns nothing about what exists.
Front::Fault Front::check_key(const Lane* lane, std::string_view key) const {
  auto opens = [&](const Lane* l) {
    return !l->guarded() || match_key(l->client_keys(), key) >= 0;
  };
  bool good = lane != nullptr ? opens(lane)
                              : lanes_.empty() || std::any_of(lanes_.begin(), lanes_.end(), opens);
  if (good) return std::nullopt;
  return ClientFault{401,
                     key.empty() ? "An API key is needed: Authorization: Bearer KEY."
                                 : "The API key is not valid for this model.",
                     {},
                     "invalid_api_key"};
}

Front::Fault Front::find_lane(const format::OpenAiRequest& body, std::string_view key,
                              Served& served) const {
  auto it = served_.find(body.model);
  if (auto fault = check_key(it == served_.end() ? nullptr : it->second.lane, key)) return fault;
  if (body.model.empty()) {
    return ClientFault{400, "You must say which model: \"model\" is missing.", "model", {}};
  }
  if (it == served_.end()) {
    return ClientFault{404, no_such_model(body.model), "model", "model_not_found"};
  }
  served = it->second;
  return std::nullopt;
}

Front::Fault Front::read_headers(const net::Headers& headers, const Lane& lane,
                                 route::Arrived& arrived) const {
  auto priority = parse_priority(headers.get("x-tidegate-priority"), lane.model());
  if (!priority) return ClientFault{400, priority.error().message, "x-tidegate-priority", {}};
  arrived.priority = *priority;
  if (headers.has("x-tidegate-deadline")) {
    auto deadline = parse_deadline(headers.get("x-tidegate-deadline"));
    if (!deadline) {
      return ClientFault{400,
                         "x-tidegate-deadline: \"" +
                             std::string(headers.get("x-tidegate-deadline")) +
                             "\" is not a time above zero and up to 24h, as 2.5, 500ms or 2m",
                         "x-tidegate-deadline",
                         {}};
    }
    arrived.deadline = clock_.now() + *deadline;
  }
  // A key is who pays; a header is only a claim, and counts where there are no keys.
  std::string_view tenant = lane.guarded() ? bearer(headers) : headers.get("x-tidegate-tenant");
  arrived.tenant = tenant.empty() ? 0 : tenant_hash(tenant);
  return std::nullopt;
}

void Front::infer(const net::ExchangePtr& exchange, OpenAiEndpoint endpoint) {
  const Instant now = clock_.now();
  const net::Request& request = exchange->request();
  Forward forward;
  forward.request_id = request_id(request.headers);
  auto refuse_with = [&](const ClientFault& f) { refuse(*exchange, f, forward.request_id); };

  if (auto coding = request.headers.get("content-encoding");
      !coding.empty() && !ascii::equal_ignoring_case(coding, "identity")) {
    return refuse_with({415,
                        "Content-Encoding: \"" + std::string(coding) +
                            "\" is not read here; send the body as it is.",
                        {},
                        {}});
  }
  std::string body = exchange->take_body();
  auto parsed = parser_.parse(endpoint, body, format::PrefixHashing::kOff);
  if (!parsed) return refuse_with({400, parsed.error().message, {}, {}});
  Served served;
  if (auto fault = find_lane(*parsed, bearer(request.headers), served)) return refuse_with(*fault);
  Lane& lane = *served.lane;
  auto limit =
      static_cast<std::size_t>(std::max<std::int64_t>(0, lane.model().queue.max_body_bytes));
  if (body.size() > limit) {
    return refuse_with({413,
                        "The body has " + std::to_string(body.size()) +
                            " bytes; this model takes " + std::to_string(limit) + ".",
                        {},
                        {}});
  }
  route::Arrived arrived;
  if (auto fault = read_headers(request.headers, lane, arrived)) return refuse_with(*fault);
  arrived.prompt = parsed->prompt_tokens;
  arrived.max_output = Tokens(max_output(endpoint, *parsed));
  if (served.adapter) arrived.adapter = parsed->model;
  if (!served.adapter && parsed->model != lane.engine_name()) {
    body = format::with_model(body, *parsed, lane.engine_name());
  }
  arrived.bytes = static_cast<std::int64_t>(body.size());

  forward.path = request.query.empty() ? request.path : request.path + "?" + request.query;
  forward.headers = to_engine(request.headers, lane.upstream_key(), forward.request_id);
  forward.body = std::make_shared<const std::string>(std::move(body));
  forward.stream = parsed->stream;
  auto relay = std::make_shared<Relay>(lane, exchange, std::move(forward), now);
  relay->begin(arrived);
}

}  // namespace tidegate::live
