#pragma once
// Tripwires: what is out of bounds on replicas that are full. Internal to core/policy.
//
// Preemptions beside KV that is full, KV over its limit, or TTFT over its bound with requests
// waiting; each only where utilisation confirms it. TTFT only where more was missed of late than is
// aimed at, too: an error budget that is left is there to be spent. Thread-safety: a function.

#include <vector>

#include "core/policy/laws.h"
#include "core/policy/tide_capacity.h"

namespace tidegate::policy {

/// Empty where nothing is wrong. `each`: one replica of each variant; `rate`: requests/s that come.
std::vector<Evidence> tripped(const Input& in, const std::vector<TideCapacity>& each,
                              const TideWork& work, double rate, const TideState& state);

}  // namespace tidegate::policy
