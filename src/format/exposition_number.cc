#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/base/ascii.h"
#include "format/exposition.h"

namespace tidegate::format {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

/// Powers of ten that a double holds exactly.
constexpr std::array<double, 23> kPow10 = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                           1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                           1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr std::size_t kExactDigits = 15;  // any such integer is below 2^53

/// `nan`, `nan(ind)`, `inf`, `infinity` in any case.
std::optional<double> parse_word(std::string_view text) {
  if (ascii::equal_ignoring_case(text, "inf") || ascii::equal_ignoring_case(text, "infinity"))
    return kInf;
  if (text.size() >= 3 && ascii::equal_ignoring_case(text.substr(0, 3), "nan")) {
    std::string_view rest = text.substr(3);
    if (rest.empty() || (rest.size() >= 2 && rest.front() == '(' && rest.back() == ')'))
      return kNan;
  }
  return std::nullopt;
}

/// Everything but the short decimals: long mantissas, exponents, hex. `text` has no sign.
std::optional<double> parse_slow(std::string_view text) {
  auto kind = std::chars_format::general;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    kind = std::chars_format::hex;
    text.remove_prefix(2);
  }
  char c = text.empty() ? '\0' : text.front();
  if (c == '-' || c == '+') return std::nullopt;  // a second sign
  if ((c < '0' || c > '9') && c != '.' && kind == std::chars_format::general) {
    return parse_word(text);
  }
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, kind);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc()) return std::isfinite(value) ? std::optional(value) : std::nullopt;
  if (error != std::errc::result_out_of_range) return std::nullopt;
  // Too small is zero; too large is no number a 64-bit float has.
  bool small = text.find("e-") != text.npos || text.find("E-") != text.npos ||
               text.find("p-") != text.npos || text.find("P-") != text.npos;
  return small ? std::optional(0.0) : std::nullopt;
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  bool negative = text[0] == '-';
  if (negative || text[0] == '+') text.remove_prefix(1);
  // digits[.digits] of at most 15 digits: mantissa and power of ten are both exact, so one division
  // rounds correctly (Clinger, 1990). Nearly every number on a page is one of these.
  std::uint64_t mantissa = 0;
  std::size_t digits = 0, fraction = 0, i = 0;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i, ++digits) {
    mantissa = mantissa * 10 + static_cast<std::uint64_t>(text[i] - '0');
    if (digits == kExactDigits) break;
  }
  if (i < text.size() && text[i] == '.') {
    for (++i; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i, ++digits, ++fraction) {
      mantissa = mantissa * 10 + static_cast<std::uint64_t>(text[i] - '0');
      if (digits == kExactDigits) break;
    }
  }
  if (i == text.size() && digits > 0 && digits <= kExactDigits) {
    double value = static_cast<double>(mantissa) / kPow10[fraction];
    return negative ? -value : value;
  }
  std::optional<double> value = parse_slow(text);
  if (value && negative) *value = -*value;
  return value;
}

}  // namespace tidegate::format
