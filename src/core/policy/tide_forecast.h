#pragma once
// Forecast: the arrival rate a while from now, and how sure that is. Internal to core/policy.
//
// Three predictors, all made of closed bins (tide_demand.h):
//   last   mean of about `window`: what reactive policies act on
//   slow   mean of about 15 windows: best where nothing changes, the counting noise is least
//   trend  Holt's level and slope, the slope damped beyond kTrendWindows windows
// Each says what the rate will be one lead time ahead, and is held against the bin in which that
// moment falls. Its error there gives its quantile; the pinball loss of that quantile is its price:
// capacity that idles against requests that miss, in the ratio the quantile stands for. The one of
// the least price decides; last does until another is cheaper by kClearly, so that a forecast that
// buys nothing is off. A burst (the last seconds beyond what chance explains) counts with the share
// of earlier bursts that was still there a lead time later; all of it while none was seen.
// Requests a second. Thread-safety: functions.

#include "core/policy/tide_demand.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

struct TideOutlook {
  double rate = 0;         ///< said for the horizon
  double error = 0;        ///< its standard deviation, counting noise excluded
  double level_error = 0;  ///< of the mean it starts from: how much it wobbles by chance
  double burst = 0;        ///< what is left of a burst then; 0 where there is none
};

/// Learns from a closed bin and says anew what will be.
void forecast_bin(const Input& in, const TideBin& bin, Duration lead, double quantile,
                  TideState& state);

/// Of the chosen predictor, `ahead` from now; `lead` is the horizon its error is known for.
TideOutlook outlook(const Input& in, Duration ahead, Duration lead, const TideState& state);

}  // namespace tidegate::policy
