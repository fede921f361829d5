#pragma once
// Patience: capacity that had to be got back soon after it was let go stays longer the next time.
// Internal to core/policy.
//
// Where load wanders about a border between two numbers, each way down saves little and each way up
// costs a start. How long to stay is what to learn: a number that is wanted again soon (within the
// patience, or kSoonLeads lead times) was left too early. From then on one replica more than wanted
// is kept, up to that number, until it was not wanted for as long as the patience. Each regret
// doubles it, from a lead time to kMostPatience; each time it runs out halves it. So noise without
// trend costs about two changes in that time, and the shape of a day a replica for a while. (Ski
// rental with an unknown price: Karlin, Manasse, Rudolph and Sleator 1988.) Replicas of all
// variants. Thread-safety: functions.
//
//   std::int64_t n = patient(now, lead, 4, 3, state);   // 4 where 4 was let go too early before

#include <cstdint>

#include "core/policy/tide_state.h"

namespace tidegate::policy {

/// What to ask for where `wanted` are wanted and `active` are there or on their way: `wanted`, or
/// more.
std::int64_t patient(Instant now, Duration lead, std::int64_t active, std::int64_t wanted,
                     TidePatience& state);

}  // namespace tidegate::policy
