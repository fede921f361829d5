#pragma once
// Forecast: the arrival rate a while from now, and how sure that is. Internal to core/policy.
//
// Two predictors, made of closed bins (tide_demand.h):
//   last   mean of about `window`, and what it rises by until then (tide_trend.h)
//   season the shape of the days before at the level of today (tide_season.h); last, until seen
// Each says what the rate will be one lead time ahead, and is held against the bin in which that
// moment falls; 0.6 deviations of its error there are kept as a margin. Where bursts come
// faster than capacity what is best is to stay: a share of the largest rate of the last hours,
// slowly forgotten, can be the least that is kept (`peak`). What decides (a way: a predictor and
// that share) is what would have cost least: for every way a fleet of the whole replicas that it
// would have ordered is played beside the real one (tide_play.h); what it ordered is there after a
// start as they usually take. Its misses (the arrivals that would have been late) and its capacity
// are remembered; the way of the least price decides: its capacity, and its misses beyond half of
// what the SLO allows, each worth the room for 1 / (1 - share) requests. That is `last`, until
// another is cheaper by a twentieth. A burst (the last seconds beyond what chance explains) counts
// with the share of earlier bursts that was still there a lead time later; all of it while none was
// seen.
//
// A slower mean, Holt's trend as a predictor of its own and margins of up to 14 deviations to
// choose from were built and taken out again: played side by side on bursts, ramps, crowds and days
// they cost more than they saved (docs/policies-compared.md).
//
// Two things hold that to what the gateway judged. Trust: a played fleet does not see its queue and
// order for it, as the real one does, so it misses more; what was really missed over what the way
// in force was said to miss scales what every way is said to miss, within bounds. Error budget
// (Beyer et al., Site Reliability Engineering, ch. 3): what of the misses that the SLO allows was
// not spent over the last hundreds of lead times may be spent, what was spent too much is saved:
// the share aimed at lets through up to three times what the SLO does, or a third. Requests a
// second. Thread-safety: functions.

#include <functional>
#include <string_view>
#include <vector>

#include "core/policy/tide_demand.h"
#include "core/policy/tide_play.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

struct TideOutlook {
  double rate = 0;         ///< what the way in force goes by then
  double said = 0;         ///< what its predictor says, without what it holds of the peak
  double level_error = 0;  ///< of the mean it starts from: how much it wobbles by chance
  double burst = 0;        ///< what is left of a burst then; 0 where there is none
};

/// What a way would have had: rate and margin -> requests a second that whole replicas sustain.
using Sustained = std::function<double(double rate, double margin)>;

/// What came since the last reading comes to the fleet of every way: requests stay for
/// `service_seconds` and may wait for `wait_seconds`.
void play_ways(const Input& in, double service_seconds, double wait_seconds, TideState& state);

/// Keeps the largest burst of the bin, to see how much of it is left a lead time later.
void watch_burst(const Input& in, TideState& state);

/// Learns from a closed bin and says anew what will be; `lead` as starts usually take.
void forecast_bin(const Input& in, const TideBin& bin, Duration lead, double share,
                  const Sustained& sustained, TideState& state);

/// The rate of the last seconds where it is more than chance over what is kept, else 0.
double burst_now(const Input& in, const TideState& state);

/// Of the way in force, `ahead` from now, with what will be left of `burst`.
TideOutlook outlook(const Input& in, Duration ahead, double burst, const TideState& state);

/// The margin in force on top of that: deviations of the forecast over a lead time, the noise of
/// counting excluded.
double margin(const TideOutlook& ahead, const TideState& state);

/// What is there to be served now and in the next seconds: the mean of about `window` and how much
/// it wobbles, and all of a burst under way.
TideOutlook at_hand(const Input& in, const TideState& state);

/// What is expected `ahead`, named after what the way in force goes by: last, season or peak.
Evidence forecast_of(const TideOutlook& ahead, const TideState& state);

/// What each had cost, had it decided alone: requests/s of room, misses at their price (of the
/// peak's shares the one in force, else the cheapest). Nothing before that is known.
std::vector<Evidence> why_forecaster(const Input& in, Duration lead, double share,
                                     const TideState& state);

/// What was really missed over what was said; `lead` as above.
double miss_trust(Duration lead, double share, const TideState& state);

/// Misses over those that the SLO's `share` allows, of late: 1 is all of them. And the share to aim
/// at so that this becomes most of them.
double budget_spent(Duration lead, double share, const TideState& state);
double aimed_share(Duration lead, double share, const TideState& state);

}  // namespace tidegate::policy
