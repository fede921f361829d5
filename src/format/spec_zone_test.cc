#include "format/spec_zone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/spec/cron.h"

namespace tidegate::format {
namespace {

using spec::utc_offset;
constexpr std::int64_t kHour = 3'600;

std::int64_t utc(const char* text) {
  std::tm tm{};
  return strptime(text, "%Y-%m-%d %H:%M", &tm) != nullptr ? timegm(&tm) : -1;
}

std::string big_endian(std::int64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

/// A slim TZif file: one type before, the given transitions, and a footer.
std::string tzif(std::vector<std::pair<std::int64_t, int>> transitions,
                 std::vector<std::int64_t> offsets, const std::string& footer) {
  auto header = [](std::size_t times, std::size_t types) {
    return "TZif2" + std::string(15, '\0') + big_endian(0, 4) + big_endian(0, 4) +
           big_endian(0, 4) + big_endian(static_cast<std::int64_t>(times), 4) +
           big_endian(static_cast<std::int64_t>(types), 4) + big_endian(4, 4);
  };
  std::string out = header(0, 1) + std::string(6, '\0') + "UTC" + std::string(1, '\0');
  out += header(transitions.size(), offsets.size());
  for (auto& [time, type] : transitions) out += big_endian(time, 8);
  for (auto& [time, type] : transitions) out.push_back(static_cast<char>(type));
  for (std::int64_t offset : offsets) out += big_endian(offset, 4) + std::string(2, '\0');
  return out + "UTC" + std::string(1, '\0') + "\n" + footer + "\n";
}

TEST(Zone, AFootersRulesGoOnForEver) {
  struct Row {
    const char* label;
    const char* footer;
    const char* when;
    std::int64_t offset;
  };
  const Row rows[] = {
      {"Berlin before the last Sunday of March", "CET-1CEST,M3.5.0,M10.5.0/3", "2045-03-26 00:59",
       kHour},
      {"Berlin after it", "CET-1CEST,M3.5.0,M10.5.0/3", "2045-03-26 01:00", 2 * kHour},
      {"Berlin before the last Sunday of October", "CET-1CEST,M3.5.0,M10.5.0/3", "2045-10-29 00:59",
       2 * kHour},
      {"Berlin after it", "CET-1CEST,M3.5.0,M10.5.0/3", "2045-10-29 01:00", kHour},
      {"New York, second Sunday of March", "EST5EDT,M3.2.0,M11.1.0", "2030-03-10 07:00",
       -4 * kHour},
      {"New York, first Sunday of November", "EST5EDT,M3.2.0,M11.1.0", "2030-11-03 06:00",
       -5 * kHour},
      {"Sydney, summer across the year", "AEST-10AEDT,M10.1.0,M4.1.0/3", "2030-01-01 00:00",
       11 * kHour},
      {"Dublin, whose winter is the exception", "IST-1GMT0,M10.5.0,M3.5.0/1", "2030-12-01 00:00",
       0},
      {"half hours and names in brackets", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
       "2030-07-01 00:00", 37'800},
      {"no summer time", "JST-9", "2030-07-01 00:00", 9 * kHour},
  };
  for (const Row& row : rows) {
    std::string footer = row.footer;
    std::vector<std::int64_t> first{footer == "JST-9" ? 9 * kHour : 0};
    auto zone = parse_tzif(tzif({}, first, footer));
    ASSERT_TRUE(zone.has_value()) << row.label << ": " << zone.error().message;
    EXPECT_EQ(utc_offset(*zone, utc(row.when)), row.offset) << row.label;
  }
}

TEST(Zone, TheTableComesBeforeTheFooter) {
  std::int64_t change = utc("2031-05-05 00:00");
  auto zone = parse_tzif(tzif({{utc("1999-01-01 00:00"), 1}, {change, 2}}, {0, kHour, 2 * kHour},
                              "CET-1CEST,M3.5.0,M10.5.0/3"));
  ASSERT_TRUE(zone.has_value());
  EXPECT_EQ(utc_offset(*zone, utc("2025-07-01 00:00")), kHour)
      << "what held in 1999 holds until the table changes it";
  EXPECT_EQ(utc_offset(*zone, change), 2 * kHour);
  EXPECT_EQ(utc_offset(*zone, utc("2031-12-01 00:00")), kHour);
}

TEST(Zone, GarbageIsRefusedAtEveryLength) {
  std::string good = tzif({{utc("2031-05-05 00:00"), 0}}, {kHour}, "JST-9");
  ASSERT_TRUE(parse_tzif(good).has_value());
  std::size_t body = good.size() - 7;  // the footer may be missing
  for (std::size_t n = 0; n < body; ++n)
    EXPECT_FALSE(parse_tzif(good.substr(0, n)).has_value()) << n;
  std::string huge = good;
  huge.replace(32, 4, "\x7F\xFF\xFF\xFF");
  EXPECT_FALSE(parse_tzif(huge).has_value());
  EXPECT_FALSE(parse_tzif(tzif({{utc("2031-05-05 00:00"), 7}}, {kHour}, "")).has_value())
      << "a type it lacks";
}

TEST(Zone, NamesAreCheckedBeforeAnyFileIsOpened) {
  EXPECT_TRUE(load_zone("UTC", "/none").value().empty());
  EXPECT_EQ(load_zone("../etc/passwd").error().message,
            "\"../etc/passwd\" is not the name of a time zone");
  EXPECT_EQ(load_zone("/etc/passwd").error().message,
            "\"/etc/passwd\" is not the name of a time zone");
  EXPECT_EQ(load_zone("Europe/Berlin", "/none").error().message,
            "no time zone database in /none; install tzdata, or use UTC");
}

TEST(Zone, AgreesWithTheSystemsOwnClock) {
  if (!std::filesystem::exists("/usr/share/zoneinfo/Europe/Berlin"))
    GTEST_SKIP() << "no tzdata on this machine";
  EXPECT_THAT(load_zone("Europe/Berln").error().message,
              testing::HasSubstr("there is no time zone \"Europe/Berln\""));
  for (const char* name : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                           "Asia/Kolkata", "America/Sao_Paulo", "Europe/Dublin"}) {
    auto zone = load_zone(name);
    ASSERT_TRUE(zone.has_value()) << name;
    setenv("TZ", name, 1);
    tzset();
    for (std::int64_t t = utc("2020-01-01 00:00"); t < utc("2045-01-01 00:00");
         t += 41 * kHour + 17) {
      std::time_t time = t;
      std::tm local{};
      localtime_r(&time, &local);
      ASSERT_EQ(utc_offset(*zone, t), local.tm_gmtoff) << name << " at " << t;
    }
  }
  unsetenv("TZ");
  tzset();
}

}  // namespace
}  // namespace tidegate::format
