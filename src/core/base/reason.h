#pragma once
// Reasons: why a number is what it is. Data, not prose; the codes are API (docs/reasons.md).
//
// Each stage that changes or holds a count appends one Reason. For one variant the `after` of a
// reason is the `before` of the next, so the chain explains the final number exactly (tested).

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "core/base/fields.h"
#include "core/base/label.h"

namespace tidegate {

enum class ReasonCode : std::uint8_t {
  // policies
  kStatic,
  kConcurrency,
  kMetric,  // hpa, keda, targettracking: one of scaling.metrics asked for this many
  kWithinTolerance,
  kPanic,  // kpa: panic window
  kMaxOfMetrics,
  kNoTraffic,          // known at the gateway: a true zero
  kActivation,         // from zero: something waits
  kSaturation,         // saturation: too little spare KV or queue room
  kConsolidation,      // saturation, planner: one fewer would still have room
  kScalingInProgress,  // saturation, planner: replicas are on their way
  kPredictedLatency,   // planner: the load loop
  kPredictedLoad,      // planner: the throughput loop
  kForecast,           // tide: demand a lead time from now over capacity within the SLO
  kBacklog,            // tide: what will wait then is cleared within one lead time more
  kTripwire,           // tide: preemptions, KV or TTFT out of bounds
  kReacquirePrice,     // tide: stopping saves less than getting it back costs
  kProfileDrift,       // tide: the engine is steadily not what its profile says
  // plan stages
  kPrewarm,
  kSchedule,
  kMinReplicas,
  kMaxReplicas,
  kEnvironmentFloor,
  kScaleUpRate,
  kScaleDownRate,
  kStabilization,
  kScaleDownDelay,
  kMissingData,  // partial or stale data may hold or raise, never lower
  kCheapestMix,
  kQuota,            // no free device
  kCapacityFailed,   // pending past its deadline, crash loop, stock-out
  kHandover,         // what is ready stays until what takes its place is
  kPendingCapacity,  // already ordered: not ordered again
  kWarmPool,         // sleepers: how many, who wakes, who goes to sleep
  // control
  kObserveMode,
  kPaused,
  kTimedModeOver,
  kNotLeader,
  kOperator,
  kForeignWrite,
  kSpecChanged,
  kAdopted,
  kNoChange,
  kRefused,  // the target did not take the number
};

template <>
struct EnumTokens<ReasonCode> {
  static constexpr std::string_view kTokens[] = {
      "Static",
      "Concurrency",
      "Metric",
      "WithinTolerance",
      "Panic",
      "MaxOfMetrics",
      "NoTraffic",
      "Activation",
      "Saturation",
      "Consolidation",
      "ScalingInProgress",
      "PredictedLatency",
      "PredictedLoad",
      "Forecast",
      "Backlog",
      "Tripwire",
      "ReacquirePrice",
      "ProfileDrift",
      "Prewarm",
      "Schedule",
      "MinReplicas",
      "MaxReplicas",
      "EnvironmentFloor",
      "ScaleUpRate",
      "ScaleDownRate",
      "Stabilization",
      "ScaleDownDelay",
      "MissingData",
      "CheapestMix",
      "Quota",
      "CapacityFailed",
      "Handover",
      "PendingCapacity",
      "WarmPool",
      "ObserveMode",
      "Paused",
      "TimedModeOver",
      "NotLeader",
      "Operator",
      "ForeignWrite",
      "SpecChanged",
      "Adopted",
      "NoChange",
      "Refused",
  };
};

/// One sentence for people, without numbers (those are in the evidence).
std::string_view sentence(ReasonCode code);

/// A named number a decision rests on; the unit is the last part of the name
/// (`in_flight_requests`).
struct Evidence {
  Label name;
  double value = 0;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"name", &Evidence::name}, Field{"value", &Evidence::value});
  }
  bool operator==(const Evidence&) const = default;
};

struct Reason {
  ReasonCode code = ReasonCode::kNoChange;
  std::string variant;  ///< empty: the model as a whole
  std::int64_t before = 0;
  std::int64_t after = 0;
  std::vector<Evidence> evidence;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"code", &Reason::code}, Field{"variant", &Reason::variant},
                      Field{"before", &Reason::before}, Field{"after", &Reason::after},
                      Field{"evidence", &Reason::evidence});
  }
  bool operator==(const Reason&) const = default;
};

/// The reason that bound: the last that changed a number, else the last that is about the number
/// (not the pool, nor the profile). Null for none.
const Reason* binding_reason(const std::vector<Reason>& reasons);

}  // namespace tidegate
