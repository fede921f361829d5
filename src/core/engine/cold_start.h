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
#include "core/spec/expected_start.h"
#include "core/spec/model.h"

namespace tidegate::engine {

/// One start drawn from the spec: fixed stage times, and bytes that must come over a shared source.
struct StartDraw {
  Duration procurement{0}, image{0}, engine{0};
  Duration weights{0};  ///< given as a time; used where weight_bytes is 0
  std::int64_t weight_bytes = 0;
  std::int64_t source_bandwidth_bytes_per_second = 0;
  spec::WeightSource source = spec::WeightSource::kNvme;
};

Duration draw(const spec::Spread& spread, Rng& rng);
StartDraw draw_start(const spec::ColdStart& cold, const spec::NodeState& node, Rng& rng);
/// One wake of a variant's warm pool: of a sleeping engine its time alone, else a start on what
/// spec::standby_node() keeps. A time the spec does not say is none.
StartDraw draw_wake(const spec::Variant& variant, Rng& rng);

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
