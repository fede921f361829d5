#include "core/signal/plausible.h"

#include <cmath>

namespace tidegate::signal {

namespace {
/// Some engines count a block twice for a moment.
constexpr double kMostShare = 1.05;
/// As many as queue.maxRequests may be.
constexpr double kMostRequests = 1e7;
constexpr double kMostAmount = 1e15, kMostRate = 1e9;

enum class Kind { kShare, kRequests, kAmount };

Kind kind_of(SignalId id) {
  switch (id) {
    case SignalId::kKvUsage:
      return Kind::kShare;
    case SignalId::kRunningRequests:
    case SignalId::kWaitingRequests:
    case SignalId::kWaitingAsideRequests:
    case SignalId::kWaitingCapacityRequests:
    case SignalId::kWaitingDeferredRequests:
    case SignalId::kSwappedRequests:
    case SignalId::kInFlightRequests:
    case SignalId::kMeanRunningRequests:
    case SignalId::kMeanWaitingRequests:
    case SignalId::kGatewayQueueRequests:
      return Kind::kRequests;
    default:
      return Kind::kAmount;
  }
}
}  // namespace

bool plausible(SignalId id, double value) {
  if (!std::isfinite(value) || value < 0) return false;
  const Kind kind = kind_of(id);
  return value <= (kind == Kind::kShare      ? kMostShare
                   : kind == Kind::kRequests ? kMostRequests
                                             : kMostAmount);
}

bool plausible_rate(double per_second) { return per_second >= 0 && per_second <= kMostRate; }

const char* plausible_range(SignalId id) {
  const Kind kind = kind_of(id);
  return kind == Kind::kShare      ? "a share from 0 to 1"
         : kind == Kind::kRequests ? "0 to 10000000"
                                   : "0 to 1e15";
}

}  // namespace tidegate::signal
