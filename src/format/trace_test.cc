#include "format/trace.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tidegate::format {
namespace {

using workload::TraceRequest;

struct Read {
  std::vector<TraceRequest> requests;
  TraceNotes notes;
  TraceKind kind{};
  std::string error;
};

Read read_all(const std::string& text, const TraceOptions& options = {}) {
  auto reader = TraceReader::read(std::make_unique<std::istringstream>(text), "t",
                                  static_cast<std::int64_t>(text.size()), options);
  Read out;
  if (!reader) {
    out.error = reader.error().message;
    return out;
  }
  double before = 0;
  for (TraceRequest r; (*reader)->next(r);) {
    out.requests.push_back(r);
    EXPECT_GE((*reader)->progress(), before) << "progress never goes back";
    before = (*reader)->progress();
  }
  EXPECT_EQ((*reader)->progress(), 1);
  out.notes = (*reader)->notes();
  out.kind = (*reader)->kind();
  return out;
}

/// "0.5:10+2 ..." : seconds, prompt, output.
std::string brief(const std::vector<TraceRequest>& requests) {
  std::ostringstream out;
  for (const TraceRequest& r : requests) {
    out << (out.tellp() > 0 ? " " : "") << to_seconds(r.at) << ":" << r.prompt.value() << "+"
        << r.output.value();
  }
  return out.str();
}

TEST(TraceTest, EveryFormatIsKnownByItsHeader) {
  const struct {
    const char* label;
    std::string text;
    TraceKind kind;
    const char* expect;
  } rows[] = {
      {"Azure 2023",
       "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 23:59:59.5000000,374,44\r\n"
       "2023-11-17 00:00:01.2500000,396,109",
       TraceKind::kAzure, "0:374+44 1.75:396+109"},
      {"Azure 2024, with offsets",
       "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-02-29 12:00:00+00:00,1,2\n"
       "2024-02-29T14:00:00.25+01:30,3,4\n2024-03-01 00:00:00Z,5,6\n",
       TraceKind::kAzure, "0:1+2 1800.25:3+4 43200:5+6"},
      {"BurstGPT",
       "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
       "5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,230,1317,API log\n",
       TraceKind::kBurstGpt, "5:472+18 45:1087+230"},
      {"BurstGPT with session columns",
       "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log "
       "Type\n"
       "5.5,1,2.5,GPT-4,472,18,490,API log\n",
       TraceKind::kBurstGpt, "5.5:472+18"},
      {"Mooncake",
       "{\"timestamp\": 0, \"input_length\": 700, \"output_length\": 5, \"hash_ids\": [0, 1]}\n"
       "{\"timestamp\": 1500, \"input_length\": 600, \"output_length\": 6, \"hash_ids\": [0, 2]}\n",
       TraceKind::kMooncake, "0:700+5 1.5:600+6"},
      {"Mooncake behind a BOM",
       "\xef\xbb\xbf{\"timestamp\": 0, \"input_length\": 7, \"output_length\": 5}\n"
       "{\"timestamp\": 1500, \"input_length\": 6, \"output_length\": 6}\n",
       TraceKind::kMooncake, "0:7+5 1.5:6+6"},
      {"Qwen-Bailian: seconds",
       "{\"chat_id\": 159, \"timestamp\": 61.25, \"input_length\": 521, \"output_length\": 5, "
       "\"hash_ids\": [1, 2]}\n"
       "{\"chat_id\": 160, \"timestamp\": 62.5, \"input_length\": 6, \"output_length\": 6}\n",
       TraceKind::kBailian, "61.25:521+5 62.5:6+6"},
      {"fields that are quoted, with commas and doubled quotes in them",
       "time,tenant,prompt_tokens,output_tokens\n0,\"a,b\",1,2\n1,\"say \"\"c,d\"\"\",3,4\n",
       TraceKind::kTidegate, "0:1+2 1:3+4"},
      {"an engine run",
       "{\"request_id\": \"a\", \"input_toks\": 7, \"output_toks\": 8, \"arrival_time\": "
       "1787267980.5, \"queued_ts\": 1.5}\n"
       "{\"request_id\": \"b\", \"input_toks\": 9, \"output_toks\": 10, \"arrival_time\": "
       "1787267981.25}\n",
       TraceKind::kEngineRun, "0:7+8 0.75:9+10"},
      {"Tidegate's own, by seconds since 1970",
       "time,prompt_tokens,output_tokens\n1700000000.5,1,2\n1700000002,3,4\n", TraceKind::kTidegate,
       "0:1+2 1.5:3+4"},
      {"Tidegate's own, columns in any order, blank lines and a BOM",
       "\xef\xbb\xbfoutput_tokens, time ,prompt_tokens\n\n2,0.5,1\n  \n4,0.5,3\n",
       TraceKind::kTidegate, "0.5:1+2 0.5:3+4"},
  };
  for (const auto& row : rows) {
    Read got = read_all(row.text);
    EXPECT_EQ(got.error, "") << row.label;
    EXPECT_EQ(got.kind, row.kind) << row.label;
    EXPECT_EQ(brief(got.requests), row.expect) << row.label << ": " << got.notes.text();
    EXPECT_EQ(got.notes.skipped, 0) << row.label;
  }
}

TEST(TraceTest, OwnColumnsReachTheRequest) {
  Read got = read_all(
      "time,prompt_tokens,output_tokens,model,tenant,priority,adapter,prefix\n"
      "0,1000,5,m,acme,2,sql,a/b/c\n1,1000,5,,,,,a/b\n2,1000,5,,,,,b\n");
  ASSERT_EQ(got.requests.size(), 3u);
  const TraceRequest& first = got.requests[0];
  EXPECT_EQ(first.model + " " + first.tenant + " " + first.adapter, "m acme sql");
  EXPECT_EQ(first.priority, 2);
  EXPECT_EQ(first.prefix_block_tokens, kTracePrefixBlockTokens);
  ASSERT_EQ(first.prefix.size(), 3u);
  EXPECT_EQ(got.requests[1].prefix[0], first.prefix[0]);
  EXPECT_EQ(got.requests[1].prefix[1], first.prefix[1]);
  EXPECT_NE(got.requests[2].prefix[0], first.prefix[1]) << "b first is not b after a";
  EXPECT_EQ(got.requests[1].model, "");
}

TEST(TraceTest, MooncakeIdsThatAreEqualGiveEqualHashes) {
  Read got = read_all(
      "{\"timestamp\": 0, \"input_length\": 700, \"output_length\": 5, \"hash_ids\": [0, 1]}\n"
      "{\"timestamp\": 0, \"input_length\": 700, \"output_length\": 5, \"hash_ids\": [0, 2]}\n");
  ASSERT_EQ(got.requests.size(), 2u);
  EXPECT_EQ(got.requests[0].prefix[0], got.requests[1].prefix[0]);
  EXPECT_NE(got.requests[0].prefix[1], got.requests[1].prefix[1]);
  EXPECT_EQ(got.requests[0].prefix_block_tokens, 512);
  got = read_all(
      "{\"chat_id\": 1, \"timestamp\": 0, \"input_length\": 70, \"output_length\": 5, "
      "\"hash_ids\": [0, 1]}\n");
  ASSERT_EQ(got.requests.size(), 1u);
  EXPECT_EQ(got.requests[0].prefix_block_tokens, 16) << "Qwen-Bailian's";
}

TEST(TraceTest, BrokenRowsAreSkippedCountedAndNamed) {
  const std::string own = "time,prompt_tokens,output_tokens,priority\n";
  const std::string azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  const std::string good = "{\"timestamp\":0,\"input_length\":1,\"output_length\":1}\n";
  const struct {
    const char* label;
    std::string text;
    const char* why;
  } rows[] = {
      {"words for numbers", own + "0,ten,1\n", "prompt tokens \"ten\" is not a number"},
      {"a missing field", own + "0,1\n", "output tokens \"\" is not a number"},
      {"no tokens at all", own + "0,0,1\n", "prompt tokens 0: must be 1 to 10000000"},
      {"an answer of nothing", own + "0,1,0\n", "output tokens 0"},
      {"more tokens than the limit", own + "0,10000001,1\n", "prompt tokens 10000001"},
      {"half a token", own + "0,1.5,1\n", "prompt tokens \"1.5\" is not a number"},
      {"a negative time", own + "-1,1,1\n", "a time must be 0"},
      {"a time that is none", own + "nan,1,1\n", "a time must be 0"},
      {"an unreadable time", own + "x,1,1\n", "time \"x\" is not a number of seconds"},
      {"a priority that is no number", own + "0,1,1,high\n", "priority \"high\" is not an integer"},
      {"a row that goes back in time", own + "5,1,1\n4,1,1\n", "before the row above"},
      {"a date that does not exist", azure + "2023-02-29 00:00:00,1,1\n", "is not YYYY-MM-DD"},
      {"a time without a date", azure + "12:00:00,1,1\n", "is not YYYY-MM-DD"},
      {"a bad offset", azure + "2023-02-28 00:00:00+1,1,1\n", "is not YYYY-MM-DD"},
      {"text that is no JSON", good + "oops\n", "not a JSON object"},
      {"JSON cut off", good + "{\"timestamp\": 0, \"input_le\n", "not a JSON object"},
      {"JSON of other types", good + "{\"timestamp\":\"0\"}\n", "no number \"timestamp\""},
      {"a line over the limit", own + std::string(kMaxTraceLineBytes + 1, 'x') + "\n",
       "longer than 1048576 bytes"},
  };
  for (const auto& row : rows) {
    std::string more = row.text[0] == '{'             ? good
                       : row.text.starts_with("TIME") ? "2023-03-01 00:00:00,7,7\n"
                                                      : "9,7,7\n";
    std::size_t expected = read_all(row.text).requests.size() + 1;
    Read got = read_all(row.text + more);
    EXPECT_EQ(got.requests.size(), expected) << row.label << ": the rest goes on";
    EXPECT_EQ(got.notes.skipped, 1) << row.label;
    ASSERT_EQ(got.notes.first.size(), 1u) << row.label;
    EXPECT_NE(got.notes.first[0].why.find(row.why), std::string::npos)
        << row.label << ": " << got.notes.first[0].why;
    auto lines = std::count(row.text.begin(), row.text.end(), '\n');
    EXPECT_EQ(got.notes.first[0].line, lines) << row.label;
  }
  EXPECT_EQ(
      read_all(own + std::string(kMaxTraceLineBytes - 2, ' ') + "\n" + "9,7,7\n").notes.skipped, 0)
      << "a line at the limit is read";
  Read many = read_all(own + "x\nx\nx\nx\nx\nx\nx\n1,1,1\n");
  EXPECT_EQ(
      many.notes.text(),
      "7 of 8 rows skipped: line 2: time \"x\" is not a number of seconds; line 3: time \"x\" is "
      "not a number of seconds; line 4: time \"x\" is not a number of seconds; line 5: time "
      "\"x\" is not a number of seconds; line 6: time \"x\" is not a number of seconds; ...");
}

TEST(TraceTest, WhatIsNoTraceIsAClearError) {
  const struct {
    const char* label;
    std::string text;
    TraceOptions options;
    const char* says;
  } rows[] = {
      {"an unknown header", "a,b,c\n1,2,3\n", {}, "header \"a,b,c\""},
      {"unknown JSON", "{\"a\": 1}\n", {}, "JSON of an unknown kind"},
      {"nothing", "", {}, "it is empty"},
      {"blank lines only", "\n \n", {}, "it is empty"},
      {"binary",
       std::string("\x7f"
                   "ELF\0\0\n",
                   7),
       {},
       "the header \"\\x7fELF\\x00\\x00\" is not one of a trace"},
      {"packed", "\x1f\x8b\x08\n", {}, "unpack it with gunzip"},
      {"UTF-16", "\xff\xfet\n", {}, "save it as UTF-8"},
      {"semicolons", "time;rate\n0;1\n", {}, "parted by ';'"},
      {"tabs", "time\trate\n0\t1\n", {}, "parted by tabs"},
      {"a column is missing", "time,prompt_tokens\n0,1\n", {}, "it lacks \"output_tokens\""},
      {"a first line without end",
       std::string(kMaxTraceLineBytes + 1, 'x'),
       {},
       "line 1: longer than 1048576 bytes"},
      {"rates that are none", "time,rate\n0,-1\n5,2\n", {}, "line 2: rate \"-1\""},
      {"lengths for requests that have their own",
       "time,prompt_tokens,output_tokens\n0,1,1\n",
       {.lengths = "/tmp/lengths.csv"},
       "--lengths is for a rate series"},
      {"scale 0", "time,rate\n0,1\n", {.scale = 0}, "at most 10000, got 0"},
      {"scale over its limit", "time,rate\n0,1\n", {.scale = 10'001}, "scale must be"},
      {"speedup 0", "time,rate\n0,1\n", {.speedup = 0}, "speedup must be"},
      {"an empty part",
       "time,rate\n0,1\n",
       {.from = seconds(1), .until = seconds(1)},
       "--until must be after --from"},
      {"one rate", "time,rate\n0,1\n", {}, "needs two rows"},
      {"lengths that do not exist",
       "time,rate\n0,1\n1,1\n",
       {.lengths = "/no/such/file"},
       "--lengths: cannot read trace /no/such/file: No such file"},
  };
  for (const auto& row : rows) {
    Read got = read_all(row.text, row.options);
    EXPECT_NE(got.error.find(row.says), std::string::npos) << row.label << ": " << got.error;
  }
  std::string unknown = read_all("a,b\n").error;
  for (const char* known : {"ContextTokens", "Response tokens", "hash_ids", "input_toks",
                            "prompt_tokens", "time,rate"}) {
    EXPECT_NE(unknown.find(known), std::string::npos) << known;
  }
  EXPECT_NE(TraceReader::open("/dev/zero", {}).error().message.find("read twice"),
            std::string::npos)
      << "a device without an end";
  EXPECT_NE(TraceReader::open("/tmp", {}).error().message.find("cannot read trace /tmp"),
            std::string::npos);
}

/// n rows, one a second.
std::string steady(int n) {
  std::string text = "time,prompt_tokens,output_tokens,prefix\n";
  for (int i = 0; i < n; ++i) {
    text += std::to_string(i) + "," + std::to_string(i + 1) + ",1," + std::to_string(i % 3) + "\n";
  }
  return text;
}

TEST(TraceTest, PartsAreCutOutAndPressed) {
  EXPECT_EQ(brief(read_all(steady(10), {.from = seconds(3), .until = seconds(6)}).requests),
            "0:4+1 1:5+1 2:6+1");
  EXPECT_EQ(brief(read_all(steady(4), {.speedup = 4}).requests), "0:1+1 0.25:2+1 0.5:3+1 0.75:4+1");
  EXPECT_EQ(brief(read_all(steady(9), {.speedup = 2, .from = seconds(7)}).requests),
            "0:8+1 0.5:9+1");
}

TEST(TraceTest, ThinningKeepsTheShareAndOnlyOriginals) {
  Read all = read_all(steady(20'000));
  Read thin = read_all(steady(20'000), {.scale = 0.3, .seed = 5});
  double sigma = std::sqrt(20'000 * 0.3 * 0.7);
  EXPECT_NEAR(static_cast<double>(thin.requests.size()), 6000, 5 * sigma);
  for (const TraceRequest& r : thin.requests) {
    auto i = static_cast<std::size_t>(r.at / seconds(1));
    EXPECT_EQ(r.at, all.requests[i].at);
    EXPECT_EQ(r.prompt, all.requests[i].prompt);
  }
  EXPECT_EQ(brief(read_all(steady(1000), {.scale = 0.3, .seed = 5}).requests),
            brief(read_all(steady(1000), {.scale = 0.3, .seed = 5}).requests));
  EXPECT_NE(brief(read_all(steady(1000), {.scale = 0.3, .seed = 5}).requests),
            brief(read_all(steady(1000), {.scale = 0.3, .seed = 6}).requests));
}

TEST(TraceTest, CopiesKeepTheRateWithoutFalseBurstsOrCacheHits) {
  Read got = read_all(steady(5000), {.scale = 2.5, .seed = 9});
  EXPECT_NEAR(static_cast<double>(got.requests.size()), 12'500, 5 * std::sqrt(5000 * 0.25));
  int same_time = 0;
  for (std::size_t i = 1; i < got.requests.size(); ++i) {
    ASSERT_GE(got.requests[i].at, got.requests[i - 1].at);
    same_time += got.requests[i].at == got.requests[i - 1].at;
  }
  EXPECT_LE(same_time, 3) << "only the last row's copies share an instant";
  // A copy shares its prefix with the same copy of other rows, never with its own original.
  EXPECT_EQ(got.requests[0].prefix, read_all(steady(1)).requests[0].prefix);
  EXPECT_EQ(got.requests[1].prompt, got.requests[0].prompt);
  EXPECT_NE(got.requests[1].prefix, got.requests[0].prefix);
  EXPECT_EQ(read_all(steady(7), {.scale = 3}).requests.size(), 21u) << "a whole scale is exact";
}

TEST(TraceTest, ARateSeriesIsPoissonWithItsRates) {
  std::string text = "time,rate\n0,50\n100,0\n200,200\n";
  Read got = read_all(text, {.seed = 3});
  int counts[3] = {};
  double gaps = 0;
  double squares = 0;
  Duration before{0};
  for (const TraceRequest& r : got.requests) {
    ++counts[std::min<std::int64_t>(r.at / seconds(100), 2)];
    if (r.at < seconds(100)) {
      double gap = to_seconds(r.at - before);
      gaps += gap;
      squares += gap * gap;
      before = r.at;
    }
  }
  EXPECT_NEAR(counts[0], 5000, 5 * std::sqrt(5000));
  EXPECT_EQ(counts[1], 0);
  EXPECT_NEAR(counts[2], 20'000, 5 * std::sqrt(20'000))
      << "the last row holds as long as the one before";
  double mean = gaps / counts[0];
  EXPECT_NEAR(squares / counts[0] / (mean * mean), 2, 0.2) << "exponential: E[x^2] = 2 E[x]^2";
  EXPECT_LT(got.requests.back().at, seconds(300));
  Read doubled = read_all(text, {.scale = 2, .seed = 3});
  EXPECT_NEAR(static_cast<double>(doubled.requests.size()), 50'000, 5 * std::sqrt(50'000));
  Read part = read_all(text, {.from = seconds(250), .until = seconds(260), .seed = 3});
  EXPECT_NEAR(static_cast<double>(part.requests.size()), 2000, 5 * std::sqrt(2000));
  EXPECT_LT(part.requests.back().at, seconds(10));
  EXPECT_GT(read_all("time,rate\n0,50\n", {.until = seconds(10)}).requests.size(), 350u);
  Read bad = read_all("time,rate\n0,1\nx,1\n1,-1\n1,1\n1,1\n2,1e9\n");
  EXPECT_EQ(bad.notes.skipped, 4);
}

TEST(TraceTest, LengthsOfARateSeriesAreLogNormalOrDrawnFromATrace) {
  Read got = read_all("time,rate\n0,200\n50,200\n");
  std::vector<std::int64_t> prompts;
  for (const TraceRequest& r : got.requests) prompts.push_back(r.prompt.value());
  std::sort(prompts.begin(), prompts.end());
  EXPECT_NEAR(static_cast<double>(prompts[prompts.size() / 2]), kPromptP50Tokens, 60);
  EXPECT_NEAR(static_cast<double>(prompts[prompts.size() * 9 / 10]), kPromptP90Tokens, 300);

  std::filesystem::path path(::testing::TempDir() + "tidegate_trace_test_lengths.csv");
  std::ofstream(path) << "time,prompt_tokens,output_tokens\n0,11,1\nbroken\n1,22,2\n";
  Read drawn = read_all("time,rate\n0,20\n50,20\n", {.lengths = path.string()});
  int first = 0;
  for (const TraceRequest& r : drawn.requests) {
    EXPECT_TRUE((r.prompt == Tokens(11) && r.output == Tokens(1)) ||
                (r.prompt == Tokens(22) && r.output == Tokens(2)))
        << "prompt and output stay together";
    first += r.prompt == Tokens(11);
  }
  EXPECT_GT(first, 0);
  EXPECT_LT(first, static_cast<int>(drawn.requests.size()));
  std::filesystem::remove(path);
}

TEST(TraceTest, RealTracesReadWhole) {
  const char* directory = std::getenv("TIDEGATE_TRACES");
  if (directory == nullptr) GTEST_SKIP() << "TIDEGATE_TRACES is not set";
  const struct {
    const char* file;
    std::size_t rows;
  } rows[] = {{"azure2023_conv.csv", 19'366},
              {"azure2023_code.csv", 8'819},
              {"mooncake_conversation.jsonl", 12'031}};
  for (const auto& row : rows) {
    auto reader = TraceReader::open(std::string(directory) + "/" + row.file, {});
    ASSERT_TRUE(reader) << reader.error().message;
    std::size_t count = 0;
    TraceRequest r;
    while ((*reader)->next(r)) ++count;
    EXPECT_EQ(count, row.rows) << row.file;
    EXPECT_EQ((*reader)->notes().skipped, 0) << (*reader)->notes().text();
    EXPECT_NEAR(to_seconds(r.at), 58.5 * 60, 120) << row.file;
  }
}

}  // namespace
}  // namespace tidegate::format
