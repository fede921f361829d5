#pragma once
// What a run looks like from outside: status for people and the dashboard, metrics for Prometheus.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "live/fleet_link/fleet.h"
#include "live/fleet_link/follower.h"
#include "live/gateway/gateway.h"
#include "live/run/gpus.h"
#include "live/run/keda_feed.h"
#include "live/run/model_run.h"

namespace tidegate::live {

using ModelRuns = std::vector<std::unique_ptr<ModelRun>>;

/// What is in front of the replicas: the gateway of this process, or those that are heard here.
struct RunFront {
  const DataPlane& plane;
  const Gateway* gateway = nullptr;          ///< none: gateways are elsewhere
  const link::Fleet* fleet = nullptr;        ///< who is heard here; none: nobody, or another leads
  const link::Follower* follower = nullptr;  ///< by which the gateway hears who leads; or none
};

/// Whom a gateway follows.
nlohmann::ordered_json leader_json(const link::LeaderView& leader);

/// {schemaVersion, version, timeScale, worldSeconds, gateway, results: [one per model]}; durations
/// in seconds, unknown is null. With a fleet `gateways` has one for each; with a follower `leader`.
/// With `keda` who calls its scaler, and what each variant's ScaledObject is told.
std::string status_json(const ModelRuns& models, const RunFront& front,
                        const net::WorldClock& clock, const net::Address& gateway_address,
                        const KedaFeed* keda = nullptr, const GpuWatch* gpus = nullptr);
/// Families tidegate_*, and llm_* beside them; label sets are bounded by models, variants, outcomes
/// and reasons.
std::string metrics_text(const ModelRuns& models, const RunFront& front,
                         const net::WorldClock& clock, const Journal& journal,
                         const GpuWatch* gpus = nullptr);

}  // namespace tidegate::live
