#include "live/emulator/request_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidegate::live {
namespace {

using format::OpenAiEndpoint;
using ::testing::HasSubstr;

struct World {
  EmulatorOptions options;
  LoraBook loras;
  World() {
    options.served_names = {"base", "alias"};
    EXPECT_TRUE(loras.add({"sql", "/sql"}));
  }
  tl::expected<RequestPlan, Refusal> plan(OpenAiEndpoint endpoint, std::string body) {
    auto request = format::OpenAiParser().parse(endpoint, body);
    EXPECT_TRUE(request) << body;
    return plan_request(endpoint, std::move(*request), {options, loras, 1000});
  }
};

std::string chat(const std::string& more) {
  return R"({"messages":[{"role":"user","content":"hello"}])" + more + "}";
}

TEST(RequestPlan, RefusesAsVllmDoes) {
  struct Row {
    const char* what;
    OpenAiEndpoint endpoint;
    std::string body;
    int status;
    const char* says;
  };
  std::string long_prompt(4000, 'x');
  const Row rows[] = {
      {"a model nobody serves", OpenAiEndpoint::kChat, chat(R"(,"model":"other")"), 404,
       "The model `other` does not exist."},
      {"no messages", OpenAiEndpoint::kChat, "{}", 400, "messages"},
      {"no prompt", OpenAiEndpoint::kCompletions, "{}", 400, "prompt"},
      {"several answers", OpenAiEndpoint::kChat, chat(R"(,"n":2)"), 400, "n must be 1"},
      {"no token", OpenAiEndpoint::kChat, chat(R"(,"max_tokens":0)"), 400, "at least 1"},
      {"usage without a stream", OpenAiEndpoint::kChat,
       chat(R"(,"stream_options":{"include_usage":true})"), 400, "stream=True"},
      {"a priority nobody heeds", OpenAiEndpoint::kChat, chat(R"(,"priority":1)"), 400,
       "Priority scheduling is not enabled"},
      {"a prompt as long as the context", OpenAiEndpoint::kCompletions,
       R"({"prompt":")" + long_prompt + R"("})", 400, "maximum context length is 1000"},
      {"an answer one too long", OpenAiEndpoint::kCompletions,
       R"({"prompt":"abcd","max_tokens":1000})", 400, "(1000 > 1000 - 1)"},
      {"echo", OpenAiEndpoint::kCompletions, R"({"prompt":"a","echo":true})", 400, "echo"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    auto plan = World().plan(row.endpoint, row.body);
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().status, row.status);
    EXPECT_THAT(plan.error().message, HasSubstr(row.says));
  }
}

TEST(RequestPlan, GivesTheLengthItPromises) {
  World w;
  auto exact = w.plan(OpenAiEndpoint::kChat, chat(R"(,"max_completion_tokens":77)"));
  EXPECT_EQ(exact->choices[0].output, Tokens(77));
  EXPECT_EQ(exact->choices[0].reason, FinishReason::kLength);
  auto completions = w.plan(OpenAiEndpoint::kCompletions, R"({"prompt":["a","b"]})");
  ASSERT_EQ(completions->choices.size(), 2u);
  EXPECT_EQ(completions->choices[1].output, Tokens(16));
  auto most = w.plan(OpenAiEndpoint::kCompletions, R"({"prompt":"abcd","max_tokens":999})");
  EXPECT_EQ(most->choices[0].output, Tokens(999));
  auto to_the_end = w.plan(OpenAiEndpoint::kChat, chat(R"(,"ignore_eos":true)"));
  EXPECT_EQ(to_the_end->choices[0].output, Tokens(1000) - to_the_end->choices[0].prompt);
}

TEST(RequestPlan, AnAnswerOfItsOwnLengthFollowsFromSeedAndPrompt) {
  World w;
  auto body = [](int i) {
    return R"({"messages":[{"role":"user","content":")" +
           std::string(100, static_cast<char>('a' + i)) + R"("}]})";
  };
  int stops = 0, differ = 0;
  for (int i = 0; i < 20; ++i) {
    auto a = w.plan(OpenAiEndpoint::kChat, body(i));
    auto b = w.plan(OpenAiEndpoint::kChat, body(i));
    EXPECT_EQ(a->choices[0].output, b->choices[0].output);
    EXPECT_EQ(a->choices[0].text_seed, b->choices[0].text_seed);
    EXPECT_GE(a->choices[0].output.value(), 1);
    EXPECT_LE(a->choices[0].output + a->choices[0].prompt, Tokens(1000));
    stops += a->choices[0].reason == FinishReason::kStop;
    World other;
    other.options.seed = 1;
    differ += other.plan(OpenAiEndpoint::kChat, body(i))->choices[0].output != a->choices[0].output;
  }
  EXPECT_GT(stops, 10);
  EXPECT_GT(differ, 10);
}

TEST(RequestPlan, AnAdapterHasItsOwnPrefixes) {
  World w;
  std::string prompt = R"("prompt":")" + std::string(256, 'p') + R"("})";
  auto base = w.plan(OpenAiEndpoint::kCompletions, R"({"model":"alias",)" + prompt);
  auto lora = w.plan(OpenAiEndpoint::kCompletions, R"({"model":"sql",)" + prompt);
  EXPECT_EQ(base->adapter, -1);
  EXPECT_EQ(base->model, "alias");
  EXPECT_EQ(lora->adapter, 0);
  ASSERT_EQ(base->choices[0].prefix.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NE(base->choices[0].prefix[i], lora->choices[0].prefix[i]);
  }
}

}  // namespace
}  // namespace tidegate::live
