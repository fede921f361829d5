#pragma once
// Demand as tide counts it: arrivals at the gateway, rejected ones too; where there is none, what
// engines finish and how their queues grow. Internal to core/policy.
//
// It is counted in requests of the usual lengths (tide_work.h).
//
// The rate of the last seconds is kept with every decision; every kTideBins-th part of the lead
// time (at least a quarter of `window`) a bin is closed: its rate is what forecasts are made of
// and judged by. Dispersion is the variance of a bin's count over its mean, from half the squared
// difference of neighbours, so that a trend is no dispersion. A total that falls, a clock that
// goes back or stands, or a first reading starts afresh from the reading; nothing is concluded.

#include <optional>

#include "core/engine/capacity.h"
#include "core/policy/laws.h"
#include "core/policy/tide_capacity.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

struct TideBin {
  double requests_per_second = 0;
  Duration length{0};
};

/// Reads the totals of in.seen into `state`; the bin that this closed, if it did.
std::optional<TideBin> read_demand(const Input& in, Duration lead, const TideWork& work,
                                   TideState& state);

/// The weight of `bin` in a mean of about `memory_seconds`: no mean is older than the state.
double mean_gain(const TideBin& bin, double memory_seconds, const TideState& state);

/// Are there totals to count, or engines to estimate from, fresh and complete?
bool demand_known(const Input& in);

}  // namespace tidegate::policy
