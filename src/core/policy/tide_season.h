#pragma once
// Season: what the time of day says of the arrival rate. Internal to core/policy.
//
// Two days are kept, one of the working week and one of its end (UTC), in half hours; a half hour
// is a mean over such days, the newest with kSeasonGain. Between the middles of half hours it is
// linear. Today may be busier or calmer than the days remembered: the shape is scaled by the ratio
// of what came to what the shape says over the last two hours. Nothing is said where one of the
// half hours involved was not seen yet; the other kind of day stands in for one that was not. It
// depends on wall time alone and has no Instant in it, so it can be carried from run to run. Units:
// requests a second, kept as whole thousandths. Thread-safety: functions.

#include <optional>

#include "core/base/time.h"
#include "core/policy/tide_demand.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

void learn_season(const TideBin& bin, WallTime end, TideState& state);

/// The rate at `at`; nothing where that time of day was not seen yet.
std::optional<double> season_rate(WallTime at, const TideState& state);

}  // namespace tidegate::policy
