#pragma once
// Starts: how long a replica takes to come, and what of it is kept on standby. Part of
// core/spec/model.h, which is what to include.
//
// Plain values with every default in place; units as there. Thread-safety: values.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/fields.h"
#include "core/base/strong.h"
#include "core/base/time.h"

namespace tidegate::spec {

enum class WeightSource : std::uint8_t { kHub, kObjectStore, kDatacentre, kNvme, kRam, kImage };

/// A time that may be spread: a constant, log-normal by {p50, p90}, or samples from a file.
struct Spread {
  Duration p50{0};
  Duration p90{0};                ///< == p50: a constant
  std::vector<Duration> samples;  ///< not empty: drawn from these alone
  bool operator==(const Spread&) const = default;
};

struct Weights {
  std::int64_t bytes = 0;
  WeightSource from = WeightSource::kNvme;
  std::optional<std::int64_t> bandwidth_bytes_per_second;  ///< default: that of the source
  std::optional<Spread> time;                              ///< instead of bytes and bandwidth
  std::string source;  ///< what `tidegate weights` keeps on the nodes: hf://OWNER/NAME@REV, a URL
  bool operator==(const Weights&) const = default;
};

struct ColdStart {
  Spread procurement;  ///< a node, where there is none
  Spread image;
  Weights weights;
  Spread engine;
  std::optional<Spread> engine_cached;  ///< compiled for this exact GPU, CUDA and version
  std::optional<Spread> wake_level1;    ///< from sleep with weights in host memory
  std::optional<Spread> wake_level2;
  bool operator==(const ColdStart&) const = default;
};

/// What a replica on standby is: an engine that sleeps with its weights in host memory or without
/// them; or a machine with no engine, with image and weights on its disk or the image alone.
enum class PoolState : std::uint8_t { kLevel1, kLevel2, kCachedWeights, kCachedImage };

/// Replicas on standby: woken before any is started cold, and put there, where the pool lacks one,
/// before any is stopped. Together with the awake ones at most maxReplicas.
struct WarmPool {
  Replicas min_replicas{0};
  Replicas max_replicas{0};  ///< 0: none
  PoolState state = PoolState::kLevel1;
  std::optional<bool> holds_device;  ///< keeps its accelerator from everybody else; holds_device()
  std::optional<double> cost_per_hour_dollars;  ///< of one asleep; see sleeper_cost_dollars()
  bool operator==(const WarmPool&) const = default;
};

/// Whether an engine runs on standby, and sleeps.
constexpr bool engine_sleeps(PoolState state) {
  return state == PoolState::kLevel1 || state == PoolState::kLevel2;
}
/// vLLM's: 1 keeps the weights in host memory, 2 drops them; 0: no engine runs.
constexpr std::int64_t sleep_level(PoolState state) {
  return state == PoolState::kLevel1 ? 1 : state == PoolState::kLevel2 ? 2 : 0;
}
/// As said; else an engine that sleeps holds its device and a machine without one does not.
inline bool holds_device(const WarmPool& pool) {
  return pool.holds_device.value_or(engine_sleeps(pool.state));
}

}  // namespace tidegate::spec

namespace tidegate {
template <>
struct EnumTokens<spec::PoolState> {
  static constexpr std::string_view kTokens[] = {"level1", "level2", "cachedWeights",
                                                 "cachedImage"};
};
template <>
struct EnumTokens<spec::WeightSource> {
  static constexpr std::string_view kTokens[] = {"hub",  "objectStore", "datacentre",
                                                 "nvme", "ram",         "image"};
};
}  // namespace tidegate
