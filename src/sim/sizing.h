#pragma once
// Sizing of the fleet a simulation starts with: max(minReplicas, replicas for the first minute).
//
//   std::vector<std::int64_t> initial = size_fleet(model, first_minute);
//
// Replicas for a minute: its requests a second over what a replica sustains at its lengths (their
// means, squares and products: a few long prompts hold most of the KV) within the ITL bound
// (core/engine/capacity.h) and within concurrencyTarget, filled up to scaling.targetUtilization;
// cheapest variants first, within maxReplicas. The same for every policy. Thread-safety: functions.

#include <cstdint>
#include <vector>

#include "core/base/time.h"
#include "core/engine/capacity.h"
#include "core/spec/model.h"
#include "core/workload/workload.h"

namespace tidegate::sim {

inline constexpr Duration kSizedFor = seconds(60);

/// Sums over the requests of the first kSizedFor.
struct FirstMinute {
  std::int64_t requests = 0;
  engine::LengthMoments sums;
  void add(const workload::TraceRequest& request);
};

/// Requests a second one full replica sustains at these lengths, within the bounds named above.
double sustained(const spec::Model& model, const spec::Variant& variant,
                 const engine::Lengths& lengths);

std::vector<std::int64_t> size_fleet(const spec::Model& model, const FirstMinute& minute);

}  // namespace tidegate::sim
