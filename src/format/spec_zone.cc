#include "format/spec_zone.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>

#include "core/base/ascii.h"

namespace tidegate::format {
namespace {

using spec::ZoneTransition;
constexpr std::int64_t kDay = 86'400;

std::int64_t days_from_civil(std::int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  std::int64_t yoe = year - era * 400;
  std::int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719'468;
}

std::int64_t big_endian(std::string_view bytes) {
  std::uint64_t value = static_cast<unsigned char>(bytes[0]) & 0x80 ? ~std::uint64_t{0} : 0;
  for (char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return static_cast<std::int64_t>(value);
}

struct Header {
  std::int64_t utc_marks, standard_marks, leaps, times, types, characters;
  std::size_t body(std::size_t time_size) const {
    return static_cast<std::size_t>(times * static_cast<std::int64_t>(time_size + 1) + types * 6 +
                                    characters + leaps * static_cast<std::int64_t>(time_size + 4) +
                                    standard_marks + utc_marks);
  }
};

std::optional<Header> read_header(std::string_view bytes) {
  if (bytes.size() < 44 || !bytes.starts_with("TZif")) return std::nullopt;
  auto field = [&](int i) {
    return big_endian(bytes.substr(20 + 4 * static_cast<std::size_t>(i), 4));
  };
  Header h{field(0), field(1), field(2), field(3), field(4), field(5)};
  for (std::int64_t n : {h.utc_marks, h.standard_marks, h.leaps, h.times, h.types, h.characters}) {
    if (n < 0 || n > 100'000) return std::nullopt;
  }
  return h;
}

// The footer: a POSIX TZ rule such as CET-1CEST,M3.5.0,M10.5.0/3.

void skip_name(std::string_view& s) {
  if (s.starts_with('<')) {
    s.remove_prefix(std::min(s.find('>') + 1, s.size()));
  } else {
    while (!s.empty() && ascii::is_letter(s[0])) s.remove_prefix(1);
  }
}

std::optional<std::int64_t> take_int(std::string_view& s) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (error != std::errc{} || value > 100'000 || value < -100'000) return std::nullopt;
  s.remove_prefix(static_cast<std::size_t>(end - s.data()));
  return value;
}

/// [+-]hh[:mm[:ss]] in seconds.
std::optional<std::int64_t> take_time(std::string_view& s) {
  bool negative = s.starts_with('-');
  if (negative || s.starts_with('+')) s.remove_prefix(1);
  std::int64_t total = 0;
  for (std::int64_t unit = 3'600; unit > 0; unit /= 60) {
    auto part = take_int(s);
    if (!part || *part < 0) return std::nullopt;
    total += *part * unit;
    if (!s.starts_with(':')) break;
    s.remove_prefix(1);
  }
  return negative ? -total : total;
}

/// ,Mmonth.week.day[/time]: seconds of local time since 1970 in a given year.
struct YearRule {
  std::int64_t month = 1, week = 1, weekday = 0, time = 7'200;

  std::int64_t local_seconds(std::int64_t year) const {
    std::int64_t first = days_from_civil(year, static_cast<int>(month), 1);
    std::int64_t next = month == 12 ? days_from_civil(year + 1, 1, 1)
                                    : days_from_civil(year, static_cast<int>(month) + 1, 1);
    std::int64_t day = first + ((weekday - (first + 4)) % 7 + 7) % 7 + (week - 1) * 7;
    while (day >= next) day -= 7;  // week 5 is the last
    return day * kDay + time;
  }
};

std::optional<YearRule> take_rule(std::string_view& s) {
  if (!s.starts_with(",M")) return std::nullopt;
  YearRule rule;
  for (std::int64_t* part : {&rule.month, &rule.week, &rule.weekday}) {
    s.remove_prefix(part == &rule.month ? 2 : 1);  // ",M" or "."
    auto value = take_int(s);
    if (!value || (part != &rule.weekday && !s.starts_with('.'))) return std::nullopt;
    *part = *value;
  }
  if (rule.month < 1 || rule.month > 12 || rule.week < 1 || rule.week > 5 || rule.weekday < 0 ||
      rule.weekday > 6) {
    return std::nullopt;
  }
  if (s.starts_with('/')) {
    s.remove_prefix(1);
    auto time = take_time(s);
    if (!time) return std::nullopt;
    rule.time = *time;
  }
  return rule;
}

/// Writes the footer's rules out, after what the table already has. A footer of another form adds
/// nothing.
void extend(std::string_view footer, std::vector<ZoneTransition>& zone) {
  skip_name(footer);
  auto standard = take_time(footer);
  if (!standard || footer.empty()) return;
  skip_name(footer);
  std::int64_t standard_offset = -*standard, summer_offset = standard_offset + 3'600;
  if (!footer.starts_with(',')) {
    auto summer = take_time(footer);
    if (!summer) return;
    summer_offset = -*summer;
  }
  auto begin = take_rule(footer);
  auto end = begin ? take_rule(footer) : std::nullopt;
  if (!end) return;
  std::int64_t after =
      zone.empty() ? days_from_civil(kZoneFromYear, 1, 1) * kDay : zone.back().unix_seconds;
  std::vector<ZoneTransition> more;
  for (std::int64_t year = kZoneFromYear; year < kZoneUntilYear; ++year) {
    more.push_back({begin->local_seconds(year) - standard_offset, summer_offset});
    more.push_back({end->local_seconds(year) - summer_offset, standard_offset});
  }
  std::sort(more.begin(), more.end(),
            [](auto& a, auto& b) { return a.unix_seconds < b.unix_seconds; });
  for (const ZoneTransition& t : more) {
    if (t.unix_seconds > after) zone.push_back(t);
  }
}

bool is_zone_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '/' ||
      name.find("..") != std::string_view::npos)
    return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return ascii::is_alphanumeric(c) || c == '_' || c == '-' || c == '+' || c == '/';
  });
}

}  // namespace

Result<std::vector<ZoneTransition>> parse_tzif(std::string_view bytes) {
  auto old_header = read_header(bytes);
  if (!old_header) return fail("not a time zone file");
  if (bytes[4] < '2') return fail("a time zone file of version 1, which ends in 2037");
  std::size_t second = 44 + old_header->body(4);
  if (second > bytes.size()) return fail("the time zone file is cut short");
  bytes.remove_prefix(second);
  auto header = read_header(bytes);
  if (!header || header->types < 1 || bytes.size() < 44 + header->body(8))
    return fail("the time zone file is cut short");
  auto n = static_cast<std::size_t>(header->times);
  auto types = static_cast<std::size_t>(header->types);
  std::string_view times = bytes.substr(44, n * 8), index = bytes.substr(44 + n * 8, n);
  std::string_view infos = bytes.substr(44 + n * 9, types * 6);
  auto offset_of = [&](std::size_t type) { return big_endian(infos.substr(type * 6, 4)); };

  std::int64_t from = days_from_civil(kZoneFromYear, 1, 1) * kDay;
  std::vector<ZoneTransition> zone{{from, offset_of(0)}};
  for (std::size_t i = 0; i < n; ++i) {
    auto type = static_cast<std::size_t>(static_cast<unsigned char>(index[i]));
    if (type >= types) return fail("the time zone file refers to a type it lacks");
    std::int64_t at = big_endian(times.substr(i * 8, 8)), offset = offset_of(type);
    if (offset <= -kDay || offset >= kDay)
      return fail("the time zone file holds an offset of more than a day");
    if (at <= from) {
      zone.front().utc_offset_seconds = offset;
    } else if (at > zone.back().unix_seconds) {
      zone.push_back({at, offset});
    }
  }
  std::string_view footer = bytes.substr(44 + header->body(8));
  if (footer.starts_with('\n')) extend(footer.substr(1, footer.find('\n', 1) - 1), zone);
  return zone;
}

Result<std::vector<ZoneTransition>> load_zone(const std::string& name,
                                              const std::string& directory) {
  if (name == "UTC" || name == "Etc/UTC") return std::vector<ZoneTransition>{};
  if (!is_zone_name(name))
    return fail("\"" + name.substr(0, 80) + "\" is not the name of a time zone");
  std::ifstream file(directory + "/" + name, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file || bytes.empty()) {
    bool database = std::ifstream(directory + "/Europe/Berlin").good();
    return fail(database
                    ? "there is no time zone \"" + name +
                          "\"; names are like Europe/Berlin, America/New_York or UTC"
                    : "no time zone database in " + directory + "; install tzdata, or use UTC");
  }
  auto zone = parse_tzif(bytes);
  if (!zone) return fail(zone.error().within(name));
  return zone;
}

}  // namespace tidegate::format
