#pragma once
// Memory: how what the stages remember is changed, by a plan and by others (operator, foreign
// write).
//
// Pure functions on values. A memory is as though every plan were applied; who does not apply one
// keeps the target and the scale events of before (see core/control).

#include <cstdint>

#include "core/plan/plan.h"

namespace tidegate::plan {

inline constexpr std::size_t kMaxScaleEvents = 64;
/// HPA v2 refuses longer periods.
inline constexpr Duration kLongestPeriod = seconds(1800);

/// The variant shall now have `replicas`: moves the target and remembers the change for
/// behavior.policies.
void set_target(VariantMemory& memory, std::int64_t replicas, Instant now);

/// Somebody else decided: as set_target, and the number counts as a recommendation, so that it
/// stands for scaleDownDelay before the plan may go below it.
void override_target(VariantMemory& memory, std::int64_t replicas, Instant now);

/// Capacity was ordered and cannot come until `retry_at`; `limit` is the most there is, -1 unknown.
void capacity_failed(VariantMemory& memory, std::int64_t limit, Instant retry_at);

}  // namespace tidegate::plan
