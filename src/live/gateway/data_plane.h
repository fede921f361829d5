#pragma once
// DataPlane: what is in front of the replicas, as a controller sees and tells it: the gateway of
// this process (gateway.h), or gateways elsewhere (live/fleet_link/fleet.h). Both show demand as
// the same values, so that a decision is the same whether the router is here or there.
//
// Unknown models are ignored. Thread-safety: the loop's thread.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/control/observe.h"
#include "core/route/router.h"
#include "core/signal/replica_signals.h"
#include "live/net/http.h"

namespace tidegate::live {

class DataPlane {
 public:
  /// A draining replica holds nothing any more.
  using Drained = std::function<void(const std::string& model, ReplicaId id)>;
  virtual ~DataPlane() = default;

  // ---- replicas ----
  virtual void replica_up(const std::string& model, const route::ReplicaUp& up,
                          const net::Address& address) = 0;
  /// No new requests; Drained follows when it holds nothing.
  virtual void replica_draining(const std::string& model, ReplicaId id) = 0;
  virtual void replica_down(const std::string& model, ReplicaId id) = 0;
  virtual void scraped(const std::string& model, ReplicaId id,
                       const signal::ReplicaSignals& page) = 0;
  /// All that ran before us has been told: what was not is gone.
  virtual void all_told(const std::string& model) = 0;

  // ---- views ----
  /// What a controller is shown (core/control/observe.h); latencies over about `window`.
  virtual control::GatewaySight sight(const std::string& model, Duration window) const = 0;
  virtual signal::Demand demand(const std::string& model) const = 0;
  virtual std::vector<route::ReplicaView> replica_views(const std::string& model) const = 0;
  virtual route::Options router_options(const std::string& model) const = 0;
};

/// What of a page a router reads; nothing where the page does not say what runs.
std::optional<route::Scraped> scraped_of(ReplicaId id, const signal::ReplicaSignals& page);

}  // namespace tidegate::live
