#pragma once
// Pool: how many replicas sleep, from what the surprises they cover are worth. Internal to
// core/policy.
//
// A surprise is a rate, within a lead time, above what was ordered for when it began: nothing but a
// sleeper is there in time. For every size of it (kTideSurprises times the capacity) the times that
// it happened are counted over the hours watched; before anything was seen half a surprise of each
// size a day is assumed (Gamma prior of 1/2 and 24 h, so a pool of little cost is there for the
// first one). The k-th sleeper serves, from when it is awake until what was ordered is there (lead
// time less wake time), as often as a surprise is so large, requests that would be late otherwise;
// none where a wake takes as long as a start. One late costs the room for 1 / (1 - share) requests,
// or slo.missCost. As many sleep as earn their price (spec::sleeper_cost_dollars).
//
// Where a sleeper is cheap beside a replica awake, what a cold start from now may need need not be
// awake either: what sleeps is had within a wake time. So only what the next seconds need is awake
// (dozing), the rest sleeps beside those against surprises. One that holds its device costs what it
// costs awake, and stays awake. Hours, requests a second. Thread-safety: functions.

#include "core/policy/laws.h"
#include "core/policy/tide_capacity.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

/// What came since the last reading against what was ordered for: `sustained` requests/s.
void watch_surprises(const Input& in, double sustained, Duration lead, TideState& state);

/// Whether replicas of it may sleep in the place of replicas awake: cheap, and there sooner than a
/// start.
bool dozes(const Input& in, std::size_t variant);

/// Sleepers of `variant` beside `awake` replicas, within its pool's bounds.
std::int64_t sleepers(const Input& in, std::size_t variant, std::int64_t awake,
                      const TideCapacity& each, Duration lead, double share,
                      const TideState& state);

}  // namespace tidegate::policy
