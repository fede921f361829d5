#include "core/control/cadence.h"

#include "core/control/events.h"

namespace tidegate::control {

namespace {
bool starved(const signal::Observation& seen) {
  if (signal::waiting_requests(seen).value <= 0) return false;
  for (const signal::VariantObservation& variant : seen.variants) {
    if (variant.fleet.ready.value() > 0) return false;
  }
  return true;
}
}  // namespace

void Cadence::observed(const signal::Observation& seen) {
  pending_ = true;
  double in_flight = signal::in_flight_requests(seen).value;
  bool burst = in_flight >= 2 * in_flight_ && in_flight - in_flight_ >= kBurstRequests;
  if (burst || (starved(seen) && !was_starved_)) urgent_ = true;
}

void Cadence::decided(const signal::Observation& seen, Instant now) {
  pending_ = urgent_ = false;
  any_ = true;
  last_ = now;
  in_flight_ = signal::in_flight_requests(seen).value;
  was_starved_ = starved(seen);
}

Instant Cadence::next_wake() const {
  if (!pending_) return Instant::never();
  if (!any_) return Instant::from_nanos(0);
  return last_ + (urgent_ ? kUrgentPeriod : kDecisionPeriod);
}

}  // namespace tidegate::control
