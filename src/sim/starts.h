#pragma once
// Starts: the cold starts under way in one model's fleet, and the nodes they happen on.
//
//   starts.begin(id, variant, now);                       // ordered
//   while (starts.next_event() <= now) starts.advance(now, steps);   // granted, then ready
//   starts.release(id);                                   // the replica is gone: its node is free
//
// A start goes through procurement (then it is granted: billing begins), image, weights and engine.
// Where a Supply is given, procurement lasts until it grants as well; kBlocked tells once that it
// does not yet. A share of starts may be made to fail when their engine should be ready.
// A replica that sleeps stays on its node. Waking an engine is one stage, `engine`; waking a
// machine without one (cachedWeights, cachedImage) is a start on what it kept, weights over their
// source with whoever else loads. Both are drawn from a stream of their own. Where a sleeper does
// not hold its devices, waking claims them first. Times are drawn in order of the orders from one
// stream a variant. A replica stands on a node slot of its variant, the lowest that is free. What a
// start has brought to the node (image, weights, compiled engine) stays there for the next one,
// unless the variant has a procurement time: then a node is got for each start and given back with
// the replica, since an idle one would not be billed. Weights from a hub, an object store or the
// datacentre's cache share that source's bandwidth between all starts; NVMe and host memory are
// each node's own. Thread-safety: one owner.

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/rng.h"
#include "core/base/strong.h"
#include "core/control/events.h"
#include "core/engine/cold_start.h"
#include "core/spec/model.h"
#include "sim/supply.h"

namespace tidegate::sim {

enum class StartStep : std::uint8_t { kBlocked, kGranted, kReady, kFailed };
struct Started {
  ReplicaId id;
  StartStep step = StartStep::kGranted;
  Instant at;
  control::StageTimes stages;
};

class Starts {
 public:
  /// `supply` may be null: everything is there.
  Starts(const spec::Model& model, std::uint64_t seed, std::shared_ptr<Supply> supply = nullptr,
         double failures = 0);

  /// What takes no time is done at once: call advance(now) next.
  void begin(ReplicaId id, std::size_t variant, Instant now);
  /// A node for a replica that runs already, with all it needs.
  void adopt(ReplicaId id, std::size_t variant);
  /// A replica that runs sleeps from now on: its devices are free unless a sleeper holds them.
  void sleep(ReplicaId id, Instant now);
  /// It wakes: kGranted once it has its devices, then kReady.
  void wake(ReplicaId id, Instant now);
  /// The replica is gone, its start over or not.
  void release(ReplicaId id, Instant now);
  Instant next_event() const {
    return supply_ ? std::min(next_, supply_->next_event(owner_)) : next_;
  }
  /// Replicas of the variant that hold their devices.
  std::int64_t granted(std::size_t variant) const;
  /// Steps up to and including `now`, in order of (time, id).
  void advance(Instant now, std::vector<Started>& out);

 private:
  enum class Stage : std::uint8_t { kProcurement, kImage, kWeights, kEngine, kReady };
  enum class Hold : std::uint8_t { kUnasked, kWaits, kGranted };
  struct Node {
    spec::NodeState state;
    bool taken = false;
  };
  struct Pool {
    spec::Variant variant;
    Rng rng, failure, wakes;
    bool procured = false;  ///< a node for each start
    std::vector<Node> nodes;
  };
  struct Place {
    std::size_t variant = 0, node = 0;
  };
  struct Start {
    engine::StartDraw draw;
    control::StageTimes stages;
    Stage stage = Stage::kProcurement;
    Hold hold = Hold::kUnasked;
    bool fails = false;
    Instant ordered, since;
    Instant ends = Instant::never();  ///< of the stage; never: the source will say
  };
  using SourceKey = std::pair<spec::WeightSource, std::int64_t>;

  Place take_node(std::size_t variant);
  Node& node(const Place& place) { return pools_[place.variant].nodes[place.node]; }
  void enter(ReplicaId id, Start& start, Stage stage, Instant now);
  void leave_stage(ReplicaId id, Start& start);
  bool held_back(ReplicaId id, Start& start, Instant at, std::vector<Started>& out);
  void step(Instant at, std::vector<Started>& out);
  void find_next();

  std::vector<Pool> pools_;  ///< one a variant
  std::map<ReplicaId, Place> places_;
  std::map<ReplicaId, Start> starts_;
  std::map<SourceKey, engine::SharedBandwidth> sources_;
  std::shared_ptr<Supply> supply_;
  std::size_t owner_ = 0;
  double failures_ = 0;
  std::vector<ReplicaId> loaded_, granted_;
  Instant next_ = Instant::never();
};

}  // namespace tidegate::sim
