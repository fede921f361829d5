#include "format/openai_sse.h"

#include <gtest/gtest.h>

namespace tidegate::format {
namespace {

const char kChat[] =
    ": keep-alive, position 3\n\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\"h\\\"usage\\\":{i\"}}],\"usage\":null}\n\n"
    "data: {\"choices\":[{\"delta\":{\"content\": \"you\"},\"finish_reason\":\"length\"}]}\r\n\r\n"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens_details\":{\"cached_tokens\":16},"
    "\"prompt_tokens\":40,\"total_tokens\":42,\"completion_tokens\":2}}\n\n"
    "data: [DONE]\n\n";

TEST(SseScanner, SeesTheSameHoweverTheBytesAreSplit) {
  std::string_view text = kChat;
  for (std::size_t size = 1; size <= text.size(); ++size) {
    SseScanner scan;
    for (std::size_t at = 0; at < text.size(); at += size) scan.feed(text.substr(at, size));
    const auto& seen = scan.seen();
    EXPECT_EQ(seen.comments, 1) << size;
    EXPECT_EQ(seen.events, 4) << size;
    EXPECT_EQ(seen.content_events, 2) << size;
    EXPECT_TRUE(seen.done);
    EXPECT_FALSE(seen.error);
    ASSERT_TRUE(seen.usage);
    EXPECT_EQ(*seen.usage, (OpenAiUsage{40, 2, 16}));
  }
}

TEST(SseScanner, KnowsWhatIsContent) {
  struct Row {
    const char* what;
    const char* line;
    int content;
  };
  const Row rows[] = {
      {"a role alone is none", R"(data: {"choices":[{"delta":{"role":"assistant","content":""}}]})",
       0},
      {"an empty delta is none", R"(data: {"choices":[{"delta":{},"finish_reason":"stop"}]})", 0},
      {"null content is none", R"(data: {"choices":[{"delta":{"content":null}}]})", 0},
      {"a completions text", R"(data: {"choices":[{"text":" a","index":0}]})", 1},
      {"an empty completions text", R"(data: {"choices":[{"text":"","index":0}]})", 0},
      {"the second choice has it", R"(data: {"choices":[{"text":""},{"text":"b"}]})", 1},
      {"reasoning counts", R"(data: {"choices":[{"delta":{"reasoning_content":"hm"}}]})", 1},
      {"a tool call counts", R"(data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]})", 1},
      {"no tool call is none", R"(data: {"choices":[{"delta":{"tool_calls":[]}}]})", 0},
      {"no blank after the colon", R"(data:{"choices":[{"text":"a"}]})", 1},
      {"another field of SSE is none", R"(event: {"text":"a"})", 0},
  };
  for (const Row& row : rows) {
    SseScanner scan;
    scan.feed(row.line);
    scan.feed("\n");
    EXPECT_EQ(scan.seen().content_events, row.content) << row.what;
  }
}

TEST(SseScanner, SeesAnErrorInBand) {
  SseScanner scan;
  scan.feed("data: {\"error\":{\"message\":\"dead\",\"code\":500}}\n\ndata: [DONE]\n\n");
  EXPECT_TRUE(scan.seen().error);
  EXPECT_TRUE(scan.seen().done);
}

TEST(SseScanner, SkipsALineOverTheLimitAndGoesOn) {
  for (std::size_t extra : {0u, 1u}) {
    SseScanner scan;
    std::string line = R"(data: {"text":")";
    line.append(SseScanner::kMaxLine + extra - line.size(), 'x');
    for (std::size_t at = 0; at < line.size(); at += 4096) scan.feed(line.substr(at, 4096));
    scan.feed("\ndata: [DONE]\n");
    EXPECT_EQ(scan.seen().oversize, extra == 1);
    EXPECT_EQ(scan.seen().events, extra == 1 ? 0 : 1);
    EXPECT_TRUE(scan.seen().done);
  }
}

TEST(FindUsage, ReadsAWholeResponse) {
  EXPECT_EQ(find_usage(R"({"choices":[{"text":"\"usage\":{\"prompt_tokens\":9}"}],)"
                       R"("usage":{"prompt_tokens":4,"completion_tokens":16,"total_tokens":20}})"),
            (OpenAiUsage{4, 16, 0}));
  EXPECT_FALSE(find_usage(R"({"usage":null})"));
  EXPECT_FALSE(find_usage(R"({"choices":[]})"));
  EXPECT_FALSE(find_usage(R"({"usage")"));
}

}  // namespace
}  // namespace tidegate::format
