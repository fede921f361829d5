#pragma once
// The families of /metrics that a gateway fills: what waits and arrives, by the data plane there
// is, and how requests ended, by the gateway of this process. Labels are bounded by models,
// outcomes and statuses. Thread-safety: the loop's thread.

#include <vector>

#include "core/spec/model.h"
#include "format/exposition_writer.h"
#include "live/fleet_link/follower.h"
#include "live/gateway/gateway.h"

namespace tidegate::live {

void write_demand_metrics(format::ExpositionWriter& writer,
                          const std::vector<const spec::Model*>& models, const DataPlane& plane);
void write_traffic_metrics(format::ExpositionWriter& writer,
                           const std::vector<const spec::Model*>& models, const Gateway& gateway);
/// Of a gateway that another process may lead.
void write_leader_metrics(format::ExpositionWriter& writer, const link::Follower& follower);

}  // namespace tidegate::live
