#pragma once
// Fleet: when capacity that was ordered will be there, and what waits until then. Internal to
// core/policy.
//
// Orders are booked when the number on its way grows, as wakes where as many fewer sleep; wakes are
// ready first, then the oldest; the youngest is cancelled first. One overdue is expected a quarter
// of a lead time from now. Seconds, requests. Thread-safety: functions.

#include "core/policy/laws.h"
#include "core/policy/lead_time.h"
#include "core/policy/tide_capacity.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

/// order -> ready of one variant, at its p90.
Duration lead_time(const Input& in, std::size_t variant);

/// The same at its median: spread about it as the spec says.
Duration usual_lead(const Input& in, std::size_t variant);

/// told to wake -> ready of one variant that can sleep, at its p90.
Duration wake_time(const Input& in, std::size_t variant);

/// Books what was ordered, came or was cancelled since the last decision.
void book_orders(const Input& in, TideState& state);

/// Usual requests that wait at now + lead if `rate` arrives now and `then` then, what is ready
/// serves and what is on its way does from when it comes. Bounded by the queue: more is rejected,
/// older times out.
double backlog_at(const Input& in, const std::vector<TideCapacity>& each, const TideWork& work,
                  double rate, double then, Duration lead, const TideState& state);

}  // namespace tidegate::policy
