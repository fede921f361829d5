#pragma once
// A decision in one line of text, the same in CSV and Chrome trace, and its numbers in sum.
//
//   Concurrency 2->5 (in_flight_requests=312 target_requests=64); MaxReplicas 5->4
//
// Codes are docs/reasons.md's. Thread-safety: functions.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/reason.h"
#include "core/plan/plan.h"

namespace tidegate::sim {

/// Reasons of `variant` and of the model as a whole, in order; an empty variant: all, each with its
/// variant's name before it.
std::string reasons_text(const std::vector<Reason>& reasons, std::string_view variant = {});

/// The one that bound (core/base/reason.h) among those of `variant` and of the model as a whole.
const Reason* binding_reason(const std::vector<Reason>& reasons, std::string_view variant);

/// Replicas of all variants.
std::int64_t planned_total(const plan::Plan& plan);

}  // namespace tidegate::sim
