// Routes that clients and scrapers use.

#include <fmt/format.h>

#include <algorithm>

#include "format/exposition_writer.h"
#include "live/emulator/emulator_state.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

/// The HTTP middleware of vLLM counts these not.
constexpr std::string_view kUncounted[] = {"/health", "/load", "/metrics", "/version"};

std::string_view error_type(int status) {
  switch (status) {
    case 400:
      return "BadRequestError";
    case 404:
      return "NotFoundError";
    case 405:
      return "MethodNotAllowedError";
    case 503:
      return "ServiceUnavailableError";
    default:
      return "InternalServerError";
  }
}

/// A page no parser can use: random bytes in lines.
std::string garbage(std::uint64_t seed) {
  Rng rng(seed, "garbage");
  std::string page;
  for (int i = 0; i < 4096; ++i) {
    page += i % 64 == 63 ? '\n' : static_cast<char>(rng.below(256));
  }
  return page;
}

}  // namespace

void Emulator::State::handle(const net::ExchangePtr& exchange) {
  static constexpr Route kRoutes[] = {
      {"POST", "/v1/chat/completions", Needs::kNothing, &State::on_chat},
      {"POST", "/v1/completions", Needs::kNothing, &State::on_completions},
      {"POST", "/v1/embeddings", Needs::kNothing, &State::on_embeddings},
      {"GET", "/v1/models", Needs::kNothing, &State::on_models},
      {"GET", "/health", Needs::kNothing, &State::on_health},
      {"GET", "/version", Needs::kNothing, &State::on_version},
      {"GET", "/load", Needs::kNothing, &State::on_load},
      {"GET", "/metrics", Needs::kNothing, &State::on_metrics},
      {"POST", "/v1/load_lora_adapter", Needs::kRuntimeLora, &State::on_load_lora},
      {"POST", "/v1/unload_lora_adapter", Needs::kRuntimeLora, &State::on_unload_lora},
      {"POST", "/sleep", Needs::kDevMode, &State::on_sleep},
      {"POST", "/wake_up", Needs::kDevMode, &State::on_wake_up},
      {"GET", "/is_sleeping", Needs::kDevMode, &State::on_is_sleeping},
      {"POST", "/collective_rpc", Needs::kDevMode, &State::on_collective_rpc},
      {"POST", "/reset_prefix_cache", Needs::kDevMode, &State::on_reset_prefix_cache},
  };
  if (exiting) return exchange->abort();
  const net::Request& request = exchange->request();
  const Route* found = nullptr;
  for (const Route& route : kRoutes) {
    if (route.path == request.path && available(route)) found = &route;
  }
  if (found == nullptr) return refuse(exchange, {404, error_type(404), "Not Found", {}});
  bool guarded = !options.api_key.empty() && found->path.starts_with("/v1/");
  if (guarded && request.headers.get("Authorization") != "Bearer " + options.api_key) {
    return respond(exchange, 401, R"({"error":"Unauthorized"})");
  }
  if (found->method != request.method) {
    return refuse(exchange, {405, error_type(405), "Method Not Allowed", {}});
  }
  (this->*found->handle)(exchange);
}

bool Emulator::State::available(const Route& route) const {
  switch (route.needs) {
    case Needs::kNothing:
      return true;
    case Needs::kDevMode:
      return options.dev_mode;
    case Needs::kRuntimeLora:
      return options.runtime_lora;
  }
  return false;
}

void Emulator::State::respond(const net::ExchangePtr& exchange, int status, std::string_view body,
                              std::string_view content_type) {
  const net::Request& request = exchange->request();
  if (std::find(std::begin(kUncounted), std::end(kUncounted), request.path) ==
      std::end(kUncounted)) {
    // Paths that are no route share one series: the client must not choose our labels.
    bool known = status != 404 && status != 405;
    serving->metrics().on_http(known ? request.path : "none", known ? request.method : "none",
                               status);
  }
  net::Headers headers;
  if (!content_type.empty()) headers.add("Content-Type", std::string(content_type));
  exchange->respond(status, headers, body);
}

void Emulator::State::refuse(const net::ExchangePtr& exchange, const Refusal& refusal) {
  respond(exchange, refusal.status, refusal.json());
}

void Emulator::State::on_health(const net::ExchangePtr& exchange) {
  respond(exchange, options.faults.refuse_health ? 503 : 200, "", "");
}

void Emulator::State::on_version(const net::ExchangePtr& exchange) {
  respond(exchange, 200, fmt::format(R"({{"version":"{}"}})", kVllmVersion));
}

void Emulator::State::on_load(const net::ExchangePtr& exchange) {
  std::size_t load = options.load_tracking ? serving->answers() : 0;
  respond(exchange, 200, fmt::format(R"({{"server_load":{}}})", load));
}

void Emulator::State::on_metrics(const net::ExchangePtr& exchange) {
  respond(exchange, 200, metrics_page(), format::kExpositionContentType);
}

std::string Emulator::State::metrics_page() {
  LyingMetrics lie = options.faults.lying_metrics;
  if (lie == LyingMetrics::kGarbage) return garbage(options.seed);
  if (lie == LyingMetrics::kFrozen && !frozen_page.empty()) return frozen_page;
  engine::Stats stats = serving->stats();
  PageView view;
  view.now = net::WorldClock::wall_now();
  if (sleep.sleeping()) {
    view.sleep = sleep.weights() == SleepState::Weights::kOffloaded ? SleepView::kWeightsOffloaded
                                                                    : SleepView::kDiscardAll;
  }
  auto names = [&](const std::vector<std::int32_t>& numbers) {
    std::string joined;
    for (std::int32_t number : numbers) {
      if (!joined.empty()) joined += ',';
      joined += loras.name(number);
    }
    return joined;
  };
  view.running_adapters = names(stats.running_adapters);
  view.waiting_adapters = names(stats.waiting_adapters);
  if (lie == LyingMetrics::kZero) {
    EngineMetrics blank = serving->metrics().blank();
    return blank.page({}, view);
  }
  std::string page = serving->metrics().page(stats, view);
  if (lie == LyingMetrics::kFrozen) frozen_page = page;
  return page;
}

void Emulator::State::on_models(const net::ExchangePtr& exchange) {
  std::int64_t created = net::WorldClock::wall_now().unix_nanos() / 1'000'000'000;
  std::string body = R"({"object":"list","data":[)";
  auto entry = [&](std::string_view id, std::string_view root, std::string_view parent) {
    if (body.back() == '}') body += ',';
    body += R"({"id":)";
    format::append_json_string(body, id);
    body += fmt::format(R"(,"object":"model","created":{},"owned_by":"vllm","root":)", created);
    format::append_json_string(body, root);
    body += R"(,"parent":)";
    if (parent.empty()) {
      body += "null,\"max_model_len\":" + std::to_string(serving->max_model_len());
    } else {
      format::append_json_string(body, parent);
      body += ",\"max_model_len\":null";
    }
    body += fmt::format(
        R"(,"permission":[{{"id":"modelperm-0","object":"model_permission","created":{},)"
        R"("allow_create_engine":false,"allow_sampling":true,"allow_logprobs":true,)"
        R"("allow_search_indices":false,"allow_view":true,"allow_fine_tuning":false,)"
        R"("organization":"*","group":null,"is_blocking":false}}]}})",
        created);
  };
  const std::string& base = options.served_names.front();
  for (const std::string& name : options.served_names) entry(name, base, {});
  for (const auto& lora : loras.entries()) entry(lora.module.name, lora.module.path, base);
  respond(exchange, 200, body + "]}");
}

void Emulator::State::on_chat(const net::ExchangePtr& exchange) {
  infer(exchange, format::OpenAiEndpoint::kChat);
}
void Emulator::State::on_completions(const net::ExchangePtr& exchange) {
  infer(exchange, format::OpenAiEndpoint::kCompletions);
}

void Emulator::State::on_embeddings(const net::ExchangePtr& exchange) {
  refuse(exchange, {400, error_type(400), "The model does not support Embeddings API", {}});
}

/// Counts a request against the faults; false: it is swallowed.
bool Emulator::State::take_faults(const net::ExchangePtr& exchange) {
  ++inference_requests;
  const Faults& faults = options.faults;
  if (faults.crash_after && inference_requests > *faults.crash_after) {
    net::log(net::Level::kError, "fault: crash");
    exchange->abort();
    exit_soon(kCrashCode);
    return false;
  }
  if (faults.hang_after && inference_requests > *faults.hang_after) serving->hang();
  return true;
}

void Emulator::State::infer(const net::ExchangePtr& exchange, format::OpenAiEndpoint endpoint) {
  if (!take_faults(exchange)) return;
  if (stopping) return refuse(exchange, {503, error_type(503), "The server is shutting down.", {}});
  std::string body = exchange->take_body();
  auto request = parser.parse(endpoint, body);
  if (!request) return refuse(exchange, {400, error_type(400), request.error().message, {}});
  if (!sleep.usable()) {
    const char* why = sleep.sleeping() ? "The engine is asleep: call /wake_up."
                                       : "The engine has no weights: call /collective_rpc with "
                                         "reload_weights.";
    return refuse(exchange, {500, error_type(500), why, {}});
  }
  bool stream = request->stream;
  Reply::Style style{.chat = endpoint == format::OpenAiEndpoint::kChat,
                     .stream = stream,
                     .include_usage = request->include_usage,
                     .continuous_usage = request->continuous_usage,
                     .cached_details = options.prompt_tokens_details};
  std::int64_t priority = request->priority;
  auto plan =
      plan_request(endpoint, std::move(*request), {options, loras, serving->max_model_len()});
  if (!plan) return refuse(exchange, plan.error());
  std::int64_t after = static_cast<std::int64_t>(serving->sequences() + plan->choices.size());
  if (options.max_num_queued_reqs && after > *options.max_num_queued_reqs) {
    return refuse(exchange, {503,
                             error_type(503),
                             fmt::format("The engine holds {} requests, which is its limit.",
                                         serving->sequences()),
                             {}});
  }
  std::string_view given = exchange->request().headers.get("X-Request-Id");
  style.id = style.chat ? "chatcmpl-" : "cmpl-";
  style.id += given.empty()
                  ? fmt::format("{:016x}",
                                Rng(options.seed + static_cast<std::uint64_t>(inference_requests),
                                    "request-id")
                                    .next())
                  : std::string(given);
  style.model = plan->model;
  style.created = net::WorldClock::wall_now().unix_nanos() / 1'000'000'000;
  serving->start(exchange, std::move(*plan), std::move(style), priority, exchange->request().path);
}

}  // namespace tidegate::live
