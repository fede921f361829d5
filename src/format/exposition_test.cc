#include "format/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

#include "core/base/rng.h"
#include "format/exposition_writer.h"

namespace tidegate::format {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kNames[] = {"up", "a:b_total", "lat_bucket", "vllm:num_requests_waiting",
                                       "dotted.name"};
const NameSet& wanted() {
  static const NameSet names(kNames);
  return names;
}

/// One sample as text, so that tables and oracle compare in one glance.
std::string show(const SampleLine& s) {
  std::string out(wanted().name(s.name));
  for (const Label& l : s.labels()) {
    out += "|" + std::string(l.name) + "=" + (l.escaped ? unescape(l.value) : std::string(l.value));
  }
  out += " " + (std::isnan(s.value) ? "NaN" : std::to_string(s.value));
  if (s.timestamp) out += " @" + std::to_string(s.timestamp->unix_nanos());
  if (!s.exemplar.empty()) out += " #" + std::string(s.exemplar);
  return out;
}
struct Parsed {
  std::vector<std::string> samples;
  PageStats stats;
};
Parsed parse(std::string_view text, TextFormat format = TextFormat::kPrometheus) {
  Parsed out;
  Exposition page(text, format, wanted());
  for (SampleLine s; page.next(s);) out.samples.push_back(show(s));
  out.stats = page.stats();
  return out;
}

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

// ---- the slow parser: one character at a time, everything copied, straight from the grammar ----
class Oracle {
 public:
  static std::optional<std::string> sample(std::string line, bool& is_garbage) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    return Oracle(line).read(is_garbage);
  }

 private:
  explicit Oracle(std::string line) : s_(std::move(line)) {}
  char c() const { return i_ < s_.size() ? s_[i_] : '\0'; }
  bool done() const { return i_ >= s_.size(); }
  void blanks() {
    while (!done() && (c() == ' ' || c() == '\t')) ++i_;
  }
  static bool in(char x, std::string_view set) { return x != '\0' && set.find(x) != set.npos; }

  bool quoted(std::string& out) {
    for (++i_; !done(); ++i_) {
      if (c() == '"') return ++i_, true;
      if (c() != '\\') {
        out += c();
        continue;
      }
      if (++i_ >= s_.size()) return false;
      if (c() == 'n')
        out += '\n';
      else if (c() == '"' || c() == '\\')
        out += c();
      else
        out += '\\', out += c();
    }
    return false;
  }
  bool labels(std::string& out, std::string& name) {
    const std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    for (int n = 0;; ++n) {
      blanks();
      if (c() == '}') return ++i_, true;
      std::string key, value;
      bool was_quoted = c() == '"';
      if (was_quoted) {
        if (!quoted(key)) return false;
      } else {
        if (!in(c(), letters)) return false;
        while (in(c(), letters + "0123456789")) key += s_[i_++];
      }
      blanks();
      if (c() == '=') {
        ++i_;
        blanks();
        if (c() != '"' || !quoted(value)) return false;
        out += "|" + key + "=" + value;
        blanks();
      } else if (was_quoted && n == 0)
        name = key;
      else
        return false;
      if (c() == ',')
        ++i_;
      else if (c() != '}')
        return false;
    }
  }
  std::string word() {
    std::string out;
    while (!done() && c() != ' ' && c() != '\t') out += s_[i_++];
    return out;
  }
  std::optional<std::string> read(bool& is_garbage) {
    is_garbage = false;
    blanks();
    if (done() || c() == '#') return std::nullopt;
    is_garbage = true;
    std::string name, inner, labels_text;
    if (c() == '{') {
      ++i_;
      if (!labels(labels_text, name) || name.empty()) return std::nullopt;
      is_garbage = false;
      if (wanted().find(name) == NameSet::kNone) return std::nullopt;
      is_garbage = true;
    } else {
      if (!std::isalpha(static_cast<unsigned char>(c())) && c() != '_' && c() != ':')
        return std::nullopt;
      while (!done() && c() != '{' && static_cast<unsigned char>(c()) > ' ') name += s_[i_++];
      is_garbage = false;
      if (wanted().find(name) == NameSet::kNone) return std::nullopt;
      is_garbage = true;
      blanks();
      if (c() == '{') {
        ++i_;
        if (!labels(labels_text, inner) || !inner.empty()) return std::nullopt;
      }
    }
    blanks();
    std::string number = word();
    const char* start = number.c_str();
    char* end = nullptr;
    double value = std::strtod(start, &end);
    if (number.empty() || *end != '\0') return std::nullopt;
    std::string out =
        name + labels_text + " " + (std::isnan(value) ? "NaN" : std::to_string(value));
    blanks();
    if (!done() && c() != '#') {
      std::string stamp = word();
      long long ms = std::strtoll(stamp.c_str(), &end, 10);
      if (*end != '\0') return std::nullopt;
      out += " @" + std::to_string(ms * 1'000'000);
      blanks();
    }
    if (!done()) {
      if (c() != '#') return std::nullopt;
      if (i_ + 1 < s_.size()) out += " #" + s_.substr(i_ + 1);
    }
    is_garbage = false;
    return out;
  }

  std::string s_;
  std::size_t i_ = 0;
};

/// Random lines made of the pieces that matter, put together mostly right.
std::string random_line(Rng& rng) {
  auto any = [&](std::initializer_list<const char*> list) {
    return std::string(list.begin()[rng.below(list.size())]);
  };
  if (rng.below(8) == 0) {
    std::string noise;
    for (std::uint64_t n = rng.below(12); n > 0; --n) {
      noise += any({"up", "{", "}", "\"", "a", "=", ",", " ", "\\", "1", "#", "\t", "\r", "NaN",
                    "\xc3\xa9"});
    }
    return noise;
  }
  std::string line =
      any({"", "", "", " "}) +
      any({"up", "a:b_total", "lat_bucket", "vllm:num_requests_waiting", "vllm:other",
           "vllm:num_requests_waiting_by_reason", "u", "upp", "{\"dotted.name\"", "#"});
  bool open = line.find('{') != line.npos;
  if (!open && rng.below(3) != 0) line += any({"{", "{", " {"}), open = true;
  if (open && line.back() == '"') line += any({",", "", ","});
  if (open) {
    for (std::uint64_t n = rng.below(4); n > 0; --n) {
      line += any({"a", "le", "_b1", "\"x y\"", "engine"}) + any({"=", "=", " = "}) +
              any({"\"\"", "\"1\"", "\"x\\\"y\"", "\"\\\\\"", "\"\\n\"", "\"}, {\"",
                   "\"a long value, longer\"", "\"bad", "\"C:\\d\""}) +
              any({",", ",", ",", "", " , "});
    }
    line += any({"}", "}", "}", "} ", ""});
  }
  line += any({" ", " ", "  ", "\t", ""}) +
          any({"1", "0.5", "-3", "1e3", "nan", "+Inf", "x", "", "17.0"});
  line +=
      any({"", "", "", " 12", " -7", " x", "\t"}) + any({"", "", "", " # {a=\"b\"} 1", "#", "\r"});
  return line;
}

TEST(Exposition, AgreesWithTheSlowParserOnRandomPages) {
  Rng rng(11, "pages");
  std::size_t samples = 0, garbage = 0;
  for (int page = 0; page < 3000; ++page) {
    std::string text;
    std::vector<std::string> expected;
    std::uint32_t bad = 0;
    std::uint64_t lines = rng.below(12);
    for (std::uint64_t i = 0; i < lines; ++i) {
      std::string line = random_line(rng);
      bool is_garbage = false;
      if (auto s = Oracle::sample(line, is_garbage)) expected.push_back(*s);
      bad += is_garbage ? 1 : 0;
      text += line + "\n";
    }
    Parsed p = parse(text);
    ASSERT_EQ(p.samples, expected) << text;
    ASSERT_EQ(p.stats.garbage, bad) << text;
    ASSERT_EQ(p.stats.lines, lines);
    ASSERT_EQ(p.stats.lines, p.stats.blank + p.stats.comments + p.stats.skipped + p.stats.samples +
                                 p.stats.garbage);
    samples += p.samples.size();
    garbage += bad;
  }
  EXPECT_GT(samples, 2000U);  // the generator still makes both kinds
  EXPECT_GT(garbage, 1000U);
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
