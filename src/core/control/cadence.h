#pragma once
// Cadence: when to decide. At most one decision a kDecisionPeriod; an urgent one (burst, something
// waits and nothing is ready, an operator's or a spec's change) after kUrgentPeriod already. What
// comes in between is kept: it is decided on when the period ends.

#include "core/base/time.h"
#include "core/signal/observation.h"

namespace tidegate::control {

/// Urgent decisions keep this distance, so a storm of bursts costs at most ten decisions a second.
inline constexpr Duration kUrgentPeriod = millis(100);
/// In flight at least doubled and grew by this many since the last decision: a burst.
inline constexpr double kBurstRequests = 4;

class Cadence {
 public:
  void request() { pending_ = true; }
  void request_urgently() { pending_ = urgent_ = true; }
  /// A new observation is there.
  void observed(const signal::Observation& seen);
  bool pending() const { return pending_; }
  bool due(Instant now) const { return pending_ && now >= next_wake(); }
  /// Decided at `now` on `seen`.
  void decided(const signal::Observation& seen, Instant now);
  /// When a decision is due; never where none is wanted.
  Instant next_wake() const;

 private:
  bool pending_ = false, urgent_ = false, any_ = false;
  Instant last_;
  double in_flight_ = 0;  ///< at the last decision
  bool was_starved_ = false;
};

}  // namespace tidegate::control
