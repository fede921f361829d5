#include "core/spec/cron.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tidegate::spec {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;

constexpr std::string_view kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                        "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view kDays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct FieldRule {
  std::string_view name;
  int min, max;
  std::span<const std::string_view> names;
  int first_name;
};
constexpr FieldRule kRules[] = {{"minute", 0, 59, {}, 0},
                                {"hour", 0, 23, {}, 0},
                                {"day of month", 1, 31, {}, 0},
                                {"month", 1, 12, kMonths, 1},
                                {"day of week", 0, 7, kDays, 0}};

std::optional<int> number(std::string_view text, const FieldRule& rule) {
  for (std::size_t i = 0; i < rule.names.size(); ++i) {
    bool same = text.size() == 3;
    for (std::size_t k = 0; same && k < 3; ++k) {
      char c = text[k] >= 'A' && text[k] <= 'Z' ? static_cast<char>(text[k] - 'A' + 'a') : text[k];
      same = c == rule.names[i][k];
    }
    if (same) return rule.first_name + static_cast<int>(i);
  }
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Error refuse(const FieldRule& rule, std::string_view item) {
  std::string form = std::to_string(rule.min) + "-" + std::to_string(rule.max);
  if (!rule.names.empty()) {
    form += " or " + std::string(rule.names.front()) + "-" + std::string(rule.names.back());
  }
  return {std::string(rule.name) + " \"" + std::string(item) +
          "\" is not understood; accepted: *, " + form + ", ranges a-b, lists a,b and steps */n"};
}

/// One item of a list: *, a, a-b, each perhaps with /step.
Result<std::uint64_t> item_mask(std::string_view item, const FieldRule& rule) {
  std::string_view range = item;
  int step = 1;
  auto slash = item.find('/');
  if (slash != std::string_view::npos) {
    range = item.substr(0, slash);
    auto n = number(item.substr(slash + 1), FieldRule{rule.name, 1, rule.max, {}, 0});
    if (!n || *n < 1 || *n > rule.max) return fail(refuse(rule, item));
    step = *n;
  }
  int low = rule.min, high = rule.max;
  if (range == "*") {
    if (rule.max == 7) high = 6;
  } else {
    auto dash = range.find('-');
    auto first = number(range.substr(0, dash), rule);
    auto last = dash == std::string_view::npos
                    ? (slash == std::string_view::npos ? first : rule.max)
                    : number(range.substr(dash + 1), rule);
    if (rule.max == 7 && last == 0 && first > 0) last = 7;  // sat-sun
    if (!first || !last || *first < rule.min || *last > rule.max || *first > *last) {
      return fail(refuse(rule, item));
    }
    low = *first;
    high = *last;
  }
  std::uint64_t mask = 0;
  for (int v = low; v <= high; v += step)
    mask |= std::uint64_t{1} << (rule.max == 7 && v == 7 ? 0 : v);
  return mask;
}

Result<std::uint64_t> field_mask(std::string_view text, const FieldRule& rule) {
  std::uint64_t mask = 0;
  for (std::size_t from = 0; from <= text.size();) {
    std::size_t comma = std::min(text.find(',', from), text.size());
    auto item = item_mask(text.substr(from, comma - from), rule);
    if (!item) return item;
    mask |= *item;
    from = comma + 1;
  }
  return mask;
}

struct Day {
  std::int64_t number;
  int month, day, weekday;
};

/// Civil date of a day number since 1970-01-01 (H. Hinnant's era arithmetic, proleptic Gregorian).
Day civil(std::int64_t number) {
  std::int64_t z = number + 719'468;
  std::int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
  std::int64_t doe = z - era * 146'097;
  std::int64_t yoe = (doe - doe / 1'460 + doe / 36'524 - doe / 146'096) / 365;
  std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  std::int64_t mp = (5 * doy + 2) / 153;
  int day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  int month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  return {number, month, day, static_cast<int>(((number + 4) % 7 + 7) % 7)};
}

bool has(std::uint64_t mask, int bit) { return (mask >> bit & 1) != 0; }

bool day_matches(const CronFields& f, const Day& d) {
  if (!has(f.months, d.month)) return false;
  bool by_month_day = has(f.days_of_month, d.day);
  bool by_week_day = has(f.days_of_week, d.weekday);
  // crontab(5): both restricted means either; an asterisk leaves the word to the other.
  return f.any_day_of_month || f.any_day_of_week ? by_month_day && by_week_day
                                                 : by_month_day || by_week_day;
}

/// The first instant at which the local clock shows `local` or later.
std::int64_t first_instant(const std::vector<ZoneTransition>& zone, std::int64_t local) {
  // Offsets are within a day of UTC, so the answer lies between the transitions around local -+ 1
  // day.
  std::int64_t offset = utc_offset(zone, local - kDaySeconds);
  auto next =
      std::upper_bound(zone.begin(), zone.end(), local - kDaySeconds,
                       [](std::int64_t t, const ZoneTransition& z) { return t < z.unix_seconds; });
  for (; next != zone.end() && next->unix_seconds <= local + kDaySeconds; ++next) {
    if (local - offset < next->unix_seconds) break;  // shown before the clock changes
    if (local - next->utc_offset_seconds <= next->unix_seconds)
      return next->unix_seconds;  // jumped over
    offset = next->utc_offset_seconds;
  }
  return local - offset;
}

}  // namespace

std::int64_t utc_offset(const std::vector<ZoneTransition>& zone, std::int64_t unix_seconds) {
  auto next =
      std::upper_bound(zone.begin(), zone.end(), unix_seconds,
                       [](std::int64_t t, const ZoneTransition& z) { return t < z.unix_seconds; });
  if (next != zone.begin()) return std::prev(next)->utc_offset_seconds;
  return zone.empty() ? 0 : zone.front().utc_offset_seconds;
}

Result<CronFields> parse_cron(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t begin = text.find_first_not_of(" \t", at);
    if (begin == std::string_view::npos) break;
    at = std::min(text.find_first_of(" \t", begin), text.size());
    words.push_back(text.substr(begin, at - begin));
  }
  if (words.size() != 5) {
    return fail(
        "a cron line has five fields (minute hour day-of-month month day-of-week), this has " +
        std::to_string(words.size()));
  }
  std::array<std::uint64_t, 5> masks{};
  for (std::size_t i = 0; i < 5; ++i) {
    auto mask = field_mask(words[i], kRules[i]);
    if (!mask) return fail(mask.error());
    masks[i] = *mask;
  }
  CronFields f;
  f.minutes = masks[0];
  f.hours = static_cast<std::uint32_t>(masks[1]);
  f.days_of_month = static_cast<std::uint32_t>(masks[2]);
  f.months = static_cast<std::uint32_t>(masks[3]);
  f.days_of_week = static_cast<std::uint32_t>(masks[4]);
  f.any_day_of_month = words[2].front() == '*';
  f.any_day_of_week = words[4].front() == '*';
  return f;
}

bool never_matches(const CronFields& f) {
  for (std::int64_t day = 0; day < 366 * 28; ++day) {  // every date meets every weekday in 28 years
    if (day_matches(f, civil(day))) return f.minutes == 0 || f.hours == 0;
  }
  return true;
}

bool active(const ScheduleWindow& w, WallTime now) {
  std::int64_t nanos = now.unix_nanos();
  std::int64_t seconds = nanos / 1'000'000'000 - (nanos % 1'000'000'000 < 0 ? 1 : 0);
  std::int64_t length = w.duration.count() / 1'000'000'000;
  // The latest match that has begun decides. Local time never runs backwards by more than a day, so
  // the search goes down from tomorrow's local date to the date at which a window would just be
  // closing.
  auto local_day = [&](std::int64_t t) {
    std::int64_t local = t + utc_offset(w.zone, t);
    return local / kDaySeconds - (local % kDaySeconds < 0 ? 1 : 0);
  };
  for (std::int64_t day = local_day(seconds) + 1; day >= local_day(seconds - length) - 1; --day) {
    if (!day_matches(w.fields, civil(day))) continue;
    for (int hour = 23; hour >= 0; --hour) {
      if (!has(w.fields.hours, hour)) continue;
      for (int minute = 59; minute >= 0; --minute) {
        if (!has(w.fields.minutes, minute)) continue;
        std::int64_t start = first_instant(w.zone, day * kDaySeconds + hour * 3'600 + minute * 60);
        if (start <= seconds) {
          return now - WallTime::from_unix_nanos(start * 1'000'000'000) < w.duration;
        }
      }
    }
  }
  return false;
}

}  // namespace tidegate::spec
