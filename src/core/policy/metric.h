#pragma once
// Metric: one entry of scaling.metrics, read from an observation and turned into replicas by HPA's
// law.
//
// Two extents: a total over the model (queue, requests in flight, rates, PromQL) is shared out over
// the replicas; a mean over replicas (KV usage) or a latency is compared with the target itself.
// Law, from kubernetes pkg/controller/podautoscaler/replica_calculator.go (autoscaling/v2):
//   AverageValue of a total   within tolerance of target * current: keep, else ceil(total / target)
//   AverageValue of a mean    ceil(ratio * ready) over heard replicas; replicas not heard count
//                             as at target on the way down and as idle on the way up; not-ready
//                             ones as idle on the way up; keep where that turns the direction round
//   Value                     within tolerance: keep, else ceil(ratio * ready)
//   Utilization               of KV: a mean; of requests: the target is that share of
//                             concurrencyTarget
// Two departures, both upwards: where none is ready a ratio above 1 keeps the number instead of
// giving 0 (kubernetes #130130), and replicas not heard are added to a total on the way down.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/policy/laws.h"

namespace tidegate::policy {

enum class Extent : std::uint8_t { kTotal, kMean, kRatio };

struct Reading {
  Extent extent = Extent::kTotal;
  signal::Signal signal;  ///< absent: the metric says nothing
  double target = 1;      ///< per replica (total, mean) or of the value itself (ratio)
};

/// Rates since the totals were read last; empty at first, after a restart of the gateway, and
/// without one.
struct Rates {
  std::optional<double> requests_per_second, tokens_per_second;
};
Rates step_totals(const Input& in, State& state);

/// Reads metric `index`; rates are averaged over scaling.window in state.metrics[index].
Reading read(const Input& in, const spec::MetricSpec& metric, std::size_t index, const Rates& rates,
             State& state);

struct Count {
  std::int64_t current = 0;  ///< active: what `scale` says
  std::int64_t ready = 0;
};
struct Tolerance {
  double up = 0.1, down = 0.1;
};
/// HPA's answer to one reading that is not absent.
std::int64_t hpa_replicas(const Reading& reading, Count count, Tolerance tolerance);

/// Tolerances in force: behavior's own, else 0.1.
Tolerance tolerance_of(const spec::Scaling& scaling);

/// The horizontal pod autoscaler decides so often (--horizontal-pod-autoscaler-sync-period).
constexpr Duration kHpaSyncPeriod = seconds(15);

/// What a policy that knows nothing of engines is given where the spec names no metric: requests in
/// flight a replica, at the policy's knob or at targetUtilization of what the cheapest variant
/// takes.
std::vector<spec::MetricSpec> in_flight_metric(const spec::Model& model);

/// scaling.metrics, or `defaults` where the spec gives none.
const std::vector<spec::MetricSpec>& metrics_or(const spec::Model& model,
                                                const std::vector<spec::MetricSpec>& defaults);

/// Asks for the largest answer of `metrics`, a Reason each. An absent one makes the draft
/// incomplete; answers are never below `floor`. False where every metric was absent: then nothing
/// was asked.
bool ask_metrics(const Input& in, const std::vector<spec::MetricSpec>& metrics, std::int64_t floor,
                 State& state, Draft& draft);

}  // namespace tidegate::policy
