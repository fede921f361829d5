// The vector selectors of a query, by PromQL's lexical rules alone: a name that is no function, no
// aggregation and no keyword, or braces that stand alone.
#include <algorithm>
#include <array>

#include "core/base/ascii.h"
#include "format/promql.h"

namespace tidegate::format {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool starts_name(char c) { return ascii::is_letter(c) || c == '_' || c == ':'; }
bool in_name(char c) { return starts_name(c) || ascii::is_digit(c); }

template <std::size_t N>
bool among(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Words that are followed by labels in parentheses, and words that stand alone.
constexpr std::array<std::string_view, 6> kBeforeLabels = {"by",       "without",    "on",
                                                           "ignoring", "group_left", "group_right"};
constexpr std::array<std::string_view, 8> kWords = {"and",    "or",    "unless", "bool",
                                                    "offset", "atan2", "inf",    "nan"};

class Scan {
 public:
  explicit Scan(std::string_view text) : text_(text) {}
  std::vector<std::string> run() {
    while (at_ < text_.size()) step();
    return std::move(found_);
  }

 private:
  void step() {
    const char c = text_[at_];
    if (c == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (c == '"' || c == '\'' || c == '`') {
      skip_string();
    } else if (c == '[') {
      skip_to(']');
    } else if (c == '{') {
      take(at_);
    } else if (ascii::is_digit(c)) {  // 5, 1e3, 0x1f, 5m30s
      while (at_ < text_.size() && (in_name(text_[at_]) || text_[at_] == '.')) ++at_;
    } else if (starts_name(c)) {
      word();
    } else {
      ++at_;
    }
  }

  void word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && in_name(text_[at_])) ++at_;
    const std::string name = ascii::lower(text_.substr(begin, at_ - begin));
    skip_blanks();
    const char next = at_ < text_.size() ? text_[at_] : '\0';
    if (next != '{' && among(kBeforeLabels, name)) {
      if (next == '(') skip_to(')');
      return;
    }
    if (next != '{' && (next == '(' || among(kWords, name) || grouped())) return;
    take(begin);
  }

  /// sum by (x) (...): the word before is an aggregation.
  bool grouped() const {
    for (std::string_view word : {"by", "without"}) {
      std::string_view rest = text_.substr(at_);
      if (ascii::equal_ignoring_case(rest.substr(0, word.size()), word) &&
          (rest.size() == word.size() || !in_name(rest[word.size()]))) {
        return true;
      }
    }
    return false;
  }

  /// The selector that began at `begin`; braces may follow.
  void take(std::size_t begin) {
    std::size_t end = at_;
    if (at_ < text_.size() && text_[at_] == '{') {
      skip_to('}');
      end = at_;
    }
    std::string_view selector = text_.substr(begin, end - begin);
    while (!selector.empty() && is_blank(selector.back())) selector.remove_suffix(1);
    if (found_.size() == kMaxSelectors) return;
    if (std::find(found_.begin(), found_.end(), selector) == found_.end()) {
      found_.emplace_back(selector);
    }
  }

  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }
  void skip_string() {
    const char quote = text_[at_++];
    while (at_ < text_.size() && text_[at_] != quote) {
      at_ += text_[at_] == '\\' && quote != '`' ? 2 : 1;
    }
    at_ = std::min(at_ + 1, text_.size());
  }
  /// Past the next `close` that is not inside a string.
  void skip_to(char close) {
    ++at_;
    while (at_ < text_.size() && text_[at_] != close) {
      const char c = text_[at_];
      if (c == '"' || c == '\'' || c == '`') {
        skip_string();
      } else {
        ++at_;
      }
    }
    at_ = std::min(at_ + 1, text_.size());
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> promql_selectors(std::string_view query) { return Scan(query).run(); }

}  // namespace tidegate::format
