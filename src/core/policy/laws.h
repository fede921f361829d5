#pragma once
// The laws: one function a policy, one file each, and what they share. Internal to core/policy.
//
// Each is total, pure, and monotone: with all else equal, more load never asks for fewer replicas.

#include <cstdint>
#include <optional>
#include <utility>

#include "core/policy/draft.h"
#include "core/policy/policy.h"

namespace tidegate::policy {

struct Input {
  const spec::Model& model;
  const signal::Observation& seen;
  Instant now;
};
using Decided = std::pair<Recommendation, State>;

Decided decide_static(const Input& in);
Decided decide_concurrency(const Input& in, State state);
Decided decide_hpa(const Input& in, State state);
Decided decide_keda(const Input& in, State state);
Decided decide_kpa(const Input& in, State state);
Decided decide_target_tracking(const Input& in, State state);
Decided decide_saturation(const Input& in, State state);
Decided decide_planner(const Input& in, State state);
Decided decide_tide(const Input& in, State state);

/// Fresh at the gateway: the only source that knows a zero.
bool gateway_known(const signal::Observation& seen);

/// Requests waiting and no replica ready: at least what holds all that is in flight now, at the
/// target utilization. Late binding makes the first replica ready find its whole share waiting.
void activate(const Input& in, Draft& draft);

/// Without a gateway nobody would hold the request that ends a zero: the last replica stays.
void keep_last_without_gateway(const Input& in, Draft& draft);

}  // namespace tidegate::policy
