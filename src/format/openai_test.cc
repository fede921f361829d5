#include "format/openai.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/base/rng.h"

namespace tidegate::format {
namespace {

using ::testing::HasSubstr;

Result<OpenAiRequest> parse(OpenAiEndpoint endpoint, std::string body) {
  OpenAiParser parser;
  return parser.parse(endpoint, body);
}

TEST(OpenAiParse, ReadsEveryFieldItPromises) {
  std::string body =
      R"({ "n":2, "messages":[{"role":"system","content":"be brief"},)"
      R"({"content":[{"type":"text","text":"12345678"}],"role":"user"}], "model" : "a\/b" ,)"
      R"("stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true},)"
      R"("max_tokens":5,"max_completion_tokens":7,"priority":-3,"ignore_eos":true,)"
      R"("temperature":0.5,"tools":[{"x":[1,2,{"model":"no"}]}],"user":"u1","stop":["\n"]})";
  std::string before = body;
  auto r = OpenAiParser().parse(OpenAiEndpoint::kChat, body);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(body, before);
  EXPECT_EQ(r->model, "a/b");
  EXPECT_EQ(body.substr(r->model_value.offset, r->model_value.size), R"("a\/b")");
  EXPECT_TRUE(r->stream && r->include_usage && r->continuous_usage && r->ignore_eos && r->has_stop);
  EXPECT_EQ(r->max_tokens, 7);
  EXPECT_EQ(r->n, 2);
  EXPECT_EQ(r->priority, -3);
  EXPECT_EQ(r->user, "u1");
  EXPECT_EQ(r->prompt_tokens, Tokens(4 + 2 + 4 + 2));
}

TEST(OpenAiParse, CountsTokensByTheRule) {
  struct Row {
    const char* what;
    OpenAiEndpoint endpoint;
    std::string body;
    std::int64_t tokens;
    std::size_t prompts;
  };
  const Row rows[] = {
      {"an empty string is one token", OpenAiEndpoint::kCompletions, R"({"prompt":""})", 1, 1},
      {"four bytes a token, rounded up", OpenAiEndpoint::kCompletions, R"({"prompt":"12345"})", 2,
       1},
      {"token ids are exact", OpenAiEndpoint::kCompletions, R"({"prompt":[1,2,3]})", 3, 1},
      {"several prompts are several", OpenAiEndpoint::kCompletions, R"({"prompt":["a","bcdef"]})",
       3, 2},
      {"several lists of ids", OpenAiEndpoint::kCompletions, R"({"prompt":[[1,2],[3]]})", 3, 2},
      {"no prompt is zero", OpenAiEndpoint::kCompletions, R"({"model":"m"})", 0, 0},
      {"an empty list is zero", OpenAiEndpoint::kCompletions, R"({"prompt":[]})", 0, 0},
      {"null is zero", OpenAiEndpoint::kCompletions, R"({"prompt":null})", 0, 0},
      {"embeddings read input", OpenAiEndpoint::kEmbeddings, R"({"input":["abcd"],"prompt":3})", 1,
       1},
      {"no message is zero", OpenAiEndpoint::kChat, R"({"messages":[]})", 0, 0},
      {"an image is a fixed number", OpenAiEndpoint::kChat,
       R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]})",
       4 + 256, 1},
      {"tool calls count as written", OpenAiEndpoint::kChat,
       R"({"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"abcdefg"}]}]})",
       4 + 5, 1},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    auto r = parse(row.endpoint, row.body);
    ASSERT_TRUE(r) << r.error().message;
    EXPECT_EQ(r->prompt_tokens.value(), row.tokens);
    EXPECT_EQ(r->prompts.size(), row.prompts);
  }
}

TEST(OpenAiParse, SaysWhatIsWrong) {
  struct Row {
    const char* what;
    OpenAiEndpoint endpoint;
    std::string body;
    const char* says;
  };
  const Row rows[] = {
      {"nothing at all", OpenAiEndpoint::kChat, "", "empty"},
      {"not JSON", OpenAiEndpoint::kChat, "hello", "body"},
      {"cut short", OpenAiEndpoint::kChat, R"({"model":"m","messages":[)", "not valid JSON"},
      {"an array", OpenAiEndpoint::kChat, "[1]", "must be a JSON object"},
      {"text behind it", OpenAiEndpoint::kChat, R"({"model":"m"} {})", "after the object"},
      {"bad UTF-8", OpenAiEndpoint::kChat, "{\"model\":\"\xff\"}", "UTF-8"},
      {"a model that is a number", OpenAiEndpoint::kChat, R"({"model":1})", "model must be"},
      {"two models", OpenAiEndpoint::kChat, R"({"model":"a","mod\u0065l":"b"})", "twice"},
      {"two prompts keys", OpenAiEndpoint::kCompletions, R"({"prompt":"a","prompt":"b"})", "twice"},
      {"stream as text", OpenAiEndpoint::kChat, R"({"stream":"yes"})", "stream must be"},
      {"half a token", OpenAiEndpoint::kChat, R"({"max_tokens":1.5})", "must be an integer"},
      {"mixed prompts", OpenAiEndpoint::kCompletions, R"({"prompt":[1,"a"]})", "mixes"},
      {"mixed the other way", OpenAiEndpoint::kCompletions, R"({"prompt":["a",1]})", "mixes"},
      {"a negative id", OpenAiEndpoint::kCompletions, R"({"prompt":[-1]})", "token id"},
      {"a message that is a string", OpenAiEndpoint::kChat, R"({"messages":["hi"]})",
       "must be an object"},
      {"content that is a number", OpenAiEndpoint::kChat,
       R"({"messages":[{"role":"user","content":3}]})", "content of a message"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    auto r = parse(row.endpoint, row.body);
    ASSERT_FALSE(r);
    EXPECT_THAT(r.error().message, HasSubstr(row.says));
  }
}

TEST(OpenAiParse, HoldsItsLimits) {
  auto with_prompts = [](std::size_t n) {
    nlohmann::json body = {{"prompt", std::vector<std::string>(n, "a")}};
    return parse(OpenAiEndpoint::kCompletions, body.dump());
  };
  EXPECT_TRUE(with_prompts(kMaxPrompts));
  EXPECT_FALSE(with_prompts(kMaxPrompts + 1));
  auto with_messages = [](std::size_t n) {
    nlohmann::json body;
    body["messages"] = std::vector<nlohmann::json>(n, {{"role", "user"}, {"content", "a"}});
    return parse(OpenAiEndpoint::kChat, body.dump());
  };
  EXPECT_TRUE(with_messages(kMaxMessages));
  EXPECT_FALSE(with_messages(kMaxMessages + 1));
}

TEST(OpenAiParse, NeverFailsOtherThanByErrorOnCutBodies) {
  std::string whole =
      R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a\"b"}]}],)"
      R"("prompt":[[1,2],[3]],"stream_options":{"include_usage":true},"max_tokens":3})";
  for (auto endpoint : {OpenAiEndpoint::kChat, OpenAiEndpoint::kCompletions}) {
    for (std::size_t n = 0; n < whole.size(); ++n) {
      EXPECT_FALSE(parse(endpoint, whole.substr(0, n))) << n;
    }
    EXPECT_TRUE(parse(endpoint, whole));
  }
}

TEST(Prefix, EqualHashesMeanEqualPrefixes) {
  std::string a(640, 'a'), b = a;
  b[200] = 'b';  // in block 3
  auto ha = prefix_hashes(a), hb = prefix_hashes(b);
  ASSERT_EQ(ha.size(), 10u);
  for (std::size_t i = 0; i < ha.size(); ++i) EXPECT_EQ(ha[i] == hb[i], i < 3) << i;
  EXPECT_EQ(prefix_hashes(a.substr(0, 639)).size(), 9u);
}

TEST(Prefix, DoesNotDependOnHowThePromptIsCutIntoParts) {
  Rng rng(7, "parts");
  std::string text;
  for (int i = 0; i < 3000; ++i) text += static_cast<char>('a' + rng.below(26));
  for (int round = 0; round < 20; ++round) {
    nlohmann::json parts = nlohmann::json::array();
    for (std::size_t at = 0; at < text.size();) {
      std::size_t n = 1 + rng.below(200);
      parts.push_back({{"type", "text"}, {"text", text.substr(at, n)}});
      at += n;
    }
    nlohmann::json body;
    body["messages"] = {{{"role", "user"}, {"content", text}}};
    auto whole = parse(OpenAiEndpoint::kChat, body.dump());
    body["messages"][0]["content"] = parts;
    auto cut = parse(OpenAiEndpoint::kChat, body.dump());
    ASSERT_TRUE(whole && cut);
    // nlohmann sorts keys: content stands before role in both
    EXPECT_EQ(whole->prefix(), cut->prefix());
    EXPECT_EQ(whole->prompt_tokens, cut->prompt_tokens);
    EXPECT_EQ(whole->prefix().size(), 3016u / 64);
  }
}

TEST(Prefix, PlainTextAndBodyAgree) {
  std::string text(500, 'x');
  auto r = parse(OpenAiEndpoint::kCompletions, R"({"prompt":")" + text + R"("})");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->prefix(), prefix_hashes(text));
  EXPECT_EQ(r->prompt_tokens, estimate_prompt_tokens(text));
}

TEST(Prefix, OffLeavesTheCountAlone) {
  std::string body = R"({"prompt":")" + std::string(500, 'x') + R"("})";
  auto r = OpenAiParser().parse(OpenAiEndpoint::kCompletions, body, PrefixHashing::kOff);
  ASSERT_TRUE(r);
  EXPECT_TRUE(r->prefix().empty());
  EXPECT_EQ(r->prompt_tokens, Tokens(125));
}

TEST(WithModel, ChangesThatValueAlone) {
  std::string body = R"({"a":1, "model" :  "old" , "prompt":"model"})";
  auto r = OpenAiParser().parse(OpenAiEndpoint::kCompletions, body);
  ASSERT_TRUE(r);
  EXPECT_EQ(with_model(body, *r, "n\"ew"), R"({"a":1, "model" :  "n\"ew" , "prompt":"model"})");
  std::string none = R"({"prompt":"x"})";
  EXPECT_EQ(with_model(none, *OpenAiParser().parse(OpenAiEndpoint::kCompletions, none), "m"), none);
}

TEST(ErrorJson, HasAllFourKeys) {
  auto openai = nlohmann::json::parse(
      openai_error_json("no \"m\"\n\xff", "invalid_request_error", "model", "model_not_found"));
  EXPECT_EQ(openai["error"]["message"], "no \"m\"\n\xEF\xBF\xBD");
  EXPECT_EQ(openai["error"]["code"], "model_not_found");
  EXPECT_EQ(openai["error"]["param"], "model");
  EXPECT_EQ(openai_error_json("m", "t"),
            R"({"error":{"message":"m","type":"t","param":null,"code":null}})");
  EXPECT_EQ(vllm_error_json("m", "BadRequestError", 400),
            R"({"error":{"message":"m","type":"BadRequestError","param":null,"code":400}})");
}

TEST(JsonString, RoundTripsAnyBytes) {
  Rng rng(1, "bytes");
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = 0; i < 40; ++i) text += static_cast<char>(rng.below(256));
    std::string out;
    append_json_string(out, text);
    // the oracle replaces what is not UTF-8 too, maybe with another number of marks
    auto strip = [](std::string s) {
      for (std::size_t at; (at = s.find("\xEF\xBF\xBD")) != s.npos;) s.erase(at, 3);
      return s;
    };
    std::string oracle =
        nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    EXPECT_EQ(strip(nlohmann::json::parse(out)), strip(nlohmann::json::parse(oracle)));
  }
}

}  // namespace
}  // namespace tidegate::format
