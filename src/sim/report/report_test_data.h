#pragma once
// What the tests of this folder tell recorders: a model with two variants, and hand-made records.

#include <string>
#include <vector>

#include "sim/recorder.h"

namespace tidegate::sim::testing_report {

inline spec::Model two_variants() {
  spec::Model model;
  model.name = "qwen";
  model.slo.ttft = spec::LatencyBound{0.99, seconds(2)};
  model.variants.resize(2);
  model.variants[0].name = "h100";
  model.variants[1].name = "l40s";
  return model;
}

inline Instant at(double s) { return Instant() + seconds_f(s); }

inline control::Decision decision(Instant when, std::vector<std::int64_t> planned,
                                  std::vector<Reason> reasons = {}) {
  control::Decision d;
  d.at = when;
  d.applied = 1;
  const char* names[] = {"h100", "l40s"};
  for (std::size_t v = 0; v < planned.size(); ++v) {
    d.recommendation.replicas.push_back({names[v], Replicas(planned[v] + 1)});
    d.plan.variants.push_back({names[v], Replicas(planned[v]), {}});
  }
  d.reasons = std::move(reasons);
  return d;
}

inline Change change(std::uint64_t id, control::ReplicaState state, std::size_t variant = 0) {
  return {.id = ReplicaId(id), .variant = variant, .state = state};
}

/// One whole life: ordered at 10 s, granted at 15, ready at 35 (5 + 0 + 15 + 5), draining at 100,
/// gone at 110.
inline void tell_life(Recorder& to, std::uint64_t id = 1) {
  using S = control::ReplicaState;
  to.replica(at(10), change(id, S::kOrdered));
  to.replica(at(15), change(id, S::kStarting));
  Change ready = change(id, S::kReady);
  ready.stages = {.procurement = seconds(5),
                  .image = seconds(0),
                  .weights = seconds(15),
                  .engine = seconds(5),
                  .total = seconds(25)};
  to.replica(at(35), ready);
  to.replica(at(100), change(id, S::kDraining));
  to.replica(at(110), change(id, S::kGone));
}

}  // namespace tidegate::sim::testing_report
