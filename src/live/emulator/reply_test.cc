#include "live/emulator/reply.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

namespace tidegate::live {
namespace {

using nlohmann::json;

std::vector<json> events(const std::string& text) {
  std::vector<json> out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find("\n\n", at);
    EXPECT_NE(end, text.npos);
    EXPECT_EQ(text.substr(at, 6), "data: ");
    out.push_back(json::parse(text.substr(at + 6, end - at - 6)));
    at = end + 2;
  }
  return out;
}

TEST(Reply, ChatChunksAreWhatVllmStreams) {
  Reply reply({.chat = true, .stream = true, .id = "chatcmpl-1", .model = "a\"b", .created = 7});
  std::string text;
  ReplyChoice choice{.index = 0, .text_seed = 5, .tokens = 2, .reason = FinishReason::kLength};
  reply.append_role(text, 0, {});
  reply.append_token(text, choice, 0, Reply::Position::kMiddle, {});
  reply.append_token(text, choice, 1, Reply::Position::kLast, {});
  auto chunks = events(text);
  ASSERT_EQ(chunks.size(), 3u);
  for (const json& chunk : chunks) {
    EXPECT_EQ(chunk["id"], "chatcmpl-1");
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    EXPECT_EQ(chunk["created"], 7);
    EXPECT_EQ(chunk["model"], "a\"b");
    EXPECT_FALSE(chunk.contains("usage"));
  }
  EXPECT_EQ(chunks[0]["choices"][0]["delta"], (json{{"role", "assistant"}, {"content", ""}}));
  EXPECT_EQ(chunks[1]["choices"][0]["delta"], (json{{"content", word_at(5, 0)}}));
  EXPECT_TRUE(chunks[1]["choices"][0]["finish_reason"].is_null());
  EXPECT_EQ(chunks[2]["choices"][0]["finish_reason"], "length");
}

TEST(Reply, UsageStandsWhereItWasAsked) {
  Reply::Style style{.stream = true, .include_usage = true, .id = "cmpl-1", .model = "m"};
  ReplyChoice choice{.tokens = 1};
  std::string text;
  Reply(style).append_token(text, choice, 0, Reply::Position::kLast, {3, 1, 0});
  Reply(style).append_usage(text, {3, 1, 0});
  auto plain = events(text);
  EXPECT_TRUE(plain[0]["usage"].is_null());
  EXPECT_EQ(plain[0]["object"], "text_completion");
  EXPECT_EQ(plain[1]["choices"], json::array());
  EXPECT_EQ(plain[1]["usage"],
            (json{{"prompt_tokens", 3}, {"completion_tokens", 1}, {"total_tokens", 4}}));

  style.continuous_usage = style.cached_details = true;
  text.clear();
  Reply(style).append_token(text, choice, 0, Reply::Position::kLast, {32, 1, 16});
  auto continuous = events(text);
  EXPECT_EQ(continuous[0]["usage"]["completion_tokens"], 1);
  EXPECT_EQ(continuous[0]["usage"]["prompt_tokens_details"]["cached_tokens"], 16);
}

TEST(Reply, AWholeBodyHoldsAsManyWordsAsTokens) {
  for (bool chat : {false, true}) {
    Reply reply({.chat = chat, .id = "x", .model = "m"});
    ReplyChoice choices[] = {{0, 1, 3, FinishReason::kStop}, {1, 2, 40, FinishReason::kLength}};
    json body = json::parse(reply.whole(choices, {4, 43, 0}));
    ASSERT_EQ(body["choices"].size(), 2u);
    std::string text = chat ? body["choices"][1]["message"]["content"] : body["choices"][1]["text"];
    EXPECT_EQ(std::count(text.begin(), text.end(), ' '), 40);
    EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
    EXPECT_EQ(body["usage"]["total_tokens"], 47);
  }
}

TEST(Reply, AnEndWithoutATokenSaysWhy) {
  for (bool chat : {false, true}) {
    std::string text;
    Reply({.chat = chat, .stream = true, .id = "x", .model = "m"})
        .append_end(text, {.reason = FinishReason::kAbort}, {});
    EXPECT_EQ(events(text)[0]["choices"][0]["finish_reason"], "abort");
  }
}

TEST(Words, FollowFromSeedAndPositionAndUseTheWholeList) {
  std::set<std::string_view> seen;
  for (int i = 0; i < 2000; ++i) {
    EXPECT_EQ(word_at(9, i), word_at(9, i));
    EXPECT_EQ(word_at(9, i).front(), ' ');
    seen.insert(word_at(9, i));
  }
  EXPECT_EQ(seen.size(), 64u);
}

}  // namespace
}  // namespace tidegate::live
