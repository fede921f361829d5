#include "core/control/observe.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "core/control/replicas.h"
#include "core/signal/aggregate.h"

namespace tidegate::control {

Observed observe(const spec::Model& model, const GatewaySight& gateway,
                 std::span<const ReplicaSight> replicas, Instant now, WallTime wall,
                 const signal::FreshnessRule& rule, std::span<const signal::FreshnessRule> rules) {
  Observed out;
  signal::Observation& o = out.observation;
  o.model = model.name;
  o.at = now;
  o.wall = wall;
  if (gateway.there) {
    o.gateway = {1, now - gateway.age, signal::Source::kGateway, gateway.freshness,
                 gateway.coverage};
    o.demand = gateway.demand;
    o.ttft_p99_seconds = gateway.ttft_p99_seconds;
    o.itl_p99_seconds = gateway.itl_p99_seconds;
  }
  o.variants.reserve(model.variants.size());
  std::vector<const signal::ReplicaSignals*> ready;
  for (std::size_t v = 0; v < model.variants.size(); ++v) {
    signal::Fleet fleet;
    ready.clear();
    for (const ReplicaSight& replica : replicas) {
      if (replica.variant != static_cast<std::int32_t>(v)) continue;
      if (Replicas* count = count_of(fleet, replica.state)) *count += Replicas(1);
      if (replica.state == ReplicaState::kReady) ready.push_back(replica.signals);
    }
    o.variants.push_back(signal::aggregate(model.variants[v].name, fleet, ready, now,
                                           v < rules.size() ? rules[v] : rule,
                                           signal::saturation_rule(model.scaling)));
  }
  o.metrics.resize(model.scaling.metrics.size());
  for (const ReplicaSight& replica : replicas) {
    if (replica.variant < 0 || static_cast<std::size_t>(replica.variant) >= o.variants.size())
      continue;
    if (!is_active(replica.state) && replica.state != ReplicaState::kSleeping) continue;
    out.replicas.push_back(
        {.id = replica.id,
         .variant = replica.variant,
         .booting = is_booting(replica.state) ? std::uint8_t{1} : std::uint8_t{0},
         .in_flight = replica.in_flight,
         .in_flight_tokens = replica.in_flight_tokens,
         .ready_since = replica.ready_since,
         .rest =
             replica.state == ReplicaState::kSleeping ? plan::Rest::kAsleep : plan::Rest::kAwake});
  }
  return out;
}

}  // namespace tidegate::control
