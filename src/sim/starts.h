#pragma once
// Starts: the cold starts under way in one model's fleet, and the nodes they happen on.
//
//   starts.begin(id, variant, now);                       // ordered
//   while (starts.next_event() <= now) starts.advance(now, steps);   // granted, then ready
//   starts.release(id);                                   // the replica is gone: its node is free
//
// A start goes through procurement (then it is granted: billing begins), image, weights and engine.
// Times are drawn in order of the orders from one stream a variant. A replica stands on a node slot
// of its variant, the lowest that is free. What a start has brought to the node (image, weights,
// compiled engine) stays there for the next one, unless the variant has a procurement time: then a
// node is got for each start and given back with the replica, since an idle one would not be
// billed. Weights from a hub, an object store or the datacentre's cache share that source's
// bandwidth between all starts; NVMe and host memory are each node's own. Thread-safety: one owner.

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "core/base/rng.h"
#include "core/base/strong.h"
#include "core/control/events.h"
#include "core/engine/cold_start.h"
#include "core/spec/model.h"

namespace tidegate::sim {

enum class StartStep : std::uint8_t { kGranted, kReady };
struct Started {
  ReplicaId id;
  StartStep step = StartStep::kGranted;
  Instant at;
  control::StageTimes stages;
};

class Starts {
 public:
  Starts(const spec::Model& model, std::uint64_t seed);

  /// What takes no time is done at once: call advance(now) next.
  void begin(ReplicaId id, std::size_t variant, Instant now);
  /// A node for a replica that runs already, with all it needs.
  void adopt(ReplicaId id, std::size_t variant);
  /// The replica is gone, its start over or not.
  void release(ReplicaId id, Instant now);
  Instant next_event() const { return next_; }
  /// Steps up to and including `now`, in order of (time, id).
  void advance(Instant now, std::vector<Started>& out);

 private:
  enum class Stage : std::uint8_t { kProcurement, kImage, kWeights, kEngine, kReady };
  struct Node {
    engine::NodeState state;
    bool taken = false;
  };
  struct Pool {
    spec::ColdStart cold;
    Rng rng;
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
    Instant ordered, since;
    Instant ends = Instant::never();  ///< of the stage; never: the source will say
  };
  using SourceKey = std::pair<spec::WeightSource, std::int64_t>;

  Place take_node(std::size_t variant);
  Node& node(const Place& place) { return pools_[place.variant].nodes[place.node]; }
  void enter(ReplicaId id, Start& start, Stage stage, Instant now);
  void leave_stage(ReplicaId id, Start& start);
  void step(Instant at, std::vector<Started>& out);
  void find_next();

  std::vector<Pool> pools_;  ///< one a variant
  std::map<ReplicaId, Place> places_;
  std::map<ReplicaId, Start> starts_;
  std::map<SourceKey, engine::SharedBandwidth> sources_;
  std::vector<ReplicaId> loaded_;
  Instant next_ = Instant::never();
};

}  // namespace tidegate::sim
