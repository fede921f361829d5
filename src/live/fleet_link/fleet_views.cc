// The part of Fleet that is looked at: demand as one, replicas, gateways.
#include <algorithm>

#include "core/route/options.h"
#include "live/fleet_link/fleet.h"

namespace tidegate::live::link {

control::GatewaySight Fleet::counted(const Model& model) const {
  control::GatewaySight out = model.demand.sight(
      loop_.now(), kStale,
      settled() ? control::Gateways::Known::kAll : control::Gateways::Known::kMoreMayCome);
  out.age = clock_.to_world(out.age);
  for (const auto& [id, replica] : model.replicas) {
    if (!replica.news.draining) {
      out.demand.withheld_requests += replica.news.up.max_requests - replica.whole();
    }
  }
  return out;
}

control::GatewaySight Fleet::sight(const std::string& model, Duration) const {
  const Model* m = find(model);
  if (m == nullptr) return {.freshness = signal::Freshness::kStale, .coverage = 0};
  control::GatewaySight out = counted(*m);
  workload::Sketch ttft, itl;
  for (const auto& [id, gateway] : gateways_) {
    auto at = gateway.models.find(model);
    if (at == gateway.models.end()) continue;
    for (const auto& [bucket, count] : at->second.last.ttft) ttft.fill(bucket, count);
    for (const auto& [bucket, count] : at->second.last.itl) itl.fill(bucket, count);
  }
  auto p99 = [&](const workload::Sketch& sketch) -> signal::Signal {
    if (sketch.count() == 0) return {};
    return {sketch.quantile(0.99), clock_.now(), signal::Source::kGateway, out.freshness,
            out.coverage};
  };
  out.ttft_p99_seconds = p99(ttft);
  out.itl_p99_seconds = p99(itl);
  return out;
}

signal::Demand Fleet::demand(const std::string& model) const {
  const Model* m = find(model);
  return m == nullptr ? signal::Demand{} : counted(*m).demand;
}

std::vector<route::ReplicaView> Fleet::replica_views(const std::string& model) const {
  std::vector<route::ReplicaView> out;
  const Model* m = find(model);
  if (m == nullptr) return out;
  for (const auto& [id, replica] : m->replicas) {
    route::ReplicaView view{.replica = id,
                            .variant = replica.news.up.variant,
                            .draining = replica.news.draining,
                            .credit = replica.whole(),
                            .withheld = replica.news.up.max_requests - replica.whole()};
    for (const auto& [gateway_id, gateway] : gateways_) {
      auto at = gateway.models.find(model);
      if (at == gateway.models.end()) continue;
      if (auto held = at->second.held.find(id); held != at->second.held.end()) {
        view.in_flight += held->second.requests;
        view.in_flight_tokens += held->second.tokens;
        view.ended += held->second.ended;
      }
    }
    out.push_back(view);
  }
  return out;
}

route::Options Fleet::router_options(const std::string& model) const {
  const Model* m = find(model);
  return m == nullptr ? route::Options{} : route::router_options(m->spec);
}

std::vector<GatewayView> Fleet::gateways() const {
  std::vector<GatewayView> out;
  for (const auto& [id, gateway] : gateways_) {
    GatewayView view{.name = gateway.hello.name,
                     .version = gateway.hello.version,
                     .connected = static_cast<bool>(gateway.peer),
                     .silent = loop_.now() - gateway.heard};
    for (const auto& [name, at] : gateway.models) {
      view.queued += at.last.demand.queued_requests;
      view.in_flight += at.last.demand.dispatched_requests;
    }
    out.push_back(std::move(view));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

std::map<std::int32_t, EngineSight> Fleet::engines(const std::string& model) const {
  std::map<std::int32_t, EngineSight> out;
  const Model* m = find(model);
  if (m == nullptr) return out;
  for (std::size_t i = 0; i < m->spec.variants.size(); ++i) out[static_cast<std::int32_t>(i)];
  for (const auto& [id, replica] : m->replicas) {
    EngineSight& sight = out[replica.news.up.variant];
    (replica.news.draining ? sight.ending : sight.ready).insert(replica.news.address);
  }
  return out;
}

}  // namespace tidegate::live::link
