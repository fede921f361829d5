#pragma once
// Draft: a plan in the making, and the stages it goes through. Internal to core/plan.
//
// A stage is a function (context, draft) -> draft; each stands in a file of its name. set() is the
// only way to change a count, so every change has its Reason and the chain explains the number.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/plan/plan.h"

namespace tidegate::plan {

struct Context {
  const spec::Model& model;
  const signal::Observation& seen;
  const policy::Recommendation& recommended;
  const std::vector<ReplicaRow>& replicas;
  Instant now;
};

/// What is in force for one variant, and who says so.
struct Bounds {
  std::int64_t min = 0, max = 0;
  ReasonCode min_code = ReasonCode::kMinReplicas, max_code = ReasonCode::kMaxReplicas;
};

struct Draft {
  std::vector<std::int64_t> replicas;  ///< in the order of the spec
  std::vector<std::int64_t> asleep;    ///< beside those
  std::vector<std::int64_t> wanted;    ///< of `replicas`, before a stage holds a number up
  std::vector<Bounds> bounds;
  std::vector<signal::Fleet> fleets;
  std::vector<Moves> moves;
  std::vector<Reason> reasons;
  Memory memory;
};

/// Sets the count of variant `i` and says why; also where it holds (after == before).
void set(const Context& context, Draft& draft, std::size_t i, ReasonCode code, std::int64_t after,
         std::vector<Evidence> evidence);

using Stage = Draft (*)(const Context&, Draft);
Draft schedule(const Context& context, Draft draft);
Draft prewarm(const Context& context, Draft draft);
Draft missing_data(const Context& context, Draft draft);
Draft stabilization(const Context& context, Draft draft);
Draft rates(const Context& context, Draft draft);
Draft bounds(const Context& context, Draft draft);
Draft capacity(const Context& context, Draft draft);
Draft warm_pool(const Context& context, Draft draft);
Draft pending(const Context& context, Draft draft);
Draft victims(const Context& context, Draft draft);

}  // namespace tidegate::plan
