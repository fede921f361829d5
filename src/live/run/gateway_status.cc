// What a gateway apart from its controller looks like from outside.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "format/exposition_writer.h"
#include "live/run/gateway_runner.h"
#include "live/run/status.h"
#include "live/run/traffic_metrics.h"

namespace tidegate::live {
namespace {

using Json = nlohmann::ordered_json;

Json replicas_json(const Gateway& gateway, const std::string& model,
                   const std::map<ReplicaId, net::Address>& addresses) {
  Json out = Json::array();
  for (const route::ReplicaView& view : gateway.replica_views(model)) {
    auto address = addresses.find(view.replica);
    out.push_back(
        {{"id", view.replica.value()},
         {"state", view.draining ? "draining" : "ready"},
         {"address", address == addresses.end() ? Json(nullptr) : Json(address->second.text())},
         {"inFlight", view.in_flight},
         {"inFlightTokens", view.in_flight_tokens},
         {"credit", view.credit}});
  }
  return out;
}

/// Where engines are looked for without a leader.
Json services_json(const std::vector<ServiceView>& services) {
  Json out = Json::array();
  for (const auto& [variant, choice] : services) {
    out.push_back({{"variant", variant},
                   {"service", choice.service.empty() ? Json(nullptr) : Json(choice.service)},
                   {"why", choice.why}});
  }
  return out;
}

Json model_json(const Gateway& gateway, const std::string& model,
                const std::map<ReplicaId, net::Address>& addresses) {
  const signal::Demand demand = gateway.demand(model);
  Json outcomes = Json::object();
  if (const Traffic* traffic = gateway.traffic(model); traffic != nullptr) {
    for (std::size_t i = 0; i < kOutcomes; ++i) {
      outcomes[std::string(EnumTokens<route::Outcome>::kTokens[i])] = traffic->by_outcome[i];
    }
  }
  return {{"model", model},
          {"queue",
           {{"requests", demand.queued_requests},
            {"tokens", demand.queued_tokens},
            {"expectedOutputTokens", demand.queued_output_tokens},
            {"bytes", demand.queued_bytes},
            {"oldestWaitSeconds", to_seconds(demand.oldest_wait)}}},
          {"inFlight", demand.queued_requests + demand.dispatched_requests},
          {"arrivedTotal", demand.arrived_total},
          {"finishedTotal", demand.finished_total},
          {"rejectedTotal", demand.rejected_total},
          {"outcomes", std::move(outcomes)},
          {"replicas", replicas_json(gateway, model, addresses)}};
}

}  // namespace

std::string GatewayRunner::leader_words() const {
  const link::LeaderView leader = follower_->leader();
  if (leader.connected) return "leader: " + leader.address.text();
  if (leader.address.host.empty()) return "leader: none found yet; requests wait";
  return fmt::format("leader: lost for {:.0f} s; serving with its last replicas and shares",
                     to_seconds(leader.since));
}

std::string GatewayRunner::status_json() const {
  Json results = Json::array();
  for (const spec::Model& model : models_) {
    results.push_back(model_json(*gateway_, model.name, follower_->addresses(model.name)));
    results.back()["services"] = services_json(slices_->services(model.name));
  }
  const Json out = {{"schemaVersion", 1},
                    {"version", TIDEGATE_VERSION},
                    {"role", std::string(token(options_.role))},
                    {"timeScale", clock_.scale()},
                    {"worldSeconds", to_seconds(clock_.now() - Instant::from_nanos(0))},
                    {"gateway", gateway_address_.text()},
                    {"leader", leader_json(follower_->leader())},
                    {"results", std::move(results)}};
  return out.dump();
}

std::string GatewayRunner::metrics_text() const {
  std::string text;
  format::ExpositionWriter writer(text);
  std::vector<const spec::Model*> models;
  for (const spec::Model& model : models_) models.push_back(&model);
  write_demand_metrics(writer, models, *gateway_);
  write_traffic_metrics(writer, models, *gateway_);
  using format::MetricType;
  write_leader_metrics(writer, *follower_);
  writer.family("tidegate_time_scale_ratio", MetricType::kGauge,
                "World seconds in one real second.");
  writer.sample("tidegate_time_scale_ratio", {}, clock_.scale());
  writer.family("tidegate_build_info", MetricType::kGauge, "The version, as a label.");
  writer.sample("tidegate_build_info", {{"version", TIDEGATE_VERSION}}, 1);
  return text;
}

}  // namespace tidegate::live
