#pragma once
// Mix: how a load, or a number of replicas, is spread over the variants of a model.
//
// A replica of a variant is worth the requests it shall hold at once (concurrency_target). Every
// variant keeps its minReplicas; the rest goes to the variant that is cheapest per request held, up
// to its maxReplicas, then to the next. What exceeds all maxima stays with the last, for the bounds
// to cut and name. So more load never takes a replica from any variant, and less load frees the
// dearest first. Pure functions of values. Units: requests held at once; replicas.
//
//   std::int64_t n = replicas_for(model, 120);          // of all variants
//   std::vector<std::int64_t> each = split(model, n);   // in the order of the spec

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/signal/observation.h"
#include "core/spec/model.h"

namespace tidegate::policy {

/// vLLM's default of max_num_seqs, and that of the reference profile: where the spec gives neither
/// concurrencyTarget nor maxNumSeqs.
inline constexpr std::int64_t kDefaultMaxNumSeqs = 256;
/// No number of replicas above this is ever asked for.
inline constexpr std::int64_t kMostReplicas = 1'000'000;

/// Requests one replica of this variant shall hold: the knob of concurrency and kpa, else
/// concurrencyTarget, else maxNumSeqs of all its data-parallel ranks.
std::int64_t concurrency_target(const spec::Model& model, const spec::Variant& variant);

/// Smallest whole number >= x, blind to rounding noise (7 / 0.7 / 10 is 1); within [0,
/// kMostReplicas].
std::int64_t whole_replicas(double x);

/// Indices of the variants, cheapest per request held first; ties keep the order of the spec.
std::vector<std::size_t> fill_order(const spec::Model& model);

/// Replicas of all variants together that hold `requests` at once, filled in that order.
std::int64_t replicas_for(const spec::Model& model, double requests);

/// `replicas` spread over the variants, in the order of the spec.
std::vector<std::int64_t> split(const spec::Model& model, std::int64_t replicas);

/// What the observation says of a variant; nullptr where it says nothing.
const signal::VariantObservation* seen_of(const spec::Model& model, const signal::Observation& seen,
                                          std::size_t variant);

/// Its replicas; none where it says nothing.
signal::Fleet fleet_of(const spec::Model& model, const signal::Observation& seen,
                       std::size_t variant);

}  // namespace tidegate::policy
