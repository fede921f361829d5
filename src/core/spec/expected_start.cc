#include "core/spec/expected_start.h"

#include <cmath>

namespace tidegate::spec {
namespace {

ExpectedTime of(const Spread& spread) { return {spread.p50, spread.p90}; }

ExpectedTime of(const Weights& weights, bool cached) {
  if (weights.time) return of(*weights.time);
  if (weights.from == WeightSource::kImage || weights.bytes <= 0) return {};
  const bool elsewhere = cached && weights.from != WeightSource::kNvme;
  const std::int64_t rate =
      elsewhere ? default_bandwidth(WeightSource::kNvme)
                : weights.bandwidth_bytes_per_second.value_or(default_bandwidth(weights.from));
  if (rate < 1) return {};
  const Duration time = seconds_f(static_cast<double>(weights.bytes) / static_cast<double>(rate));
  return {time, time};
}

}  // namespace

NodeState standby_node(PoolState state) {
  const std::uint8_t kept = state == PoolState::kCachedImage ? 0 : 1;
  return {.node_exists = 1, .image_cached = 1, .weights_cached = kept, .engine_cached = kept};
}

std::int64_t default_bandwidth(WeightSource source) {
  switch (source) {
    case WeightSource::kHub:
      return 500'000'000;
    case WeightSource::kObjectStore:
      return 2'000'000'000;
    case WeightSource::kDatacentre:
      return 5'000'000'000;
    case WeightSource::kNvme:
      return 3'000'000'000;
    case WeightSource::kRam:
      return 20'000'000'000;
    case WeightSource::kImage:
      return 0;  // nothing to move
  }
  return 0;
}

ExpectedStart expected_start(const ColdStart& cold, const NodeState& node) {
  ExpectedStart out;
  if (!node.node_exists) out.procurement = of(cold.procurement);
  if (!node.image_cached) out.image = of(cold.image);
  out.weights = of(cold.weights, node.weights_cached != 0);
  out.engine = of(node.engine_cached && cold.engine_cached ? *cold.engine_cached : cold.engine);
  double beyond = 0;
  for (const ExpectedTime& stage : {out.procurement, out.image, out.weights, out.engine}) {
    out.total.p50 += stage.p50;
    const double late = to_seconds(stage.p90 - stage.p50);
    beyond += late * late;
  }
  out.total.p90 = out.total.p50 + seconds_f(std::sqrt(beyond));
  return out;
}

const Spread* engine_wake(const Variant& variant) {
  const PoolState state = variant.warm_pool.state;
  if (!engine_sleeps(state)) return nullptr;
  const std::optional<Spread>& time =
      state == PoolState::kLevel2 ? variant.cold_start.wake_level2 : variant.cold_start.wake_level1;
  return time ? &*time : nullptr;
}

std::optional<ExpectedStart> expected_wake(const Variant& variant) {
  const PoolState state = variant.warm_pool.state;
  if (!engine_sleeps(state)) return expected_start(variant.cold_start, standby_node(state));
  const Spread* time = engine_wake(variant);
  if (time == nullptr) return std::nullopt;
  return ExpectedStart{.total = of(*time)};
}

}  // namespace tidegate::spec
