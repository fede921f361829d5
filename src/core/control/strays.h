#pragma once
// Strays: requests that engines run and no gateway of ours sent. Clients reach the engines another
// way, and what the gateway counts is a part of the demand: its zero is none.
//
//   Strays strays;
//   gateway.coverage = std::min(gateway.coverage, strays.covered(observation, now));
//
// Pages are older than what the gateway knows, so engines seem to run what has just ended: only
// what lasts for kLasting without a break is believed, and is over at once. Requests.
// Thread-safety: a value with one owner.

#include "core/signal/observation.h"

namespace tidegate::control {

class Strays {
 public:
  static constexpr Duration kLasting = seconds(60);
  /// The share of what the engines run that the gateway sent: 1 but where strays last.
  double covered(const signal::Observation& seen, Instant now);
  /// How many more run than were sent, while they last; else 0.
  double requests() const { return requests_; }

 private:
  Instant since_ = Instant::never();
  double requests_ = 0;
};

}  // namespace tidegate::control
