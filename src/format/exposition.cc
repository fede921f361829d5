#include "format/exposition.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/base/ascii.h"
#include "core/base/check.h"

namespace tidegate::format {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
constexpr std::uint64_t kHighs = 0x8080808080808080ULL;
constexpr std::uint64_t kHashSeed = 0x9E3779B97F4A7C15ULL;

/// Up to eight bytes, the first one lowest; what lies beyond `end` reads as zero.
std::uint64_t load(const char* at, const char* end) {
  std::uint64_t word = 0;
  if (end - at >= 8) {
    std::memcpy(&word, at, 8);
  } else {
    std::memcpy(&word, at, static_cast<std::size_t>(end - at));
  }
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

/// A high bit in each byte that is `c`; exact up to and including the lowest such byte.
constexpr std::uint64_t bytes_equal(std::uint64_t word, char c) {
  std::uint64_t x = word ^ (kOnes * static_cast<unsigned char>(c));
  return (x - kOnes) & ~x & kHighs;
}
/// The same for bytes <= ' '.
constexpr std::uint64_t bytes_blank(std::uint64_t word) {
  return (word - kOnes * 0x21) & ~word & kHighs;
}
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0xD6E8FEB86659FD93ULL;
  return hash ^ (hash >> 32);
}
constexpr std::uint64_t low_bytes(std::uint64_t word, unsigned count) {
  return count >= 8 ? word : word & ((std::uint64_t{1} << (8 * count)) - 1);
}

/// End of a name (the first '{' or blank) and its hash, in one pass.
const char* scan_name(const char* at, const char* end, std::uint64_t& hash) {
  hash = kHashSeed;
  while (at < end) {
    std::uint64_t word = load(at, end);
    if (std::uint64_t stop = bytes_equal(word, '{') | bytes_blank(word); stop != 0) {
      unsigned count = static_cast<unsigned>(std::countr_zero(stop)) / 8;
      if (count > 0) hash = mix(hash, low_bytes(word, count));
      return at + count;  // what lies beyond `end` reads as zero, a stop: never behind it
    }
    hash = mix(hash, word);
    at += 8;
  }
  return end;
}
std::uint64_t hash_name(std::string_view name) {
  std::uint64_t hash = kHashSeed;
  const char* end = name.data() + name.size();
  for (const char* at = name.data(); at < end; at += 8) hash = mix(hash, load(at, end));
  return hash;
}

bool blank(char c) { return c == ' ' || c == '\t'; }
const char* skip_blanks(const char* at, const char* end) {
  while (at < end && blank(*at)) ++at;
  return at;
}
bool letter(char c) { return ascii::is_letter(c) || c == '_'; }
bool name_start(char c) { return letter(c) || c == ':'; }
bool label_char(char c) { return letter(c) || ascii::is_digit(c); }

/// After the opening quote: the closing one, or nullptr. Notes whether a backslash came by.
const char* closing_quote(const char* at, const char* end, bool& escaped) {
  while (at < end) {
    std::uint64_t word = load(at, end);
    std::uint64_t stop = bytes_equal(word, '"') | bytes_equal(word, '\\');
    if (stop == 0) {
      if (end - at <= 8) return nullptr;
      at += 8;
      continue;
    }
    at += std::countr_zero(stop) / 8;
    if (*at == '"') return at;
    escaped = true;
    if (end - at <= 2) return nullptr;
    at += 2;  // the backslash and what it escapes
  }
  return nullptr;
}

struct Quoted {
  std::string_view text;
  bool escaped = false;
};
/// A quoted string at `at`; moves behind the closing quote. False where it does not end.
bool read_quoted(const char*& at, const char* end, Quoted& out) {
  const char* begin = at + 1;
  out.escaped = false;
  const char* close = closing_quote(begin, end, out.escaped);
  if (close == nullptr) return false;
  out.text = {begin, static_cast<std::size_t>(close - begin)};
  at = close + 1;
  return true;
}

/// The inside of {...}: labels into `out`, a quoted name without '=' into `quoted_name`. `at`
/// stands behind
/// '{' and is left behind '}'. False where it is malformed.
bool read_labels(const char*& at, const char* end, SampleLine& out,
                 std::optional<Quoted>& quoted_name) {
  out.label_count = 0;
  bool first = true;
  while (true) {
    at = skip_blanks(at, end);
    if (at == end) return false;
    if (*at == '}') return ++at, true;
    Quoted name;
    bool quoted = *at == '"';
    if (quoted) {
      if (!read_quoted(at, end, name)) return false;
    } else {
      const char* begin = at;
      if (!letter(*at)) return false;
      while (at < end && label_char(*at)) ++at;
      name.text = {begin, static_cast<std::size_t>(at - begin)};
    }
    at = skip_blanks(at, end);
    if (at == end) return false;
    if (*at == '=') {
      at = skip_blanks(at + 1, end);
      Quoted value;
      if (at == end || *at != '"' || !read_quoted(at, end, value)) return false;
      if (out.label_count == SampleLine::kMaxLabels) return false;
      out.label_array[out.label_count++] = {name.text, value.text, value.escaped};
      at = skip_blanks(at, end);
      if (at == end) return false;
    } else if (quoted && first) {
      quoted_name = name;
    } else {
      return false;
    }
    first = false;
    if (*at == ',') {
      ++at;
    } else if (*at != '}') {
      return false;
    }
  }
}

std::string_view read_token(const char*& at, const char* end) {
  const char* begin = at;
  while (at < end && !blank(*at)) ++at;
  return {begin, static_cast<std::size_t>(at - begin)};
}

/// 0.0.4: whole milliseconds. OpenMetrics: seconds, split so that the nanoseconds keep their
/// digits.
bool read_timestamp(std::string_view text, TextFormat format, std::optional<WallTime>& out) {
  std::int64_t whole = 0, nanos = 0, unit = 1'000'000;
  if (format == TextFormat::kPrometheus) {
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
    if (error != std::errc() || end != text.data() + text.size()) return false;
  } else {
    std::optional<double> number = parse_number(text);
    if (!number || !(std::abs(*number) < 9e9)) return false;
    unit = 1'000'000'000;
    double floor = std::floor(*number);
    whole = static_cast<std::int64_t>(floor);
    nanos = static_cast<std::int64_t>(std::floor((*number - floor) * 1e9 + 0.5));
  }
  std::int64_t at = 0;
  if (__builtin_mul_overflow(whole, unit, &at) || __builtin_add_overflow(at, nanos, &at))
    return false;
  out = WallTime::from_unix_nanos(at);
  return true;
}

/// value [timestamp] [# exemplar], behind the labels.
bool read_tail(const char* at, const char* end, TextFormat format, SampleLine& out) {
  at = skip_blanks(at, end);
  std::optional<double> value = parse_number(read_token(at, end));
  if (!value) return false;
  out.value = *value;
  out.timestamp.reset();
  out.exemplar = {};
  at = skip_blanks(at, end);
  if (at < end && *at != '#') {
    if (!read_timestamp(read_token(at, end), format, out.timestamp)) return false;
    at = skip_blanks(at, end);
  }
  if (at == end) return true;
  if (*at != '#') return false;
  out.exemplar = {at + 1, static_cast<std::size_t>(end - at - 1)};
  return true;
}

}  // namespace

TextFormat text_format(std::string_view content_type) {
  constexpr std::string_view kName = "application/openmetrics-text";
  return content_type.substr(0, kName.size()) == kName ? TextFormat::kOpenMetrics
                                                       : TextFormat::kPrometheus;
}

NameSet::NameSet(std::span<const std::string_view> names) {
  TIDEGATE_CHECK(names.size() <= kMaxNames);
  names_.assign(names.begin(), names.end());
  slots_.resize(std::bit_ceil(names.size() * 4 + 4));
  mask_ = slots_.size() - 1;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    TIDEGATE_CHECK(!names_[i].empty() &&
                   names_[i].find_first_of("\"\\ \t\r\n") == std::string::npos);
    std::uint64_t hash = hash_name(names_[i]);
    TIDEGATE_CHECK(find(names_[i], hash) == kNone);
    std::uint64_t at = hash & mask_;
    while (slots_[at].index != kNone) at = (at + 1) & mask_;
    slots_[at] = {hash, static_cast<std::int32_t>(i)};
  }
}
int NameSet::find(std::string_view name) const { return find(name, hash_name(name)); }
int NameSet::find(std::string_view name, std::uint64_t hash) const {
  for (std::uint64_t at = hash & mask_; slots_[at].index != kNone; at = (at + 1) & mask_) {
    if (slots_[at].hash == hash && names_[static_cast<std::size_t>(slots_[at].index)] == name) {
      return slots_[at].index;
    }
  }
  return kNone;
}

std::string unescape(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    char next = i + 1 < value.size() ? value[i + 1] : '\0';
    if (value[i] == '\\' && (next == '\\' || next == '"' || next == 'n')) {
      out += next == 'n' ? '\n' : next;
      ++i;
    } else {
      out += value[i];
    }
  }
  return out;
}

void Exposition::garbage() {
  ++stats_.garbage;
  if (stats_.first_garbage_line == 0) stats_.first_garbage_line = stats_.lines;
}

int Exposition::find_name(const char* begin, const char* end, const char*& after) {
  std::size_t known = last_name_.size();
  if (known > 0 && static_cast<std::size_t>(end - begin) > known &&
      (begin[known] == '{' || begin[known] == ' ') &&
      std::memcmp(begin, last_name_.data(), known) == 0) {
    after = begin + known;
    return last_index_;
  }
  std::uint64_t hash = 0;
  after = scan_name(begin, end, hash);
  last_name_ = {begin, static_cast<std::size_t>(after - begin)};
  return last_index_ = wanted_->find(last_name_, hash);
}

Exposition::Seen Exposition::read_line(const char* at, const char* end, SampleLine& out) {
  at = skip_blanks(at, end);
  if (at == end) return ++stats_.blank, Seen::kOther;
  if (*at == '#') {
    ++stats_.comments;
    stats_.end_seen =
        format_ == TextFormat::kOpenMetrics && std::string_view(at, end - at) == "# EOF";
    return Seen::kOther;
  }
  std::optional<Quoted> quoted_name;
  out.label_count = 0;
  if (*at == '{') {  // {"name with any character", label="value"} 1
    ++at;
    if (!read_labels(at, end, out, quoted_name) || !quoted_name) return garbage(), Seen::kOther;
    // A wanted name holds nothing that needs an escape, so an escaped one is another's.
    out.name = quoted_name->escaped ? NameSet::kNone : wanted_->find(quoted_name->text);
    if (out.name == NameSet::kNone) return ++stats_.skipped, Seen::kOther;
  } else {
    if (!name_start(*at)) return garbage(), Seen::kOther;
    out.name = find_name(at, end, at);
    if (out.name == NameSet::kNone) return ++stats_.skipped, Seen::kOther;
    at = skip_blanks(at, end);
    if (at < end && *at == '{') {
      ++at;
      if (!read_labels(at, end, out, quoted_name) || quoted_name) return garbage(), Seen::kOther;
    }
  }
  if (!read_tail(at, end, format_, out)) return garbage(), Seen::kOther;
  ++stats_.samples;
  return Seen::kSample;
}

bool Exposition::next(SampleLine& out) {
  while (at_ < end_ && !stats_.end_seen) {
    const char* begin = at_;
    const char* newline =
        static_cast<const char*>(std::memchr(begin, '\n', static_cast<std::size_t>(end_ - begin)));
    const char* end = newline == nullptr ? end_ : newline;
    at_ = newline == nullptr ? end_ : newline + 1;
    if (end > begin && end[-1] == '\r') --end;
    ++stats_.lines;
    if (read_line(begin, end, out) == Seen::kSample) return true;
  }
  return false;
}

}  // namespace tidegate::format
