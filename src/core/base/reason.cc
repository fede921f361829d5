#include "core/base/reason.h"

namespace tidegate {

std::string_view sentence(ReasonCode code) {
  switch (code) {
    case ReasonCode::kStatic:
      return "the policy holds a fixed number of replicas";
    case ReasonCode::kConcurrency:
      return "requests in flight over the concurrency target";
    case ReasonCode::kMetric:
      return "a scaling metric over its target";
    case ReasonCode::kWithinTolerance:
      return "the metric is within the tolerance of its target";
    case ReasonCode::kPanic:
      return "the panic window asks for more than the stable one";
    case ReasonCode::kMaxOfMetrics:
      return "the largest answer of several metrics";
    case ReasonCode::kNoTraffic:
      return "no request arrived over the window";
    case ReasonCode::kActivation:
      return "requests wait and no replica runs";
    case ReasonCode::kSaturation:
      return "too little spare KV or queue room on the replicas that have any";
    case ReasonCode::kConsolidation:
      return "one replica fewer would hold the load with room to spare";
    case ReasonCode::kScalingInProgress:
      return "replicas are on their way: nothing is decided until they are ready";
    case ReasonCode::kPredictedLatency:
      return "every replica is predicted to miss the TTFT or ITL bound";
    case ReasonCode::kPredictedLoad:
      return "predicted requests over what a replica sustains within the SLO";
    case ReasonCode::kForecast:
      return "demand forecast for when an order is ready, over what a replica sustains within the "
             "SLO";
    case ReasonCode::kBacklog:
      return "what will wait when an order is ready is cleared within one lead time more";
    case ReasonCode::kTripwire:
      return "preemptions, KV or TTFT are out of bounds and nothing ordered clears it";
    case ReasonCode::kReacquirePrice:
      return "stopping it would save less than getting it back costs";
    case ReasonCode::kProfileDrift:
      return "the engine is steadily faster or slower than its profile; the number is made for it "
             "as it is";
    case ReasonCode::kPrewarm:
      return "the queue reached the prewarm threshold";
    case ReasonCode::kSchedule:
      return "a schedule window is in force, or opens before an order of now is ready";
    case ReasonCode::kMinReplicas:
      return "minReplicas holds the number up";
    case ReasonCode::kMaxReplicas:
      return "maxReplicas holds the number down";
    case ReasonCode::kEnvironmentFloor:
      return "the floor of scaling.environment";
    case ReasonCode::kScaleUpRate:
      return "behavior.scaleUp limits the step";
    case ReasonCode::kScaleDownRate:
      return "behavior.scaleDown limits the step";
    case ReasonCode::kStabilization:
      return "the stabilization window holds the number";
    case ReasonCode::kScaleDownDelay:
      return "scaleDownDelay has not passed yet";
    case ReasonCode::kMissingData:
      return "data is partial, stale or absent: never lower on it";
    case ReasonCode::kCheapestMix:
      return "spread over variants, the cheapest first";
    case ReasonCode::kQuota:
      return "no free device for another replica";
    case ReasonCode::kCapacityFailed:
      return "capacity was ordered and did not come";
    case ReasonCode::kHandover:
      return "kept until what takes its place is ready";
    case ReasonCode::kPendingCapacity:
      return "already ordered: not ordered again";
    case ReasonCode::kWarmPool:
      return "replicas kept asleep: woken before any is started, refilled afterwards";
    case ReasonCode::kObserveMode:
      return "mode observe: recommended, not applied";
    case ReasonCode::kPaused:
      return "paused: no writes but the operator's own";
    case ReasonCode::kTimedModeOver:
      return "the timed mode has run out";
    case ReasonCode::kNotLeader:
      return "another controller leads";
    case ReasonCode::kOperator:
      return "the operator set the number";
    case ReasonCode::kForeignWrite:
      return "somebody else changed the number";
    case ReasonCode::kSpecChanged:
      return "the spec changed";
    case ReasonCode::kAdopted:
      return "taken over from the run before";
    case ReasonCode::kNoChange:
      return "nothing to change";
    case ReasonCode::kRefused:
      return "the target did not take the number; asked again later";
  }
  return "unknown reason";
}

namespace {
/// Said beside the number, not about it.
bool is_remark(ReasonCode code) {
  return code == ReasonCode::kWarmPool || code == ReasonCode::kProfileDrift;
}
}  // namespace

const Reason* binding_reason(const std::vector<Reason>& reasons) {
  for (auto it = reasons.rbegin(); it != reasons.rend(); ++it) {
    if (it->before != it->after) return &*it;
  }
  for (auto it = reasons.rbegin(); it != reasons.rend(); ++it) {
    if (!is_remark(it->code)) return &*it;
  }
  return reasons.empty() ? nullptr : &reasons.back();
}

}  // namespace tidegate
