#pragma once
// Trend: how far a rise goes on. Internal to core/policy.
//
// What the mean of about `window` is above that of a lead time, over the time that lies between
// their middles, is a slope. Counting alone lets two such means differ: less than three deviations
// is no slope, and beyond that the more is believed the clearer it is (believed_share() of
// tide_work.h). Continued to a moment ahead it is a rise. How much of what was
// said before came true is learned, by the regression through the origin of what came on what was
// said: a trend damped by experience, where Gardner and McKenzie (1985) damp it by a constant.
// Falls are not continued: letting go early saves little and is the delay's matter. Requests a
// second. Thread-safety: functions.

#include "core/policy/tide_demand.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

/// After the mean of `window` seconds was moved: the slope as of this bin; `lead` in seconds.
void learn_trend(const TideBin& bin, double window, double lead, TideState& state);

/// What the slope alone would add to that mean by `ahead` seconds from now.
double rise(double ahead, double window, const TideState& state);

/// The share of a rise that is believed, [0, 1].
double believed_trend(const TideState& state);

/// A rise that was said came to its hour.
void judge_rise(const TideForecast& said, const TideBin& bin, TideState& state);

}  // namespace tidegate::policy
