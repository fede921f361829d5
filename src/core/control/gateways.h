#pragma once
// Gateways: the demand of one model as several gateways report it, as one.
//
//   Gateways gateways;
//   gateways.heard(id, demand, now);              // each second, and when something waits
//   gateways.gone(id);                            // its connections are gone
//   GatewaySight sight = gateways.sight(now, kStaleAfter, Known::kAll);
//   Observed seen = observe(model, sight, ...);   // the same road as with a router of our own
//
// Unknown is not zero: one that is lost, or not heard for a while, still counts as it was, and
// makes the whole stale; no gateway at all is coverage 0, never an idle model. Totals never go
// back: what a gateway counted before it was first heard is left out (it is nothing that came now),
// what one that is gone had counted stays. One that counts less than before began anew.
// Thread-safety: a value with one owner.

#include <cstdint>
#include <map>

#include "core/base/strong.h"
#include "core/control/observe.h"

namespace tidegate::control {

using GatewayId = Id<struct GatewayIdTag>;

class Gateways {
 public:
  enum class Known : std::uint8_t { kAll, kMoreMayCome };

  void heard(GatewayId id, const signal::Demand& demand, Instant now);
  /// Its stream broke: as it was, and stale, until it is heard again.
  void lost(GatewayId id);
  void gone(GatewayId id);
  bool empty() const { return parts_.empty(); }
  /// Latencies are its caller's to fill in.
  GatewaySight sight(Instant now, Duration stale_after, Known known) const;

 private:
  struct Part {
    signal::Demand last;
    Instant at;
    bool lost = false;
  };
  std::map<GatewayId, Part> parts_;
  signal::Demand totals_;  ///< of all there ever were; its gauges are not used
};

}  // namespace tidegate::control
