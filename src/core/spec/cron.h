#pragma once
// Cron: is a schedule's window open at this wall time? Pure; the zone comes as a table of
// transitions.
//
//   Result<CronFields> fields = parse_cron("0 8 * * mon-fri");
//   bool open = active(window, wall);
//
// Five fields as in crontab(5): minute, hour, day of month, month, day of week; *, lists, ranges,
// steps, names of months and days, 7 for Sunday. Where both day fields are restricted either one
// matches. Each match of local time counts once: in the repeated hour of autumn at its first pass,
// in the missing hour of spring at the moment the clock jumps, so no window is lost or doubled.
// Thread-safety: pure functions.

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/spec/model.h"

namespace tidegate::spec {

Result<CronFields> parse_cron(std::string_view text);
/// Within `duration` from a match of the cron line.
bool active(const ScheduleWindow& window, WallTime now);
/// Seconds to add to UTC; that of the first entry before the table, 0 where it is empty.
std::int64_t utc_offset(const std::vector<ZoneTransition>& zone, std::int64_t unix_seconds);
/// No day of any year matches (30 feb).
bool never_matches(const CronFields& fields);

}  // namespace tidegate::spec
