#pragma once
// Credit: the share of the modelled capacity that misses say is there. Internal to core/policy.
//
// A model of an engine is wrong somewhere: prompts that come in clumps spoil the pace of short
// answers, a neighbour steals the bus. What the gateway judged tells. The fleet as it is is played
// once with each of kTideCredits of its capacity (as forecasts are, tide_forecast.h), and bin by
// bin the requests that would have been late are held against those that missed the SLO. The share
// that explains the misses best, by the sum of squares over half an hour, is believed, if it
// explains them clearly better than the whole does; misses that do not come and go with the load
// (an engine that answers errors, a bound that nothing can meet) are explained by none. Learned
// slowly; back to the whole likewise. Needs a gateway that judges. Thread-safety: functions.

#include <iterator>

#include "core/policy/laws.h"
#include "core/policy/tide_demand.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

/// Reads what was judged, and plays what came since the last reading on `requests_per_second` of
/// whole capacity.
void play_credits(const Input& in, double requests_per_second, double service_seconds,
                  double wait_seconds, TideState& state);

/// A bin is over: which share explains it, and was chance given enough room on
/// `requests_per_second`?
void learn_credit(const TideBin& bin, double requests_per_second, double share, TideState& state);

}  // namespace tidegate::policy
