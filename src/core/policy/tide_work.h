#pragma once
// What requests take of a replica, in requests of the usual lengths. Internal to core/policy.
//
// Requests are not alike: a document takes as much as fifty lines of chat. So rates, and what
// waits, are counted in requests of the usual lengths, the means of the last hours: what comes is
// worth as many of them as take the same of a replica, by its prompts, the outputs expected of it
// and the KV it will hold. A tenant of long documents is seen when its requests come, not when the
// mean length has moved.
//
// A few requests that happen to be long are no change: what those of the last half minute take is
// believed as far as it differs from what they take of late by more than chance makes it
// (positive-part shrinkage: James and Stein 1961, "Estimation with quadratic loss"). Tokens,
// requests. Thread-safety: functions.

#include "core/policy/laws.h"
#include "core/policy/tide_capacity.h"
#include "core/policy/tide_engines.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

/// A common chat where nothing is known yet.
engine::LengthMoments moments_of(const TideLengths& of);

/// The share of a difference that is believed where chance alone has `variance` (positive-part
/// James-Stein shrinkage): none within the root of `clearly` deviations, and more the clearer.
double believed_share(double difference, double variance, double clearly);

/// What came within `elapsed` seconds, told by the gateway, is worth so many usual requests.
/// Lengths that are out of all proportion are pulled to what comes of late.
double worth(double elapsed, const TideWork& work, Arrived& came, TideState& state);

/// The lengths of what comes, as far as they are believed: what engines run.
engine::LengthMoments lengths_now(const TideState& state);

/// Moves the means by what came; `looked_back_seconds`: what counts as of late, at least.
void learn_lengths(const Arrived& came, double looked_back_seconds, TideState& state);

/// What a request takes now, as far as it is believed; and of late.
double work_now(const TideWork& work, const TideState& state);
double work_of_late(const TideWork& work, const TideState& state);

/// What waits now is worth so many usual requests.
double waiting_work(const Input& in, const TideWork& work, const TideState& state);

}  // namespace tidegate::policy
