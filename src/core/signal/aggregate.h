#pragma once
// Aggregate: the signals of a variant's ready replicas -> its part of the Observation.
//
//   // A replica that is nullptr was never heard.
//   VariantObservation v = aggregate("h100-fp8", fleet, replicas, now, rule);
//
// A sum is over the replicas heard, not scaled up to those that were not; `coverage` says how many
// were, and `at` and `freshness` are the oldest part's. Over no ready replicas a sum is a true
// zero, a mean is absent. What no replica tells is absent. Thread-safety: a function.

#include <optional>
#include <span>
#include <string>

#include "core/signal/observation.h"
#include "core/signal/replica_signals.h"
#include "core/spec/model.h"

namespace tidegate::signal {

/// From these on a replica counts as saturated. Source: llm-d workload-variant-autoscaler,
/// saturation-scaling-config (kvCacheThreshold, queueLengthThreshold).
struct SaturationRule {
  double kv_usage = 0.8;
  double waiting_requests = 5;
};
/// The knob of policy saturation (saturation:0.8) is its KV limit.
SaturationRule saturation_rule(const spec::Scaling& scaling);

VariantObservation aggregate(std::string variant, const Fleet& fleet,
                             std::span<const ReplicaSignals* const> ready, Instant now,
                             const FreshnessRule& rule, const SaturationRule& saturation = {});

/// The engine's queue and what waits elsewhere in it.
Signal engine_waiting(const ReplicaSignals& replica, Instant now, const FreshnessRule& rule);

/// Tokens the engine's KV holds, as it reports it: the total, else blocks times block size. Nothing
/// where it does not say.
std::optional<double> kv_capacity_tokens(const ReplicaSignals& replica);

}  // namespace tidegate::signal
