#pragma once
// Cold start: order -> procurement -> image -> weights -> engine -> ready; each stage a
// distribution.
//
// Weight loads that share a source share its bandwidth (processor sharing), so a jump of any size
// is not free. A compiled engine is cached by exact (GPU type, CUDA, engine version), or it is a
// miss.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/rng.h"
#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/spec/model.h"

namespace tidegate::engine {

/// What a start finds on its node.
struct NodeState {
  std::uint8_t node_exists = 1;
  std::uint8_t image_cached = 0;
  std::uint8_t weights_cached = 0;  ///< then they come from NVMe whatever `from` says
  std::uint8_t engine_cached = 0;
};

/// One start drawn from the spec: fixed stage times, and bytes that must come over a shared source.
struct StartDraw {
  Duration procurement{0}, image{0}, engine{0};
  Duration weights{0};  ///< given as a time; used where weight_bytes is 0
  std::int64_t weight_bytes = 0;
  std::int64_t source_bandwidth_bytes_per_second = 0;
  spec::WeightSource source = spec::WeightSource::kNvme;
};

Duration draw(const spec::Spread& spread, Rng& rng);
StartDraw draw_start(const spec::ColdStart& cold, const NodeState& node, Rng& rng);
/// What the spec leads to expect of a start, each stage at its own p50 and p90; weights come alone
/// over their source. The total's p90 is the root of the sum of squares beyond the sum of the p50:
/// stages are late independently of each other.
struct ExpectedTime {
  Duration p50{0}, p90{0};
  bool operator==(const ExpectedTime&) const = default;
};
struct ExpectedStart {
  ExpectedTime procurement, image, weights, engine, total;
};
ExpectedStart expected_start(const spec::ColdStart& cold, const NodeState& node);
/// Default bandwidth of a source in bytes/s (hub 0.5e9, objectStore 2e9, datacentre 5e9, nvme 3e9,
/// ram 20e9; image: already there, no time).
std::int64_t default_bandwidth(spec::WeightSource source);

/// Key of a compiled engine's cache: all three must match exactly.
struct CompiledEngineKey {
  std::string gpu, cuda, engine_version;
  auto operator<=>(const CompiledEngineKey&) const = default;
};

/// Processor sharing of one source's bandwidth between the loads that run at once. Exact in
/// integers: what is served in a time is rate * time to the last 1e-9 byte, shared evenly; a load
/// ends at the first whole nanosecond by which it has all its bytes. How often it is polled changes
/// nothing. Owner: one.
class SharedBandwidth {
 public:
  /// A rate below 1 serves nothing.
  explicit SharedBandwidth(std::int64_t bytes_per_second) : rate_(bytes_per_second) {}
  void start(ReplicaId id, std::int64_t bytes, Instant now);
  void cancel(ReplicaId id, Instant now);
  /// Next completion if nothing else starts; never if idle.
  Instant next_event() const;
  /// Runs to `now`; ids that completed are appended in order of (time, id).
  void advance(Instant now, std::vector<ReplicaId>& done);

 private:
  struct Load {
    ReplicaId id;
    __int128 left;  ///< bytes * 1e9, i.e. what a rate in bytes/s serves in ns
  };
  struct Completion {
    Instant at;
    ReplicaId id;
    auto operator<=>(const Completion&) const = default;
  };
  Instant next_completion() const;
  void serve_until(Instant to);
  void settle(Instant now);

  std::int64_t rate_;
  Instant last_;  ///< of the last change: a start, a cancel or a completion
  std::vector<Load> loads_;
  std::vector<Completion> completed_;  ///< not yet handed out, in order
};

}  // namespace tidegate::engine
