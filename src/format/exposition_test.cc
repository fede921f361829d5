#include "format/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

#include "core/base/rng.h"
#include "format/exposition_for_test.h"
#include "format/exposition_writer.h"

namespace tidegate::format {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Good {
  const char* sentence;
  std::string_view text;
  std::string sample;
  TextFormat format = TextFormat::kPrometheus;
};
class GoodLine : public testing::TestWithParam<Good> {};
TEST_P(GoodLine, GivesItsSample) {
  Parsed p = parse(GetParam().text, GetParam().format);
  EXPECT_THAT(p.samples, ElementsAre(GetParam().sample)) << GetParam().sentence;
  EXPECT_EQ(p.stats.garbage, 0U) << GetParam().sentence;
}
constexpr TextFormat kOm = TextFormat::kOpenMetrics;
INSTANTIATE_TEST_SUITE_P(
    Exposition, GoodLine,
    testing::Values(
        Good{"a bare name has no labels", "up 1\n", "up 1.000000"},
        Good{"the last line needs no newline", "up 1", "up 1.000000"},
        Good{"a line may end like on Windows", "up 1\r\n", "up 1.000000"},
        Good{"empty braces are no labels", "up{} 1\n", "up 1.000000"},
        Good{"labels keep their order", "up{b=\"2\",a=\"1\"} 1\n", "up|b=2|a=1 1.000000"},
        Good{"a comma may trail", "up{a=\"1\",} 1\n", "up|a=1 1.000000"},
        Good{"blanks stand anywhere between tokens", " up\t{ a = \"1\" , } \t1 \n",
             "up|a=1 1.000000"},
        Good{"the three escapes are undone", R"(up{a="q\"b\\n\n"} 1)", "up|a=q\"b\\n\n 1.000000"},
        Good{"another backslash stays", R"(up{a="C:\dir"} 1)", "up|a=C:\\dir 1.000000"},
        Good{"braces, commas and hashes inside a value are text", "up{a=\"},{#=\"} 1\n",
             "up|a=},{#= 1.000000"},
        Good{"an empty value is a value", "up{a=\"\"} 1\n", "up|a= 1.000000"},
        Good{"a value may be longer than a word", "up{a=\"0123456789abcdef\"} 1\n",
             "up|a=0123456789abcdef 1.000000"},
        Good{"NaN is a value", "up NaN\n", "up NaN"}, Good{"nan in any case", "up nAn\n", "up NaN"},
        Good{"a Windows build's nan", "up -nan(ind)\n", "up NaN"},
        Good{"infinity with a sign", "up +Inf\n", "up inf"},
        Good{"infinity without one", "up INF\n", "up inf"},
        Good{"minus infinity spelt out", "up -Infinity\n", "up -inf"},
        Good{"an exponent", "up 1.5e+09\n", "up 1500000000.000000"},
        Good{"a hex float", "up 0x1.8p1\n", "up 3.000000"},
        Good{"no digit before the point", "up .5\n", "up 0.500000"},
        Good{"a plus sign", "up +2\n", "up 2.000000"},
        Good{"too small is zero", "up 1e-999\n", "up 0.000000"},
        Good{"a timestamp in milliseconds", "up 1 1788184174081\n",
             "up 1.000000 @1788184174081000000"},
        Good{"a timestamp before 1970", "up 1 -1500\n", "up 1.000000 @-1500000000"},
        Good{"a timestamp in seconds", "up 1 1788184174.5\n# EOF\n",
             "up 1.000000 @1788184174500000000", kOm},
        Good{"an exemplar is handed on unread",
             "lat_bucket{le=\"1\"} 8 # {trace_id=\"a\"} 0.7 1788184174.5\n",
             "lat_bucket|le=1 8.000000 # {trace_id=\"a\"} 0.7 1788184174.5", kOm},
        Good{"an exemplar after a timestamp", "a:b_total 8 12 # {} 1\n",
             "a:b_total 8.000000 @12000000000 # {} 1", kOm},
        Good{"a quoted name", "{\"dotted.name\",a=\"1\"} 1\n", "dotted.name|a=1 1.000000"},
        Good{"a quoted name alone", "{\"dotted.name\"} 1\n", "dotted.name 1.000000"},
        Good{"a quoted label name", "up{\"a.b\"=\"1\"} 1\n", "up|a.b=1 1.000000"},
        Good{"nothing after the end is read", "up 1\n# EOF\nup 2\n", "up 1.000000", kOm},
        Good{"whole names only",
             "vllm:num_requests_waiting_by_reason{reason=\"capacity\"} 9\n"
             "vllm:num_requests_waitin 7\nvllm:num_requests_waiting 12\n"
             "vllm:num_requests_waiting_created 1.7e9\n",
             "vllm:num_requests_waiting 12.000000"}));

struct Bad {
  const char* sentence;
  std::string_view line;
};
class BadLine : public testing::TestWithParam<Bad> {};
TEST_P(BadLine, IsCountedAndTheRestGoesOn) {
  std::string text = "up 1\n" + std::string(GetParam().line) + "\nup 2\n";
  Parsed p = parse(text);
  EXPECT_THAT(p.samples, ElementsAre("up 1.000000", "up 2.000000")) << GetParam().sentence;
  EXPECT_EQ(p.stats.garbage, 1U) << GetParam().sentence;
  EXPECT_EQ(p.stats.first_garbage_line, 2U) << GetParam().sentence;
}
INSTANTIATE_TEST_SUITE_P(
    Exposition, BadLine,
    testing::Values(
        Bad{"no value", "up"}, Bad{"no value after labels", "up{a=\"1\"}"},
        Bad{"a word for a value", "up down"}, Bad{"two signs", "up +-1"},
        Bad{"a number with a tail", "up 1x"}, Bad{"hex without digits", "up 0x"},
        Bad{"larger than any double", "up 1e999"}, Bad{"a timestamp with a fraction", "up 1 1.5"},
        Bad{"a timestamp beyond the calendar", "up 1 9223372036854775807"},
        Bad{"something after the timestamp", "up 1 2 3"},
        Bad{"braces that stay open", "up{a=\"1\""}, Bad{"a quote that stays open", "up{a=\"1} 1"},
        Bad{"an escaped closing quote", "up{a=\"1\\\"} 1"},
        Bad{"a backslash at the end", "up{a=\"\\"}, Bad{"a value without quotes", "up{a=1} 1"},
        Bad{"a label without a value", "up{a} 1"},
        Bad{"a label that starts with a digit", "up{1a=\"1\"} 1"},
        Bad{"no comma between labels", "up{a=\"1\" b=\"2\"} 1"},
        Bad{"two commas", "up{a=\"1\",,} 1"}, Bad{"two names", "up{\"up\"} 1"},
        Bad{"a quoted name that is not first", "{a=\"1\",\"up\"} 1"},
        Bad{"braces without a name", "{a=\"1\"} 1"}, Bad{"markup", "<html>"}, Bad{"JSON", "[1]"},
        Bad{"a name that starts with a digit", "9up 1"}, Bad{"a carriage return inside", "up\r1"}));

TEST(Exposition, ALineWithTheMostLabelsIsReadAndOneMoreIsGarbage) {
  auto line = [](std::size_t n) {
    std::string text = "up{";
    for (std::size_t i = 0; i < n; ++i) text += "l" + std::to_string(i) + "=\"v\",";
    return text + "} 1\n";
  };
  EXPECT_EQ(parse(line(SampleLine::kMaxLabels)).stats.samples, 1U);
  EXPECT_EQ(parse(line(SampleLine::kMaxLabels + 1)).stats.garbage, 1U);
}

TEST(Exposition, AnEmptyPageHasNoLines) {
  EXPECT_EQ(parse("").stats, PageStats{});
  EXPECT_THAT(parse("\n\n# HELP up x\n").samples, IsEmpty());
}

TEST(NameSet, FindsEachOfManyNamesAndNoPrefixOfThem) {
  std::vector<std::string> names;
  for (int i = 0; i < 2000; ++i) names.push_back("name_" + std::to_string(i * 7919));
  NameSet set(std::vector<std::string_view>(names.begin(), names.end()));
  for (std::size_t i = 0; i < names.size(); ++i) {
    ASSERT_EQ(set.find(names[i]), static_cast<int>(i));
    ASSERT_EQ(set.find(names[i] + "_"), NameSet::kNone);
  }
}

TEST(TextFormat, FollowsTheContentType) {
  EXPECT_EQ(text_format("text/plain; version=0.0.4; charset=utf-8"), TextFormat::kPrometheus);
  EXPECT_EQ(text_format("application/openmetrics-text; version=1.0.0"), TextFormat::kOpenMetrics);
  EXPECT_EQ(text_format(""), TextFormat::kPrometheus);
}

TEST(ParseNumber, AgreesWithStrtodBitForBit) {
  Rng rng(7, "numbers");
  for (int i = 0; i < 20'000; ++i) {
    std::string text = rng.below(2) == 0 ? "-" : "";
    for (std::uint64_t n = 1 + rng.below(19); n > 0; --n)
      text += static_cast<char>('0' + rng.below(10));
    if (rng.below(2) == 0) {
      text += '.';
      for (std::uint64_t n = rng.below(19); n > 0; --n)
        text += static_cast<char>('0' + rng.below(10));
    }
    if (rng.below(3) == 0) text += "e" + std::to_string(static_cast<int>(rng.below(600)) - 300);
    double expected = std::strtod(text.c_str(), nullptr);
    std::optional<double> got = parse_number(text);
    if (std::isinf(expected)) {
      ASSERT_FALSE(got) << text;
    } else {
      ASSERT_TRUE(got) << text;
      ASSERT_EQ(std::bit_cast<std::uint64_t>(*got), std::bit_cast<std::uint64_t>(expected)) << text;
    }
  }
}

TEST(Exposition, APageCutAnywhereGivesTheLinesBeforeTheCut) {
  const std::string text =
      "up{a=\"1\"} 1\n# HELP up x\na:b_total{b=\"x\\\"y\"} 2 7\nlat_bucket{le=\"+Inf\"} 3\n";
  const std::vector<std::string> all = parse(text).samples;
  ASSERT_EQ(all.size(), 3U);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    std::string part =
        text.substr(0, cut);  // its own allocation: a read past the end is seen by ASan
    Parsed p = parse(part);
    ASSERT_LE(p.samples.size(), all.size());
    auto complete = static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n'));
    std::size_t sure = complete > 1 ? complete - 1 : complete;  // line 2 is a comment
    for (std::size_t i = 0; i < sure; ++i) ASSERT_EQ(p.samples[i], all[i]) << cut;
  }
}

TEST(Exposition, ReadsBackWhatTheWriterWrites) {
  Rng rng(13, "written");
  for (int page = 0; page < 200; ++page) {
    std::string text;
    ExpositionWriter writer(text);
    std::vector<std::string> expected;
    std::vector<double> values;
    for (int i = 0; i < 20; ++i) {
      std::string value;
      for (std::uint64_t n = rng.below(10); n > 0; --n)
        value += "ab\"\\\n{},= #\xc3\xa9"[rng.below(13)];
      double number = std::bit_cast<double>(rng.next());
      if (std::isnan(number)) number = 0.5;
      writer.sample(kNames[i % 4], {{"le", "1.0"}, {"x", value}}, number);
      expected.push_back("le=1.0|x=" + value);
      values.push_back(number);
    }
    std::size_t at = 0;
    Exposition read(text, TextFormat::kPrometheus, wanted());
    for (SampleLine s; read.next(s); ++at) {
      ASSERT_LT(at, expected.size()) << text;
      ASSERT_EQ(s.label_count, 2U);
      ASSERT_EQ("le=" + unescape(s.label("le")) + "|x=" + unescape(s.label("x")), expected[at]);
      ASSERT_EQ(std::bit_cast<std::uint64_t>(s.value), std::bit_cast<std::uint64_t>(values[at]));
    }
    ASSERT_EQ(at, expected.size());
  }
}

}  // namespace
}  // namespace tidegate::format
