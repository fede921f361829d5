#include "core/spec/cron.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <set>

#include "core/base/rng.h"

namespace tidegate::spec {
namespace {

constexpr std::int64_t kHour = 3'600;

WallTime at(std::int64_t unix_seconds) {
  return WallTime::from_unix_nanos(unix_seconds * 1'000'000'000);
}

/// "2024-03-31 02:30" as if it were UTC.
std::int64_t utc(const char* text) {
  std::tm tm{};
  return strptime(text, "%Y-%m-%d %H:%M", &tm) != nullptr ? timegm(&tm) : -1;
}

/// Berlin around 2024: +1 h, +2 h from 31 March 01:00Z to 27 October 01:00Z.
std::vector<ZoneTransition> berlin() {
  return {{0, kHour}, {utc("2024-03-31 01:00"), 2 * kHour}, {utc("2024-10-27 01:00"), kHour}};
}

ScheduleWindow window(const char* cron, std::int64_t duration,
                      std::vector<ZoneTransition> zone = {}) {
  ScheduleWindow w;
  w.cron = cron;
  w.fields = parse_cron(cron).value();
  w.duration = seconds(duration);
  w.zone = std::move(zone);
  return w;
}

struct Row {
  const char* label;
  const char* cron;
  std::int64_t minutes;
  bool in_berlin;
  const char* when;  // UTC
  bool open;
};

TEST(Cron, WindowsOpenAndClose) {
  const Row rows[] = {
      {"at the match", "0 8 * * *", 60, false, "2024-05-06 08:00", true},
      {"a minute before", "0 8 * * *", 60, false, "2024-05-06 07:59", false},
      {"in the last minute", "0 8 * * *", 60, false, "2024-05-06 08:59", true},
      {"closed at its end", "0 8 * * *", 60, false, "2024-05-06 09:00", false},
      {"across midnight", "0 22 * * mon", 480, false, "2024-05-07 05:59", true},
      {"not on the next evening", "0 22 * * mon", 480, false, "2024-05-07 22:00", false},
      {"across a year", "0 23 31 dec *", 120, false, "2025-01-01 00:30", true},
      {"for three days", "0 18 * * fri", 60 * 62, false, "2024-05-13 07:59", true},
      {"after three days", "0 18 * * fri", 60 * 62, false, "2024-05-13 08:00", false},
      {"each quarter of an hour", "*/15 * * * *", 5, false, "2024-05-06 10:49", true},
      {"between the quarters", "*/15 * * * *", 5, false, "2024-05-06 10:50", false},
      {"a range with a step", "10-30/10 9 * * *", 1, false, "2024-05-06 09:30", true},
      {"a start with a step runs to the end", "40/10 9 * * *", 1, false, "2024-05-06 09:50", true},
      {"a list", "0 7,12,18 * * *", 1, false, "2024-05-06 12:00", true},
      {"months by name", "0 0 1 jan,jul *", 1, false, "2024-07-01 00:00", true},
      {"days by name, any case, up to Sunday", "0 0 * * Sat-SUN", 1, false, "2024-05-05 00:00",
       true},
      {"seven is Sunday", "0 0 * * 7", 1, false, "2024-05-05 00:00", true},
      {"a range up to seven holds Sunday", "0 0 * * 6-7", 1, false, "2024-05-05 00:00", true},
      {"either day field: the date", "0 0 13 * fri", 1, false, "2024-05-13 00:00", true},
      {"either day field: the weekday", "0 0 13 * fri", 1, false, "2024-05-10 00:00", true},
      {"neither day field", "0 0 13 * fri", 1, false, "2024-05-14 00:00", false},
      {"a starred day field leaves it to the other", "0 0 * * fri", 1, false, "2024-05-09 00:00",
       false},
      {"29 February", "0 0 29 2 *", 1, false, "2024-02-29 00:00", true},
      {"local time in winter", "0 8 * * *", 60, true, "2024-01-10 07:00", true},
      {"local time in summer", "0 8 * * *", 60, true, "2024-06-10 06:00", true},
      {"the missing hour opens when the clock jumps", "30 2 * * *", 60, true, "2024-03-31 01:00",
       true},
      {"and lasts its time from there", "30 2 * * *", 60, true, "2024-03-31 01:59", true},
      {"and no longer", "30 2 * * *", 60, true, "2024-03-31 02:00", false},
      {"the repeated hour opens at its first pass", "30 2 * * *", 30, true, "2024-10-27 00:30",
       true},
      {"and not again", "30 2 * * *", 30, true, "2024-10-27 01:30", false},
      {"hours on both sides of the switch last as long as written", "0 1 * * *", 180, true,
       "2024-03-31 02:59", true},
  };
  for (const Row& row : rows) {
    auto w = window(row.cron, row.minutes * 60,
                    row.in_berlin ? berlin() : std::vector<ZoneTransition>{});
    EXPECT_EQ(active(w, at(utc(row.when))), row.open) << row.label;
  }
  EXPECT_FALSE(active(window("0 0 * * sun", 60), at(utc("2024-05-06 00:00")))) << "a Monday";
}

TEST(Cron, TimesBefore1970AreTimesToo) {
  EXPECT_TRUE(active(window("0 8 * * *", 3'600), at(utc("1969-12-31 08:30"))));
  EXPECT_FALSE(active(window("0 8 * * *", 3'600), at(utc("1969-12-31 09:30"))));
}

/// The slow way: walk every minute of UTC, and open at the first one whose local clock reaches a
/// match.
class Walk {
 public:
  Walk(const ScheduleWindow& w, std::int64_t from, std::int64_t until) {
    std::int64_t seen =
        from + utc_offset(w.zone, from);  // local minutes up to here have had their turn
    for (std::int64_t t = from; t < until; t += 60) {
      std::int64_t local = t + utc_offset(w.zone, t);
      for (; seen <= local; seen += 60) {
        if (matches(w.fields, seen)) starts_.insert(t);
      }
    }
  }
  bool open(std::int64_t t, std::int64_t duration) const {
    auto after = starts_.upper_bound(t);
    return after != starts_.begin() && t - *std::prev(after) < duration;
  }

 private:
  static bool matches(const CronFields& f, std::int64_t local) {
    std::time_t time = local;
    std::tm tm{};
    gmtime_r(&time, &tm);
    bool date = f.days_of_month >> tm.tm_mday & 1, weekday = f.days_of_week >> tm.tm_wday & 1;
    bool day = f.any_day_of_month || f.any_day_of_week ? date && weekday : date || weekday;
    return day && (f.minutes >> tm.tm_min & 1) && (f.hours >> tm.tm_hour & 1) &&
           (f.months >> (tm.tm_mon + 1) & 1);
  }
  std::set<std::int64_t> starts_;
};

TEST(Cron, AgreesWithAWalkThroughEveryMinuteAroundBothSwitches) {
  const char* lines[] = {"30 2 * * *", "0 1 * * sun", "*/20 1-3 * * *", "15 0,2,3 27-31 3,10 *",
                         "59 23 * * sat"};
  Rng rng(1, "cron");
  for (const char* start : {"2024-03-29 00:00", "2024-10-25 00:00"}) {
    std::int64_t from = utc(start), until = from + 5 * 86'400;
    for (const char* line : lines) {
      for (std::int64_t minutes : {1, 45, 90, 1'500}) {
        ScheduleWindow w = window(line, minutes * 60, berlin());
        Walk walk(w, from, until);
        for (int i = 0; i < 200; ++i) {
          // Only where the walk has seen every window that could still be open.
          auto span = static_cast<std::uint64_t>(until - from - minutes * 60);
          std::int64_t t = from + minutes * 60 + static_cast<std::int64_t>(rng.below(span));
          ASSERT_EQ(active(w, at(t)), walk.open(t, minutes * 60))
              << line << " for " << minutes << " min at " << t;
        }
      }
    }
  }
}

TEST(Cron, AFractionOfASecondCounts) {
  ScheduleWindow w = window("0 8 * * *", 60);
  std::int64_t end = utc("2024-05-06 08:01") * 1'000'000'000;
  EXPECT_TRUE(active(w, WallTime::from_unix_nanos(end - 1)));
  EXPECT_FALSE(active(w, WallTime::from_unix_nanos(end)));
}

TEST(CronParse, RefusesWithTheFieldAndItsForm) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "has five fields (minute hour day-of-month month day-of-week), this has 0"},
      {"* * * *", "this has 4"},
      {"* * * * * *", "this has 6"},
      {"60 * * * *", "minute \"60\""},
      {"* 24 * * *", "hour \"24\""},
      {"* * 0 * *", "day of month \"0\""},
      {"* * * 13 *", "month \"13\" is not understood; accepted: *, 1-12 or jan-dec"},
      {"* * * * 8", "day of week \"8\""},
      {"*/0 * * * *", "minute \"*/0\""},
      {"5-2 * * * *", "minute \"5-2\""},
      {"1,,2 * * * *", "minute \"\""},
      {"- * * * *", "minute \"-\""},
      {"* * * * monday", "day of week \"monday\""},
      {"99999999999999999999 * * * *", "minute \"99999999999999999999\""},
  };
  for (auto& [text, message] : rows) {
    auto fields = parse_cron(text);
    ASSERT_FALSE(fields.has_value()) << text;
    EXPECT_THAT(fields.error().message, testing::HasSubstr(message)) << text;
  }
}

TEST(CronParse, KnowsDaysThatNeverCome) {
  EXPECT_TRUE(never_matches(parse_cron("0 0 30 2 *").value()));
  EXPECT_TRUE(never_matches(parse_cron("0 0 31 4,6,9,11 *").value()));
  EXPECT_FALSE(never_matches(parse_cron("0 0 29 2 *").value()));
  EXPECT_FALSE(never_matches(parse_cron("0 0 30 2 mon").value())) << "Mondays in February do";
}

}  // namespace
}  // namespace tidegate::spec
