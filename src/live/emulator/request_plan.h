#pragma once
// What an emulated engine will do with a request, or the error vLLM would answer. Pure.
//
//   auto plan = plan_request(OpenAiEndpoint::kChat, std::move(*request), context);
//   if (!plan) answer(plan.error().status, plan.error().json());
//
// Length of an answer: `max_tokens` exactly, where it is given (finish_reason "length");
// completions default to 16; a chat without it ends by itself ("stop") after a length drawn from
// the seed and the prompt, median 200 and 90th percentile 600, or runs to the context's end with
// ignore_eos. `stop` strings never match the made-up words, so they change nothing.

#include <string>
#include <string_view>
#include <vector>

#include "format/openai.h"
#include "live/emulator/lora.h"
#include "live/emulator/metrics.h"
#include "live/emulator/options.h"

namespace tidegate::live {

struct Refusal {
  int status = 400;
  std::string_view type = "BadRequestError";
  std::string message;
  std::string_view param;
  std::string json() const { return format::vllm_error_json(message, type, status, param); }
};

struct PlannedChoice {
  Tokens prompt, output;
  FinishReason reason = FinishReason::kLength;
  std::uint64_t text_seed = 0;
  std::vector<std::uint64_t> prefix;
};

struct RequestPlan {
  std::string model;  ///< as the answer names it
  std::int32_t adapter = -1;
  std::int64_t max_tokens = 0;  ///< as the request said; 0: it did not
  std::vector<PlannedChoice> choices;
};

struct PlanContext {
  const EmulatorOptions& options;
  const LoraBook& loras;
  std::int64_t max_model_len = 0;
};

tl::expected<RequestPlan, Refusal> plan_request(format::OpenAiEndpoint endpoint,
                                                format::OpenAiRequest request,
                                                const PlanContext& context);

}  // namespace tidegate::live
