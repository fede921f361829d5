#pragma once
// Expected start: what a spec leads to expect of a start or a wake, stage by stage, before anything
// was measured. Weights come alone over their source. Thread-safety: pure functions.
//
//   expected_start(variant.cold_start, {.node_exists = 0}).total.p90   // nothing there
//   expected_wake(variant)->total.p90                                  // one of its warm pool

#include <cstdint>
#include <optional>

#include "core/base/time.h"
#include "core/spec/model.h"

namespace tidegate::spec {

/// What a start finds on its node.
struct NodeState {
  std::uint8_t node_exists = 1;
  std::uint8_t image_cached = 0;
  std::uint8_t weights_cached = 0;  ///< then they come from NVMe whatever `from` says
  std::uint8_t engine_cached = 0;
  bool operator==(const NodeState&) const = default;
};
/// What a machine on standby keeps. With the weights stays what an engine compiled for itself; of
/// one that sleeps all of it.
NodeState standby_node(PoolState state);

/// Default bandwidth of a source in bytes/s (hub 0.5e9, objectStore 2e9, datacentre 5e9, nvme 3e9,
/// ram 20e9; image: already there, no time).
std::int64_t default_bandwidth(WeightSource source);

/// Each stage at its own p50 and p90. The total's p90 is the root of the sum of squares beyond the
/// sum of the p50: stages are late independently of each other.
struct ExpectedTime {
  Duration p50{0}, p90{0};
  bool operator==(const ExpectedTime&) const = default;
};
struct ExpectedStart {
  ExpectedTime procurement, image, weights, engine, total;
};
ExpectedStart expected_start(const ColdStart& cold, const NodeState& node);

/// How long a sleeping engine takes to wake, as the spec says; null where it does not, or where no
/// engine sleeps.
const Spread* engine_wake(const Variant& variant);
/// Of a wake: as said of an engine that sleeps, the total alone; else a start on what
/// standby_node() keeps. None: the spec does not say.
std::optional<ExpectedStart> expected_wake(const Variant& variant);

}  // namespace tidegate::spec
