#pragma once
// observe(): what a controller is shown of one model, put together from what its gateway and its
// replicas say. One copy for live and simulator: both worlds only gather the parts.
//
//   std::vector<ReplicaSight> replicas = ...;                       // in order of id
//   Observed seen = observe(model, {demand, ttft, itl}, replicas, now, wall, rule);
//   controller.handle(seen, now, actions);
//
// Prometheus values are absent here; their owner fills `metrics` in. Thread-safety: a function.

#include <cstdint>
#include <span>

#include "core/control/events.h"
#include "core/signal/replica_signals.h"

namespace tidegate::control {

/// One replica as the world around the controller knows it.
struct ReplicaSight {
  ReplicaId id;
  std::int32_t variant = 0;  ///< index in the spec; others are left out
  ReplicaState state = ReplicaState::kOrdered;
  Instant ready_since;                              ///< when it became ready, or is expected to
  const signal::ReplicaSignals* signals = nullptr;  ///< nullptr: never heard
  std::int64_t in_flight = 0;                       ///< requests the router has bound to it
  std::int64_t in_flight_tokens = 0;
};

/// What the gateway in front knows.
struct GatewaySight {
  bool there = true;  ///< false: none is in front, and the rest means nothing
  signal::Demand demand;
  signal::Signal ttft_p99_seconds;  ///< absent: nothing ended within the window
  signal::Signal itl_p99_seconds;
  /// Of several gateways: how they were heard, and the share of them that was.
  signal::Freshness freshness = signal::Freshness::kFresh;
  double coverage = 1;
  Duration age{0};  ///< since the one not heard for longest was heard
};

/// `replicas` in order of id: rows come out in the same order. `rule` says how signals age; where
/// variants differ in that, `rules` has one for each, in the order of the spec.
Observed observe(const spec::Model& model, const GatewaySight& gateway,
                 std::span<const ReplicaSight> replicas, Instant now, WallTime wall,
                 const signal::FreshnessRule& rule,
                 std::span<const signal::FreshnessRule> rules = {});

}  // namespace tidegate::control
