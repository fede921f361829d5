#include "live/load/endpoint.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "format/exposition_signals.h"
#include "format/openai_sse.h"

namespace tidegate::live {
namespace {

using nlohmann::json;
using signal::SignalId;

constexpr std::int64_t kFewWords = 64, kManyWords = 512, kProbeAnswer = 8;
constexpr std::size_t kMostOfAPage = 16U << 20;
constexpr std::size_t kMostOfAMessage = 200;  ///< of an engine's error, in ours

std::string base_of(const net::Url& url) {
  std::string base = url.path;
  while (!base.empty() && base.back() == '/') base.pop_back();
  if (base.ends_with("/v1")) base.resize(base.size() - 3);
  return base;
}

std::string words_of_an_error(const std::string& body) {
  json parsed = json::parse(body, nullptr, /*allow_exceptions=*/false);
  std::string text = body.starts_with('<') ? "" : body;  // a page for browsers
  if (parsed.is_object()) {
    const json& error = parsed.contains("error") ? parsed["error"] : parsed;
    if (error.is_string()) text = error.get<std::string>();
    if (error.is_object() && error.contains("message") && error["message"].is_string())
      text = error["message"].get<std::string>();
  }
  return text.substr(0, kMostOfAMessage);
}

Error refused(const std::string& what, const net::Response& response) {
  std::string message = what + ": status " + std::to_string(response.status);
  if (response.status == 401 || response.status == 403) {
    return {message + ": it wants a key: --api-key-env NAME of the variable that holds one"};
  }
  if (std::string words = words_of_an_error(response.body); !words.empty()) message += ": " + words;
  return {std::move(message)};
}

std::int64_t whole(double value) {
  return std::isfinite(value) && value >= 1 && value < 1e15 ? static_cast<std::int64_t>(value) : 0;
}
double gauge_or_unknown(const signal::Page& page, SignalId id) {
  const double value = page.value(id);
  return value >= 0 ? value : -1;  // NaN: not on the page
}

signal::Page page_of(std::string_view text, signal::DialectId id) {
  const format::PageReader reader(signal::dialect(id), signal::HistogramSet());
  signal::Page page(reader.dialect());
  reader.read(text, format::TextFormat::kPrometheus, page);
  return page;
}

std::string_view engine_name(signal::DialectId id) {
  switch (id) {
    case signal::DialectId::kVllm:
      return "vLLM";
    case signal::DialectId::kSglang:
      return "SGLang";
    case signal::DialectId::kTgi:
      return "TGI";
    case signal::DialectId::kTrtllm:
      return "TensorRT-LLM";
    case signal::DialectId::kTriton:
      return "Triton";
    case signal::DialectId::kLlamaCpp:
      return "llama.cpp";
    case signal::DialectId::kDynamo:
      return "Dynamo";
    case signal::DialectId::kEpp:
    case signal::DialectId::kDcgm:
      break;
  }
  return "";
}

class Asker {
 public:
  Asker(const EndpointAccess& access, std::uint64_t unique, Duration timeout)
      : access_(access), unique_(unique), timeout_(timeout), where_(access.url.address.text()) {}

  Result<EndpointFacts> ask() {
    if (auto got = models(); !got) return fail(got.error());
    metrics();
    version();
    if (auto got = probe(); !got) return fail(got.error());
    return facts_;
  }

 private:
  Result<net::Response> get(std::string_view path) {
    return net::fetch_blocking(endpoint_request(access_, path), timeout_);
  }
  Result<void> models() {
    const std::string what = "GET /v1/models of " + where_;
    auto response = get("/v1/models");
    if (!response) return fail(response.error().within(what));
    facts_.model = access_.model;
    if (response->status != 200) {
      // Some front ends list nothing; a model that was named is enough.
      if (facts_.model.empty() || response->status == 401 || response->status == 403)
        return fail(refused(what, *response));
      return {};
    }
    json list = json::parse(response->body, nullptr, /*allow_exceptions=*/false);
    if (list.is_object() && list.contains("data") && list["data"].is_array()) {
      for (const json& model : list["data"]) {
        if (!model.is_object() || !model.contains("id") || !model["id"].is_string()) continue;
        const std::string id = model["id"].get<std::string>();
        if (facts_.model.empty()) facts_.model = id;
        if (id != facts_.model) continue;
        if (model.contains("max_model_len") && model["max_model_len"].is_number())
          facts_.max_model_len = whole(model["max_model_len"].get<double>());
        break;
      }
    }
    if (facts_.model.empty()) return fail(what + ": no model is listed; name one with --model");
    return {};
  }
  void version() {
    auto response = get("/version");
    if (!response || response->status != 200) return;
    json said = json::parse(response->body, nullptr, /*allow_exceptions=*/false);
    if (!said.is_object() || !said.contains("version") || !said["version"].is_string()) return;
    facts_.engine += (facts_.engine.empty() ? "engine " : " ") + said["version"].get<std::string>();
  }
  void metrics() {
    auto response = get("/metrics");
    if (!response || response->status != 200) return;
    facts_.dialect = format::detect_dialect(response->body);
    if (!facts_.dialect) return;
    facts_.engine = engine_name(*facts_.dialect);
    const signal::Page page = page_of(response->body, *facts_.dialect);
    facts_.block_size = whole(page.value(SignalId::kKvBlockTokens));
    facts_.kv_tokens = whole(page.value(SignalId::kKvTotalTokens));
    if (facts_.kv_tokens == 0)
      facts_.kv_tokens = whole(page.value(SignalId::kKvTotalBlocks)) * facts_.block_size;
    facts_.max_num_seqs = whole(page.value(SignalId::kMaxNumSeqs));
    facts_.max_num_batched_tokens = whole(page.value(SignalId::kMaxNumBatchedTokens));
  }
  Result<format::SseScanner::Seen> stream(std::int64_t words) {
    EndpointAccess named = access_;
    named.model = facts_.model;
    const std::string what = "a first request to " + where_;
    net::ClientRequest request =
        completion_request(named, words, kProbeAnswer, ++unique_, facts_.end_of_text);
    auto response = net::fetch_blocking(std::move(request), timeout_);
    if (!response) return fail(response.error().within(what));
    if ((response->status == 400 || response->status == 422) &&
        facts_.end_of_text == EndOfText::kIgnored) {
      facts_.end_of_text = EndOfText::kHonoured;
      return stream(words);
    }
    if (response->status != 200) return fail(refused(what, *response));
    format::SseScanner scan;
    scan.feed(response->body);
    const auto& seen = scan.seen();
    if (seen.events == 0) {
      return fail(what + ": no stream came back, but \"" + response->body.substr(0, 80) +
                  "\"; calibration needs an endpoint that streams");
    }
    if (seen.error) return fail(what + ": an error inside the stream");
    if (seen.content_events < 2) {
      return fail(what + ": " + std::to_string(kProbeAnswer) + " tokens asked for, " +
                  std::to_string(seen.content_events) +
                  " pieces came; calibration needs an endpoint that streams token by token");
    }
    return seen;
  }
  Result<void> probe() {
    auto few = stream(kFewWords);
    if (!few) return fail(few.error());
    auto many = stream(kManyWords);
    if (!many) return fail(many.error());
    if (!few->usage || !many->usage) return {};
    const auto a = static_cast<double>(few->usage->prompt_tokens);
    const auto b = static_cast<double>(many->usage->prompt_tokens);
    const double per_word = (b - a) / static_cast<double>(kManyWords - kFewWords);
    if (!(a >= 1 && per_word >= 0.1 && per_word <= 20)) {
      return fail("prompts of " + std::to_string(kFewWords) + " and " + std::to_string(kManyWords) +
                  " words count as " + std::to_string(few->usage->prompt_tokens) + " and " +
                  std::to_string(many->usage->prompt_tokens) +
                  " tokens there; that cannot be calibrated");
    }
    facts_.counts_tokens = true;
    facts_.prompt_tokens_per_word = per_word;
    facts_.prompt_tokens_fixed = a - per_word * static_cast<double>(kFewWords);
    return {};
  }

  const EndpointAccess& access_;
  std::uint64_t unique_;
  Duration timeout_;
  std::string where_;
  EndpointFacts facts_;
};

}  // namespace

net::ClientRequest endpoint_request(const EndpointAccess& access, std::string_view path) {
  net::ClientRequest request;
  request.address = access.url.address;
  request.path = base_of(access.url).append(path);
  request.max_response_bytes = kMostOfAPage;
  if (!access.api_key.empty()) request.headers.add("Authorization", "Bearer " + access.api_key);
  return request;
}

net::ClientRequest completion_request(const EndpointAccess& access, std::int64_t prompt_words,
                                      std::int64_t output, std::uint64_t unique,
                                      EndOfText end_of_text) {
  const bool chat = access.endpoint == LoadEndpoint::kChat;
  net::ClientRequest request =
      endpoint_request(access, chat ? "/v1/chat/completions" : "/v1/completions");
  request.max_response_bytes = 0;
  request.method = "POST";
  request.headers.add("Content-Type", "application/json");
  request.headers.add("Accept", "text/event-stream");
  workload::TraceRequest what;
  what.prompt = Tokens(std::max<std::int64_t>(1, prompt_words));
  what.output = Tokens(output);
  request.body = request_body(access.endpoint, access.model, what, unique, end_of_text);
  return request;
}

std::int64_t EndpointFacts::words_of(std::int64_t tokens) const {
  const double words = (static_cast<double>(tokens) - prompt_tokens_fixed) / prompt_tokens_per_word;
  return std::max<std::int64_t>(1, std::llround(words));
}

Result<EndpointFacts> ask_endpoint(const EndpointAccess& access, std::uint64_t unique,
                                   Duration timeout) {
  return Asker(access, unique, timeout).ask();
}

EndpointReading read_metrics(std::string_view text, signal::DialectId dialect) {
  const signal::Page page = page_of(text, dialect);
  EndpointReading out;
  out.sample = {gauge_or_unknown(page, SignalId::kRunningRequests),
                gauge_or_unknown(page, SignalId::kWaitingRequests),
                gauge_or_unknown(page, SignalId::kKvUsage)};
  for (auto [all, cached] : {std::pair(SignalId::kPrefixQueryTokens, SignalId::kPrefixHitTokens),
                             std::pair(SignalId::kPromptTokens, SignalId::kCachedPromptTokens)}) {
    const double queries = page.value(all), hits = page.value(cached);
    if (!(queries >= 0 && hits >= 0)) continue;
    out.cache = {queries, hits};
    break;
  }
  return out;
}

}  // namespace tidegate::live
