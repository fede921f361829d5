#include "live/emulator/request_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/rng.h"

namespace tidegate::live {
namespace {

constexpr std::int64_t kCompletionsMaxTokens = 16;
constexpr double kNaturalP50 = 200, kNaturalP90 = 600;

using format::OpenAiEndpoint;
using format::OpenAiRequest;

tl::unexpected<Refusal> refuse(std::string message, std::string_view param = {}) {
  return tl::unexpected<Refusal>(Refusal{.message = std::move(message), .param = param});
}

/// Which weights answer: a served name (-1), an adapter, or nobody.
tl::expected<std::int32_t, Refusal> find_model(const std::string& model,
                                               const PlanContext& context) {
  const auto& names = context.options.served_names;
  if (model.empty() || std::find(names.begin(), names.end(), model) != names.end()) return -1;
  if (auto number = context.loras.find(model)) return *number;
  return tl::unexpected<Refusal>(
      Refusal{404, "NotFoundError", fmt::format("The model `{}` does not exist.", model), "model"});
}

tl::expected<void, Refusal> check_parameters(OpenAiEndpoint endpoint, const OpenAiRequest& request,
                                             const EmulatorOptions& options) {
  if (request.prompts.empty()) {
    bool chat = endpoint == OpenAiEndpoint::kChat;
    return refuse(chat ? "messages must not be empty" : "prompt must not be empty",
                  chat ? "messages" : "prompt");
  }
  if (request.n != 1) {
    return refuse(fmt::format("n must be 1 on an emulated engine, got {}.", request.n), "n");
  }
  if (request.echo) return refuse("echo is not emulated.", "echo");
  if (request.max_tokens && *request.max_tokens < 1) {
    return refuse(fmt::format("max_tokens must be at least 1, got {}.", *request.max_tokens),
                  "max_tokens");
  }
  if (request.include_usage && !request.stream) {
    return refuse("Stream options can only be defined when `stream=True`.", "stream_options");
  }
  if (request.priority != 0 && !options.priority_scheduling) {
    return refuse(
        fmt::format("Got priority {} but Priority scheduling is not enabled.", request.priority),
        "priority");
  }
  return {};
}

tl::expected<void, Refusal> check_length(const OpenAiRequest& request, std::int64_t prompt,
                                         std::int64_t context) {
  if (prompt >= context) {
    return refuse(
        fmt::format("This model's maximum context length is {} tokens. However, your "
                    "request has {} input tokens. Please reduce the length of the input "
                    "messages.",
                    context, prompt));
  }
  if (request.max_tokens && *request.max_tokens > context - prompt) {
    return refuse(
        fmt::format("'max_tokens' or 'max_completion_tokens' is too large: {}. This "
                    "model's maximum context length is {} tokens and your request has {} "
                    "input tokens ({} > {} - {}).",
                    *request.max_tokens, context, prompt, *request.max_tokens, context, prompt),
        "max_tokens");
  }
  return {};
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = (a ^ (b * 0x9E3779B97F4A7C15ULL)) + 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;  // splitmix64
  return z ^ (z >> 31);
}

PlannedChoice plan_choice(OpenAiEndpoint endpoint, const OpenAiRequest& request,
                          format::OpenAiPrompt& prompt, std::int32_t adapter,
                          const PlanContext& context) {
  PlannedChoice choice;
  choice.prompt = prompt.tokens;
  choice.prefix = std::move(prompt.prefix);
  std::uint64_t tail = choice.prefix.empty() ? 0 : choice.prefix.back();
  choice.text_seed =
      mix(mix(context.options.seed, tail), static_cast<std::uint64_t>(prompt.tokens.value()) ^
                                               static_cast<std::uint64_t>(adapter + 1) << 40);
  // An adapter's KV is its own.
  if (adapter >= 0) {
    for (auto& hash : choice.prefix) hash = mix(hash, static_cast<std::uint64_t>(adapter) + 1);
  }
  std::int64_t room = context.max_model_len - prompt.tokens.value();
  if (request.max_tokens) {
    choice.output = Tokens(*request.max_tokens);
  } else if (endpoint == OpenAiEndpoint::kCompletions) {
    choice.output = Tokens(std::min(kCompletionsMaxTokens, room));
  } else if (request.ignore_eos) {
    choice.output = Tokens(room);
  } else {
    Rng rng(choice.text_seed, "answer-length");
    double drawn = rng.lognormal_p50_p90(kNaturalP50, kNaturalP90);
    auto natural = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::min(drawn, 1e9)));
    choice.output = Tokens(std::min(natural, room));
    if (natural <= room) choice.reason = FinishReason::kStop;
  }
  return choice;
}

}  // namespace

tl::expected<RequestPlan, Refusal> plan_request(OpenAiEndpoint endpoint, OpenAiRequest request,
                                                const PlanContext& context) {
  auto adapter = find_model(request.model, context);
  if (!adapter) return tl::unexpected(adapter.error());
  if (auto ok = check_parameters(endpoint, request, context.options); !ok) {
    return tl::unexpected(ok.error());
  }
  RequestPlan plan;
  plan.model = request.model.empty() ? context.options.served_names.front() : request.model;
  plan.adapter = *adapter;
  plan.max_tokens = request.max_tokens.value_or(0);
  for (auto& prompt : request.prompts) {
    if (auto ok = check_length(request, prompt.tokens.value(), context.max_model_len); !ok) {
      return tl::unexpected(ok.error());
    }
    plan.choices.push_back(plan_choice(endpoint, request, prompt, plan.adapter, context));
  }
  return plan;
}

}  // namespace tidegate::live
