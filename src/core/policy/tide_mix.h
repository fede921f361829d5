#pragma once
// Mix: the replicas of each variant that sustain a rate at the least price. Internal to
// core/policy.
//
// Every variant keeps its minReplicas, where there are several. The rest is filled with the variant
// that is cheapest per request sustained; where its next replica would not be used whole, what is
// left goes to whichever costs less, one more of it or the cheapest filling with the variants after
// it. What exceeds all maxima stays with the last, for the bounds to cut and name. Requests/s,
// dollars an hour. Thread-safety: pure functions.
//
//   cheapest_mix(model, {10, 3}, cheapest_first(model, {10, 3}), 12);   // {1, 1}, not {2, 0}

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/spec/model.h"

namespace tidegate::policy {

/// Indices of the variants; ties keep the order of the spec. `sustains`: one replica of each.
std::vector<std::size_t> cheapest_first(const spec::Model& model,
                                        const std::vector<double>& sustains);

std::vector<std::int64_t> cheapest_mix(const spec::Model& model,
                                       const std::vector<double>& sustains,
                                       const std::vector<std::size_t>& order, double rate);

}  // namespace tidegate::policy
