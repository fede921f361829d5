// Calendar text: RFC 3339 in and out, by Howard Hinnant's civil-day arithmetic.
#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "live/admin/admin.h"

namespace tidegate::live {
namespace {

std::int64_t days_from_civil(std::int64_t y, unsigned m, unsigned d) {
  y -= m <= 2 ? 1 : 0;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<unsigned>(y - era * 400);
  const unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
  const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<std::int64_t>(doe) - 719468;
}

struct Civil {
  std::int64_t year;
  unsigned month, day;
};
Civil civil_from_days(std::int64_t z) {
  z += 719468;
  const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const auto doe = static_cast<unsigned>(z - era * 146097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  const unsigned month = mp < 10 ? mp + 3 : mp - 9;
  return {static_cast<std::int64_t>(yoe) + era * 400 + (month <= 2 ? 1 : 0), month,
          doy - (153 * mp + 2) / 5 + 1};
}

/// Digits at text[at, at+n); nothing where they are not digits.
std::optional<unsigned> digits(std::string_view text, std::size_t at, std::size_t n) {
  if (at + n > text.size()) return std::nullopt;
  unsigned value = 0;
  for (std::size_t i = at; i < at + n; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(text[i] - '0');
  }
  return value;
}

/// Nanoseconds of ".123"; advances `at` past it.
std::int64_t fraction(std::string_view text, std::size_t& at) {
  if (at >= text.size() || text[at] != '.') return 0;
  std::int64_t nanos = 0, unit = 100'000'000;
  for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) {
    nanos += (text[at] - '0') * unit;
  }
  return nanos;
}

/// Seconds east of UTC of "Z" or "+hh:mm"; nothing where it is neither or not the end.
std::optional<std::int64_t> zone(std::string_view text, std::size_t at) {
  if (text.substr(at) == "Z" || text.substr(at) == "z") return 0;
  if (at + 6 != text.size() || (text[at] != '+' && text[at] != '-') || text[at + 3] != ':') {
    return std::nullopt;
  }
  auto hours = digits(text, at + 1, 2), minutes = digits(text, at + 4, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const std::int64_t seconds = *hours * 3600 + *minutes * 60;
  return text[at] == '-' ? -seconds : seconds;
}

}  // namespace

Result<WallTime> parse_wall_time(std::string_view text) {
  double seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc() && end == text.data() + text.size() && seconds >= 0 && seconds < 9e9) {
    return WallTime::from_unix_nanos(static_cast<std::int64_t>(seconds * 1e9));
  }
  auto bad = [&] {
    return fail(
        fmt::format("\"{}\" is not a time: write 2026-11-22T06:30:00Z, or seconds since 1970",
                    text.substr(0, 64)));
  };
  auto y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2);
  auto h = digits(text, 11, 2), mi = digits(text, 14, 2), s = digits(text, 17, 2);
  if (!y || !mo || !d || !h || !mi || !s || *mo < 1 || *mo > 12 || *d < 1 || *d > 31 || *h > 23 ||
      *mi > 59 || *s > 60 || text[4] != '-' || text[7] != '-' || text[13] != ':' ||
      text[16] != ':' || (text[10] != 'T' && text[10] != 't' && text[10] != ' ')) {
    return bad();
  }
  std::size_t at = 19;
  const std::int64_t nanos = fraction(text, at);
  auto offset = zone(text, at);
  if (!offset) return bad();
  const std::int64_t unix_seconds =
      days_from_civil(*y, *mo, *d) * 86400 + *h * 3600 + *mi * 60 + *s - *offset;
  return WallTime::from_unix_nanos(unix_seconds * 1'000'000'000 + nanos);
}

std::string format_wall_time(WallTime t) {
  std::int64_t seconds = t.unix_nanos() / 1'000'000'000, nanos = t.unix_nanos() % 1'000'000'000;
  if (nanos < 0) {
    nanos += 1'000'000'000;
    --seconds;
  }
  std::int64_t days = seconds / 86400, rest = seconds % 86400;
  if (rest < 0) {
    rest += 86400;
    --days;
  }
  Civil c = civil_from_days(days);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", c.year, c.month, c.day,
                     rest / 3600, rest / 60 % 60, rest % 60, nanos / 1'000'000);
}

}  // namespace tidegate::live
