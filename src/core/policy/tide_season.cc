#include "core/policy/tide_season.h"

#include <algorithm>
#include <cmath>

namespace tidegate::policy {

namespace {
constexpr std::int64_t kSlotSeconds = 1'800, kSlotsADay = 48, kDaySeconds = 86'400;
/// After three days a mean of days forgets the first.
constexpr double kSeasonGain = 0.35;
/// How busy today is, against the days before.
constexpr double kScaleSeconds = 7'200;
constexpr double kThousandths = 1'000;
/// Less than a tenth of a request a minute is silence: no shape is scaled by it.
constexpr double kSilence = 0.0017;

struct Moment {
  std::int64_t day = 0;  ///< 0: working week, 1: its end
  double slot = 0;       ///< [0, kSlotsADay)
};

Moment moment_of(WallTime at) {
  const std::int64_t seconds = at.unix_nanos() / 1'000'000'000;
  std::int64_t days = seconds / kDaySeconds, of_day = seconds % kDaySeconds;
  if (of_day < 0) {
    of_day += kDaySeconds;
    --days;
  }
  // 1 January 1970 was a Thursday.
  const std::int64_t weekday = ((days + 4) % 7 + 7) % 7;
  return {weekday == 0 || weekday == 6 ? 1 : 0,
          static_cast<double>(of_day) / static_cast<double>(kSlotSeconds)};
}

std::size_t index_of(std::int64_t day, std::int64_t slot) {
  return static_cast<std::size_t>(day * kSlotsADay + slot);
}

std::optional<double> known(std::int64_t day, std::int64_t slot, const TideState& s) {
  if (s.season.size() != kTideSeasonSlots) return std::nullopt;
  const std::int64_t wrapped = (slot + kSlotsADay) % kSlotsADay;
  for (std::int64_t which : {day, 1 - day}) {
    const std::int64_t kept = s.season[index_of(which, wrapped)];
    if (kept >= 0) return static_cast<double>(kept) / kThousandths;
  }
  return std::nullopt;
}

/// What the days before say, unscaled.
std::optional<double> shape(WallTime at, const TideState& s) {
  const Moment m = moment_of(at);
  const double place = m.slot - 0.5, left = std::floor(place);
  const std::optional<double> a = known(m.day, static_cast<std::int64_t>(left), s);
  const std::optional<double> b = known(m.day, static_cast<std::int64_t>(left) + 1, s);
  if (!a || !b) return std::nullopt;
  return *a + (*b - *a) * (place - left);
}

/// A half hour is over: its mean goes to its kind of day.
void fold_slot(TideState& s) {
  // Half a slot says enough of it; less is the beginning of a run or the end of an outage.
  if (s.season_slot >= 0 && s.season_seconds >= static_cast<double>(kSlotSeconds) / 2) {
    if (s.season.size() != kTideSeasonSlots) s.season.assign(kTideSeasonSlots, -1);
    std::int64_t& kept = s.season[static_cast<std::size_t>(s.season_slot)];
    const double mean = s.season_requests / s.season_seconds * kThousandths;
    const double before = kept < 0 ? mean : static_cast<double>(kept);
    kept = static_cast<std::int64_t>(before + kSeasonGain * (mean - before) + 0.5);
  }
  s.season_requests = s.season_seconds = 0;
}
}  // namespace

void learn_season(const TideBin& bin, WallTime end, TideState& s) {
  const double length = to_seconds(bin.length);
  if (!(length > 0) || !(bin.requests_per_second >= 0)) return;
  const WallTime middle = WallTime::from_unix_nanos(end.unix_nanos() - bin.length.count() / 2);
  if (const std::optional<double> said = shape(middle, s)) {
    const double gain = length / (length + kScaleSeconds);
    s.season_came += gain * (bin.requests_per_second - s.season_came);
    s.season_said += gain * (*said - s.season_said);
  }
  const Moment m = moment_of(middle);
  const auto slot = static_cast<std::int64_t>(index_of(m.day, static_cast<std::int64_t>(m.slot)));
  if (slot != s.season_slot) {
    fold_slot(s);
    s.season_slot = slot;
  }
  s.season_requests += bin.requests_per_second * length;
  s.season_seconds += length;
}

std::optional<double> season_rate(WallTime at, const TideState& s) {
  const std::optional<double> said = shape(at, s);
  if (!said || s.season_said < kSilence) return std::nullopt;
  return *said * s.season_came / s.season_said;
}

}  // namespace tidegate::policy
