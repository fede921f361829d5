#include "live/kube/time_text.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

namespace tidegate::live::kube {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

/// Exactly `width` digits at the front of `text`, taken off; -1 if they are not there.
int digits(std::string_view& text, std::size_t width) {
  int value = 0;
  if (text.size() < width) return -1;
  for (std::size_t i = 0; i < width; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(width);
  return value;
}
bool take(std::string_view& text, char one, char other) {
  if (text.empty() || (text[0] != one && text[0] != other)) return false;
  text.remove_prefix(1);
  return true;
}

bool take(std::string_view& text, char one) { return take(text, one, one); }

std::chrono::sys_days day_of(WallTime at) {
  return std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(at.unix_nanos())));
}

std::string whole_seconds(WallTime at) {
  auto day = day_of(at);
  std::chrono::year_month_day date(day);
  auto seconds =
      (at.unix_nanos() - std::chrono::nanoseconds(day.time_since_epoch()).count()) / kSecond;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", int(date.year()),
                     unsigned(date.month()), unsigned(date.day()), seconds / 3600,
                     seconds / 60 % 60, seconds % 60);
}

}  // namespace

std::optional<WallTime> parse_time(std::string_view text) {
  int year = digits(text, 4);
  if (year < 1700 || year > 2200 || !take(text, '-')) return std::nullopt;
  int month = digits(text, 2);
  if (!take(text, '-')) return std::nullopt;
  int day = digits(text, 2);
  if (!take(text, 'T', 't')) return std::nullopt;
  int hour = digits(text, 2);
  if (!take(text, ':')) return std::nullopt;
  int minute = digits(text, 2);
  if (!take(text, ':')) return std::nullopt;
  int second = digits(text, 2);
  std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(unsigned(month)),
                                   std::chrono::day(unsigned(day))};
  if (month < 1 || day < 1 || !date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60) {
    return std::nullopt;
  }
  std::int64_t fraction = 0;
  if (take(text, '.')) {
    std::int64_t unit = kSecond;
    while (!text.empty() && text[0] >= '0' && text[0] <= '9' && unit > 1) {
      unit /= 10;
      fraction += unit * (text[0] - '0');
      text.remove_prefix(1);
    }
    if (unit == kSecond) return std::nullopt;
  }
  std::int64_t offset = 0;
  if (!take(text, 'Z', 'z')) {
    bool east = !text.empty() && text[0] == '+';
    if (!take(text, '+', '-')) return std::nullopt;
    int hours = digits(text, 2);
    if (hours < 0 || !take(text, ':')) return std::nullopt;
    int minutes = digits(text, 2);
    if (minutes < 0) return std::nullopt;
    offset = (hours * 3600 + minutes * 60) * (east ? 1 : -1);
  }
  if (!text.empty()) return std::nullopt;
  std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  std::int64_t unix = days * 86'400 + hour * 3600 + minute * 60 + second - offset;
  return WallTime::from_unix_nanos(unix * kSecond + fraction);
}

std::string format_time(WallTime at) { return whole_seconds(at) + "Z"; }

std::string format_micro_time(WallTime at) {
  auto day = day_of(at);
  auto nanos = at.unix_nanos() - std::chrono::nanoseconds(day.time_since_epoch()).count();
  return whole_seconds(at) + fmt::format(".{:06}Z", nanos % kSecond / 1000);
}

}  // namespace tidegate::live::kube
