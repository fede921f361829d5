#include "live/run/status.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/spec/expected_start.h"
#include "format/quantiles.h"
#include "live/run/lacking_signals.h"

namespace tidegate::live {
namespace {

using Json = nlohmann::ordered_json;

Json quantiles(const workload::Sketch& s) {
  if (s.count() == 0) return {{"p50", nullptr}, {"p95", nullptr}, {"p99", nullptr}};
  return format::quantiles_json(s);
}

Json number(const signal::Signal& s) { return s.absent() ? Json(nullptr) : Json(s.value); }

Json reasons_json(const std::vector<Reason>& reasons) {
  Json out = Json::array();
  for (const auto& r : reasons) {
    Json evidence = Json::object();
    for (const auto& e : r.evidence) evidence[std::string(e.name.text())] = e.value;
    out.push_back({{"code", std::string(token(r.code))},
                   {"sentence", std::string(sentence(r.code))},
                   {"variant", r.variant},
                   {"before", r.before},
                   {"after", r.after},
                   {"evidence", std::move(evidence)}});
  }
  return out;
}

using control::StartFrom;
using control::StartStage;

Json time_json(Duration p50, Duration p90) {
  return {{"p50Seconds", to_seconds(p50)}, {"p90Seconds", to_seconds(p90)}};
}

/// What the spec leads to expect; null where it says nothing.
Json prior_json(const spec::Variant& variant, StartFrom from) {
  Json out = Json::object();
  auto add = [&](StartStage stage, Duration p50, Duration p90) {
    out[std::string(token(stage))] = p90 > Duration(0) ? time_json(p50, p90) : Json(nullptr);
  };
  spec::ExpectedStart start;
  if (from == StartFrom::kSleeping) {
    const std::optional<spec::ExpectedStart> wake = spec::expected_wake(variant);
    if (!wake) return out;
    start = *wake;
  } else {
    spec::NodeState node;
    node.node_exists = from == StartFrom::kNoNode ? 0 : 1;
    node.weights_cached = from == StartFrom::kCachedWeights ? 1 : 0;
    start = spec::expected_start(variant.cold_start, node);
  }
  add(StartStage::kProcurement, start.procurement.p50, start.procurement.p90);
  add(StartStage::kImage, start.image.p50, start.image.p90);
  add(StartStage::kWeights, start.weights.p50, start.weights.p90);
  add(StartStage::kEngine, start.engine.p50, start.engine.p90);
  add(StartStage::kTotal, start.total.p50, start.total.p90);
  return out;
}

/// Each state a start was measured from; a cold one also where there is only the spec's word.
Json cold_starts_json(const spec::Variant& variant, const control::ColdStarts& measured) {
  Json states = Json::array();
  for (std::size_t f = 0; f < control::kStartFroms; ++f) {
    const auto from = static_cast<StartFrom>(f);
    const std::int64_t starts = measured.of(from, StartStage::kTotal).starts;
    if (starts == 0 && from != StartFrom::kCold) continue;
    Json stages = Json::object();
    for (std::size_t s = 0; s < control::kStartStages; ++s) {
      const auto stage = static_cast<StartStage>(s);
      const control::StartQuantiles seen = measured.of(from, stage);
      Json& out = stages[std::string(token(stage))];
      if (seen.starts == 0) continue;  // null: not seen
      out = time_json(seen.p50, seen.p90);
      out["starts"] = seen.starts;
    }
    states.push_back({{"from", std::string(token(from))},
                      {"starts", starts},
                      {"stages", std::move(stages)},
                      {"prior", prior_json(variant, from)}});
  }
  return {{"states", std::move(states)}, {"distrusted", measured.distrusted()}};
}

/// What a ScaledObject of this variant is told.
Json told_keda_json(const KedaFeed& feed, const std::string& model, const std::string& variant) {
  const keda::Found told = feed.told(model, variant);
  if (told.missing != keda::Missing::kNothing) return {{"replicas", nullptr}, {"why", told.why}};
  return {{"replicas", told.number.replicas.value()}, {"why", nullptr}};
}

Json keda_json(const KedaFeed& feed) {
  const keda::ScalerCounts counts = feed.scaler().counts();
  return {{"address", feed.scaler().address().text()},
          {"tls", feed.scaler().tls()},
          {"streams", counts.streams},
          {"pushes", counts.pushes},
          {"calls", counts.calls},
          {"refused", counts.refused}};
}

/// What of their pages is not believed: the first of each, of a few.
Json doubted_json(const ModelRun& run, const std::string& variant, Instant now) {
  constexpr std::size_t kMostDoubted = 8;
  Json out = Json::array();
  for (const auto& [id, info] : run.replicas()) {
    const signal::ReplicaSignals* page =
        info.variant == variant ? run.senses().signals(id, now) : nullptr;
    const std::string what = page == nullptr ? std::string() : not_believed(*page);
    if (what.empty() || out.size() == kMostDoubted) continue;
    out.push_back(fmt::format("replica {}: {}", id.value(), what));
  }
  return out;
}

Json variants_json(const ModelRun& run, const KedaFeed* keda, Instant now) {
  Json out = Json::array();
  const control::View view = run.view();
  for (const auto& seen : run.last_observation().variants) {
    std::int64_t desired = 0, asleep = 0;
    for (const auto& d : view.desired) {
      if (d.variant != seen.variant) continue;
      desired = d.replicas.value();
      asleep = d.asleep.value();
    }
    double cost = 0;
    Json cold_starts, hint;
    for (std::size_t i = 0; i < run.model().variants.size(); ++i) {
      const spec::Variant& v = run.model().variants[i];
      if (v.name != seen.variant) continue;
      cost = v.cost_per_hour_dollars;
      if (unread(seen)) hint = std::string(metrics_hint(v.engine.type));
      cold_starts = cold_starts_json(v, run.cold_starts(i));
    }
    std::vector<Reason> own;
    for (const auto& r : view.reasons) {
      if (r.variant.empty() || r.variant == seen.variant) own.push_back(r);
    }
    const Reason* why = binding_reason(own);
    const signal::Fleet& f = seen.fleet;
    out.push_back(
        {{"variant", seen.variant},
         {"why", why == nullptr ? Json(nullptr) : Json(std::string(token(why->code)))},
         {"whySentence", why == nullptr ? Json(nullptr) : Json(std::string(sentence(why->code)))},
         {"desired", desired},
         {"desiredSleeping", asleep},
         {"ordered", f.ordered.value()},
         {"starting", f.starting.value()},
         {"ready", f.ready.value()},
         {"sleeping", f.sleeping.value()},
         {"draining", f.draining.value()},
         {"failed", f.failed.value()},
         {"runningRequests", number(seen.running_requests)},
         {"engineWaitingRequests", number(seen.engine_waiting_requests)},
         {"kvUsage", number(seen.kv_usage)},
         {"lackingSignals", lacking_signals(seen)},
         {"doubtedSignals", doubted_json(run, seen.variant, now)},
         {"metricsHint", std::move(hint)},
         {"costPerHourDollars", cost},
         {"coldStarts", std::move(cold_starts)}});
    if (keda != nullptr) out.back()["keda"] = told_keda_json(*keda, run.name(), seen.variant);
  }
  return out;
}

/// By our id. A gateway that another leads has ids of that one's: an engine is known by its
/// address.
std::map<ReplicaId, route::ReplicaView> views_of(const ModelRun& run, const RunFront& front) {
  std::map<net::Address, ReplicaId> ours;
  std::map<ReplicaId, net::Address> theirs;
  if (front.fleet == nullptr && front.follower != nullptr) {
    theirs = front.follower->addresses(run.name());
    for (const auto& [id, info] : run.replicas()) ours[info.address] = id;
  }
  std::map<ReplicaId, route::ReplicaView> out;
  for (const auto& view : front.plane.replica_views(run.name())) {
    const auto at = theirs.find(view.replica);
    const auto known = at == theirs.end() ? ours.end() : ours.find(at->second);
    out[known == ours.end() ? view.replica : known->second] = view;
  }
  return out;
}

Json replicas_json(const ModelRun& run, const RunFront& front, Instant now) {
  std::map<ReplicaId, route::ReplicaView> views = views_of(run, front);
  Json out = Json::array();
  for (const auto& [id, info] : run.replicas()) {
    const bool ready = info.stages.total >= Duration(0);
    out.push_back({{"id", id.value()},
                   {"variant", info.variant},
                   {"state", std::string(token(info.state))},
                   {"address", info.address.port == 0 ? Json(nullptr) : Json(info.address.text())},
                   {"pid", info.pid},
                   {"inFlight", views[id].in_flight},
                   {"credit", views[id].credit},
                   {"creditWithheld", views[id].withheld},
                   {"adopted", info.adopted},
                   {"startSeconds", info.adopted ? Json(nullptr)
                                    : ready      ? Json(to_seconds(info.stages.total))
                                                 : Json(to_seconds(now - info.ordered_at))},
                   {"detail", info.detail}});
  }
  return out;
}

Json notes_json(const ModelRun& run, Instant now) {
  Json out = Json::array();
  for (const auto& note : run.notes()) {
    if (note.info.detail.empty()) continue;
    out.push_back({{"id", note.info.id.value()},
                   {"state", std::string(token(note.info.state))},
                   {"secondsAgo", to_seconds(now - note.at)},
                   {"detail", note.info.detail}});
  }
  return out;
}

/// What is asked of a Prometheus, and what of that is not known, with the reason.
Json prometheus_json(const ModelRun& run, Instant now) {
  const PrometheusSource* source = run.senses().prometheus();
  if (source == nullptr) return nullptr;
  Json metrics = Json::array(), unknown = Json::array();
  const auto& specs = run.model().scaling.metrics;
  const std::vector<signal::Signal> values = source->metrics(now);
  for (std::size_t i = 0; i < std::min(specs.size(), values.size()); ++i) {
    if (specs[i].promql.empty()) continue;
    metrics.push_back({{"promql", specs[i].promql},
                       {"value", number(values[i])},
                       {"ageSeconds", values[i].absent() ? Json(nullptr)
                                                         : Json(to_seconds(now - values[i].at))}});
  }
  for (const auto& trouble : source->troubles(now)) {
    unknown.push_back({{"what", trouble.what}, {"why", trouble.why}});
  }
  return {{"url", run.model().prometheus->url},
          {"asked", source->asked()},
          {"failed", source->failed()},
          {"metrics", std::move(metrics)},
          {"unknown", std::move(unknown)}};
}

Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

/// Accelerators under the replicas, and those of this machine.
Json gpus_json(const std::vector<GpuSight>& gpus) {
  Json out = Json::array();
  for (const GpuSight& sight : gpus) {
    const signal::GpuReading& gpu = sight.gpu;
    out.push_back({{"id", signal::gpu_id(gpu)},
                   {"index", gpu.index},
                   {"host", gpu.host},
                   {"product", gpu.product},
                   {"model", sight.model},
                   {"variant", sight.variant},
                   {"replica", sight.replica ? Json(sight.replica.value()) : Json(nullptr)},
                   {"usedBytes", number(gpu.used_bytes)},
                   {"totalBytes", number(gpu.total_bytes)},
                   {"busyRatio", number(gpu.busy_ratio)},
                   {"powerWatts", number(gpu.power_watts)},
                   {"xid", number(gpu.xid)}});
  }
  return out;
}

Json model_json(ModelRun& run, const RunFront& front, const KedaFeed* keda, Instant now) {
  const control::View view = run.view();
  const signal::Demand demand = front.plane.demand(run.name());
  const signal::Signal in_flight = signal::in_flight_requests(run.last_observation());
  run.ledger().settle(now);
  Json outcomes = Json::object();
  Json out = {{"model", run.name()},
              {"policy", std::string(token(run.model().scaling.policy))},
              {"mode", std::string(token(view.mode))},
              {"paused", view.paused},
              {"timedForSeconds", view.mode == spec::Mode::kTimed && !view.timed_until.is_never()
                                      ? Json(to_seconds(view.timed_until - now))
                                      : Json(nullptr)},
              {"queue",
               {{"requests", demand.queued_requests},
                {"tokens", demand.queued_tokens},
                {"expectedOutputTokens", demand.queued_output_tokens},
                {"bytes", demand.queued_bytes},
                {"oldestWaitSeconds", to_seconds(demand.oldest_wait)}}},
              {"inFlight", in_flight.absent() ? 0 : static_cast<std::int64_t>(in_flight.value)},
              {"arrivedTotal", demand.arrived_total},
              {"finishedTotal", demand.finished_total},
              {"rejectedTotal", demand.rejected_total}};
  const Traffic* traffic = front.gateway == nullptr ? nullptr : front.gateway->traffic(run.name());
  if (traffic != nullptr) {
    for (std::size_t i = 0; i < kOutcomes; ++i) {
      outcomes[std::string(EnumTokens<route::Outcome>::kTokens[i])] = traffic->by_outcome[i];
    }
    out["ttft"] = quantiles(traffic->ttft);
    out["itl"] = quantiles(traffic->itl);
    out["e2e"] = quantiles(traffic->e2e);
    out["sloAttainment"] = traffic->judged == 0 ? Json(nullptr) : Json(traffic->attainment());
    out["retries"] = traffic->retries;
  }
  out["recentTtftP99Seconds"] = number(run.last_observation().ttft_p99_seconds);
  out["outcomes"] = std::move(outcomes);
  out["costDollars"] = run.ledger().cost_dollars();
  out["gpuHours"] = run.ledger().gpu_hours();
  out["replicaHours"] = run.ledger().replica_hours();
  out["replicasPeak"] = run.ledger().replicas_peak();
  out["sleeperHours"] = run.ledger().sleeper_hours();
  out["coldStarts"] = run.ledger().cold_starts();
  out["wakes"] = run.ledger().wakes();
  out["scaleUps"] = run.scale_ups();
  out["scaleDowns"] = run.scale_downs();
  out["variants"] = variants_json(run, keda, now);
  out["replicas"] = replicas_json(run, front, now);
  out["strayRequests"] = run.strays();
  if (run.model().front.by == spec::Front::kProxy) {
    const std::string& trouble = run.senses().front_trouble();
    out["front"] = {{"waitingRequests", number(run.last_observation().front_waiting_requests)},
                    {"queueMetrics", run.model().front.queue_metrics},
                    {"trouble", trouble.empty() ? Json(nullptr) : Json(trouble)}};
  }
  if (Json asked = prometheus_json(run, now); !asked.is_null())
    out["prometheus"] = std::move(asked);
  out["notes"] = notes_json(run, now);
  out["reasons"] = reasons_json(view.reasons);
  return out;
}

Json gateways_json(const link::Fleet& fleet) {
  Json out = Json::array();
  for (const auto& gateway : fleet.gateways()) {
    out.push_back({{"name", gateway.name},
                   {"version", gateway.version},
                   {"connected", gateway.connected},
                   {"silentSeconds", to_seconds(gateway.silent)},
                   {"queuedRequests", gateway.queued},
                   {"inFlight", gateway.in_flight}});
  }
  return out;
}

}  // namespace

Json leader_json(const link::LeaderView& leader) {
  return {{"connected", leader.connected},
          {"address", leader.address.host.empty() ? Json(nullptr) : Json(leader.address.text())},
          {"name", leader.name},
          {"sinceSeconds", to_seconds(leader.since)},
          {"trouble", leader.connected ? Json(nullptr) : Json(leader.trouble)}};
}

std::string status_json(const ModelRuns& models, const RunFront& front,
                        const net::WorldClock& clock, const net::Address& gateway_address,
                        const KedaFeed* keda, const GpuWatch* gpus) {
  const Instant now = clock.now();
  Json results = Json::array();
  for (const auto& model : models) results.push_back(model_json(*model, front, keda, now));
  Json out = {{"schemaVersion", 1},
              {"version", TIDEGATE_VERSION},
              {"timeScale", clock.scale()},
              {"worldSeconds", to_seconds(now - Instant::from_nanos(0))},
              {"gateway", front.gateway == nullptr ? Json(nullptr) : Json(gateway_address.text())}};
  if (front.fleet != nullptr) out["gateways"] = gateways_json(*front.fleet);
  if (front.follower != nullptr) out["leader"] = leader_json(front.follower->leader());
  if (keda != nullptr) out["keda"] = keda_json(*keda);
  if (gpus != nullptr) out["gpus"] = gpus_json(gpus_of(models, *gpus));
  out["results"] = std::move(results);
  return out.dump();
}

}  // namespace tidegate::live
