#pragma once
// Lead time: how long a replica takes from its order to ready, at its p90.
//
// What was measured, blended with what the spec says (a prior worth two starts,
// core/spec/expected_start.h). Thread-safety: functions.
//
//   Duration lead = lead_time(variant, seen_of(model, seen, i));
//   std::optional<Duration> late = start_deadline(variant, seen);

#include <optional>

#include "core/signal/observation.h"
#include "core/spec/model.h"

namespace tidegate::policy {

/// Not shorter than this: an order is seen, placed and ready in steps of a second or so.
inline constexpr Duration kLeastLead = seconds(5);

/// order -> ready; kLeastLead where nothing is known. `seen`: nullptr where nothing is.
Duration lead_time(const spec::Variant& variant, const signal::VariantObservation* seen);

/// told to wake -> ready; likewise.
Duration wake_time(const spec::Variant& variant, const signal::VariantObservation* seen);

/// A start that is not ready by then is not to be counted on: twice its p90, which hardly one in
/// five hundred takes where starts are spread as usual. None where neither the spec nor a
/// measurement says how long a start takes.
std::optional<Duration> start_deadline(const spec::Variant& variant,
                                       const signal::VariantObservation& seen);

}  // namespace tidegate::policy
