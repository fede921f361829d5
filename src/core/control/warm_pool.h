#pragma once
// Warm pool in the controller: which replicas are bound for it, and the orders to those that wake
// or go to sleep.
//
// Replicas that boot to fill the pool, or are ready and about to sleep, are nobody's capacity: a
// policy that saw them as active would ask for them for ever. Pure functions of values.
//
//   lend_to_pool(fleet, {.awake = 4, .asleep = 1}, falling);   // fleet.pooled is set

#include "core/base/strong.h"
#include "core/plan/plan.h"
#include "core/signal/observation.h"

namespace tidegate::control {

/// Moves what is active beyond `wanted.awake`, as far as the pool lacks it, into `fleet.pooled`:
/// ordered ones first, then starting, then ready. `falling` of the draining are on their way to
/// sleep.
void lend_to_pool(signal::Fleet& fleet, plan::Wanted wanted, Replicas falling);

}  // namespace tidegate::control
