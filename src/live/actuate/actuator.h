#pragma once
// Actuator: makes a variant have n replicas. One for each kind of target; one conformance suite for
// all (live/actuate/conformance.h).
//
// Runs on its Loop's thread; never blocks it. Reports every change of every replica through `Sink`,
// each step once. apply() is idempotent and replaces what was asked before. Time-outs of processes
// are wall time; durations of the spec are world time.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/control/controller.h"
#include "core/spec/model.h"
#include "live/net/http.h"

namespace tidegate::live {

/// A replica as the rest of the house needs it.
struct ReplicaInfo {
  ReplicaId id;
  std::string variant;
  net::Address address;  ///< of its HTTP API
  control::ReplicaState state = control::ReplicaState::kOrdered;
  control::StageTimes stages;  ///< world time
  bool adopted = false;
  int pid = 0;  ///< process target only
  Instant ordered_at;
  std::string detail;  ///< last error, for people
  std::string name;    ///< of its pod, where it is one
  std::string node;    ///< address of the machine it runs on, where that is not `address`
  std::vector<std::string> devices;  ///< as CUDA_VISIBLE_DEVICES names them; process target only
};

struct ActuatorSink {
  std::function<void(const ReplicaInfo&)> replica_changed;
  std::function<void(const control::CapacityFailed&)> capacity_failed;
  std::function<void(const control::Applied&)> applied;
};

class Actuator {
 public:
  virtual ~Actuator() = default;
  /// Takes over what a run before left (process: from the journal), reports each as changed. Called
  /// once.
  virtual void adopt() = 0;
  virtual void apply(const control::Apply& wanted) = 0;
  /// Nobody may write any more (paused, observing, another leads): what is asked for and not in
  /// force yet is dropped, not tried again.
  virtual void hold() {}
  /// The router says a draining replica holds nothing any more.
  virtual void drained(ReplicaId id) = 0;
  virtual void sleep(ReplicaId id, int level) = 0;
  virtual void wake(ReplicaId id) = 0;
  /// New spec of the same variant: replicas whose command or environment differ are replaced one by
  /// one, the new one ready before the old drains.
  virtual void reload(const spec::Model& model, const spec::Variant& variant) = 0;
  virtual std::vector<ReplicaInfo> replicas() const = 0;
  /// False as long as what was there at the start has not been seen: no replicas are not none then.
  virtual bool in_step() const { return true; }
  /// Drains and stops everything (unless the target is not ours), then calls `done`. A second call:
  /// at once.
  virtual void shutdown(std::function<void()> done) = 0;
};

}  // namespace tidegate::live
