#include "exchange/cron_trigger.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace tidegate::exchange {
namespace {

constexpr std::int64_t kDayMinutes = 24 * 60;
constexpr std::string_view kEveryDay = "* * *";

/// A line with a fixed time of day.
struct Line {
  std::int64_t minute_of_day = 0;
  std::string days;  ///< the last three fields
};

std::optional<std::int64_t> digits(std::string_view text, std::int64_t below) {
  std::int64_t out = 0;
  auto [rest, bad] = std::from_chars(text.data(), text.data() + text.size(), out);
  bool whole = bad == std::errc() && rest == text.data() + text.size();
  return whole && out >= 0 && out < below ? std::optional(out) : std::nullopt;
}

std::optional<Line> line_of(std::string_view text) {
  std::array<std::string_view, 5> fields;
  std::size_t n = 0;
  while (!text.empty()) {
    std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0 && n == fields.size()) return std::nullopt;
    if (end > 0) fields[n++] = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  auto minute = digits(fields[0], 60), hour = digits(fields[1], 24);
  if (n != fields.size() || !minute || !hour) return std::nullopt;
  return Line{*hour * 60 + *minute, fmt::format("{} {} {}", fields[2], fields[3], fields[4])};
}

}  // namespace

std::optional<CronSpan> cron_span(const spec::ScheduleWindow& window) {
  auto start = line_of(window.cron);
  const std::int64_t minutes = window.duration.count() / 60'000'000'000;
  bool whole = Duration(minutes * 60'000'000'000) == window.duration;
  if (!start || !whole || minutes <= 0 || minutes >= kDayMinutes) return std::nullopt;
  std::int64_t end = start->minute_of_day + minutes;
  if (end >= kDayMinutes && start->days != kEveryDay) return std::nullopt;
  end %= kDayMinutes;
  return CronSpan{window.cron, fmt::format("{} {} {}", end % 60, end / 60, start->days)};
}

std::optional<Duration> cron_duration(const std::string& start, const std::string& end) {
  auto from = line_of(start), to = line_of(end);
  if (!from || !to || from->days != to->days) return std::nullopt;
  std::int64_t minutes = to->minute_of_day - from->minute_of_day;
  if (minutes < 0 && from->days == kEveryDay) minutes += kDayMinutes;
  if (minutes <= 0) return std::nullopt;
  return seconds(minutes * 60);
}

}  // namespace tidegate::exchange
