// The parser against a slow one: one character at a time, everything copied, straight from the
// grammar.
#include <gtest/gtest.h>

#include <optional>

#include "core/base/rng.h"
#include "format/exposition_for_test.h"

namespace tidegate::format {
namespace {

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
        out.append("|").append(key).append("=").append(value);
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

}  // namespace
}  // namespace tidegate::format
