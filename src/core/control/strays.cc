#include "core/control/strays.h"

namespace tidegate::control {

namespace {
/// So many, and so many times what was sent: one request may ask for several answers, and engines
/// count each.
constexpr double kLeastStrays = 4, kTimes = 32;
}  // namespace

double Strays::covered(const signal::Observation& seen, Instant now) {
  double running = 0;
  bool heard = !seen.gateway.absent();
  for (const signal::VariantObservation& v : seen.variants) {
    if (v.fleet.ready.value() == 0) continue;
    heard = heard && v.running_requests.complete();
    running += v.running_requests.value;
  }
  const auto sent = static_cast<double>(seen.demand.dispatched_requests);
  requests_ = 0;
  if (!heard || running < kTimes * sent + kLeastStrays) {
    since_ = Instant::never();
    return 1;
  }
  if (since_.is_never() || now < since_) since_ = now;
  if (now - since_ < kLasting) return 1;
  requests_ = running - sent;
  return sent / running;
}

}  // namespace tidegate::control
