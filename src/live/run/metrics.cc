// /metrics of a run: families tidegate_*, one piece each, labels bounded by models, variants,
// outcomes and reasons.
#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "core/spec/validate.h"
#include "format/exposition_writer.h"
#include "live/run/status.h"
#include "live/run/traffic_metrics.h"

namespace tidegate::live {
namespace {

using format::ExpositionWriter;
using format::MetricType;

/// Nothing of a follower's is a decision: of several processes the leader alone has the series.
std::vector<policy::VariantReplicas> decided(const ModelRun& model) {
  control::View view = model.view();
  return view.leader ? std::move(view.desired) : std::vector<policy::VariantReplicas>();
}

class Page {
 public:
  Page(const ModelRuns& models, Instant now) : models_(models), now_(now), writer_(text_) {}

  /// One sample a model.
  template <class Value>
  void per_model(const char* name, MetricType type, const char* help, Value value) {
    writer_.family(name, type, help);
    for (const auto& model : models_) {
      writer_.sample(name, {{"model", model->name()}}, static_cast<double>(value(*model)));
    }
  }

  /// Samples per variant; `value` returns a Signal-like optional: absent ones are left out.
  template <class Each>
  void per_variant(const char* name, MetricType type, const char* help, Each each) {
    writer_.family(name, type, help);
    for (const auto& model : models_) {
      for (const auto& v : model->last_observation().variants) each(writer_, name, *model, v);
    }
  }

  void fleet();
  void desired_for_wva();
  void waiting();
  void served(const DataPlane& plane, const Gateway* gateway);
  void gateways(const link::Fleet& fleet);
  void leader(const link::Follower& follower);
  void decisions();
  void cold_starts();
  void prometheus();
  void gpus(const GpuWatch& watch) { write_gpu_metrics(writer_, gpus_of(models_, watch)); }
  void process(double time_scale, std::int64_t journal_dropped);
  std::string take() { return std::move(text_); }

 private:
  const ModelRuns& models_;
  Instant now_;
  std::string text_;
  ExpositionWriter writer_;
};

void Page::fleet() {
  per_variant("tidegate_desired_replicas", MetricType::kGauge, "Replicas that were decided.",
              [](auto& w, const char* name, const ModelRun& m, const auto& v) {
                for (const auto& d : decided(m)) {
                  if (d.variant != v.variant) continue;
                  w.sample(name, {{"model", m.name()}, {"variant", v.variant}},
                           static_cast<double>(d.replicas.value()));
                }
              });
  per_variant("tidegate_desired_sleeping_replicas", MetricType::kGauge,
              "Replicas that were decided to sleep beside those, in the warm pool.",
              [](auto& w, const char* name, const ModelRun& m, const auto& v) {
                for (const auto& d : decided(m)) {
                  if (d.variant != v.variant) continue;
                  w.sample(name, {{"model", m.name()}, {"variant", v.variant}},
                           static_cast<double>(d.asleep.value()));
                }
              });
  per_variant(
      "tidegate_replicas", MetricType::kGauge, "Replicas by state.",
      [](auto& w, const char* name, const ModelRun& m, const auto& v) {
        const signal::Fleet& f = v.fleet;
        const std::array<std::pair<const char*, Replicas>, 6> states = {{{"ordered", f.ordered},
                                                                         {"starting", f.starting},
                                                                         {"ready", f.ready},
                                                                         {"sleeping", f.sleeping},
                                                                         {"draining", f.draining},
                                                                         {"failed", f.failed}}};
        for (const auto& [state, n] : states) {
          w.sample(name, {{"model", m.name()}, {"variant", v.variant}, {"state", state}},
                   static_cast<double>(n.value()));
        }
      });
  per_variant("tidegate_kv_usage_ratio", MetricType::kGauge,
              "Mean share of KV tokens in use over ready replicas; absent while unknown.",
              [](auto& w, const char* name, const ModelRun& m, const auto& v) {
                if (v.kv_usage.absent()) return;
                w.sample(name, {{"model", m.name()}, {"variant", v.variant}}, v.kv_usage.value);
              });
  per_variant(
      "tidegate_engine_running_requests", MetricType::kGauge,
      "Requests in the engines' batches, as they say; absent while unknown.",
      [](auto& w, const char* name, const ModelRun& m, const auto& v) {
        if (v.running_requests.absent()) return;
        w.sample(name, {{"model", m.name()}, {"variant", v.variant}}, v.running_requests.value);
      });
  per_variant(
      "tidegate_engine_coverage_ratio", MetricType::kGauge,
      "Share of ready replicas whose metrics page was read lately; below 1 nothing goes down.",
      [](auto& w, const char* name, const ModelRun& m, const auto& v) {
        if (v.fleet.ready == Replicas(0)) return;
        const signal::Signal& heard = v.running_requests;
        bool fresh = heard.freshness == signal::Freshness::kFresh;
        w.sample(name, {{"model", m.name()}, {"variant", v.variant}}, fresh ? heard.coverage : 0);
      });
}

void Page::desired_for_wva() {
  const char* name = "wva_desired_replicas";
  writer_.family(
      name, MetricType::kGauge,
      "What a Kubernetes target's scale should be, sleeping replicas included, as llm-d's "
      "autoscaler names it.");
  std::set<std::pair<std::string, std::string>> told;  // a series twice would spoil the page
  for (const auto& model : models_) {
    for (const auto& variant : model->model().variants) {
      const auto* target = std::get_if<spec::KubernetesTarget>(&variant.target);
      if (target == nullptr || !told.emplace(target->ns, target->name).second) continue;
      for (const auto& d : decided(*model)) {
        if (d.variant != variant.name) continue;
        writer_.sample(name, {{"variant_name", target->name}, {"namespace", target->ns}},
                       static_cast<double>((d.replicas + d.asleep).value()));
      }
    }
  }
}

void Page::served(const DataPlane& plane, const Gateway* gateway) {
  std::vector<const spec::Model*> specs;
  for (const auto& model : models_) specs.push_back(&model->model());
  write_demand_metrics(writer_, specs, plane);
  if (gateway != nullptr) write_traffic_metrics(writer_, specs, *gateway);
}

void Page::gateways(const link::Fleet& fleet) {
  double connected = 0, lost = 0;
  for (const auto& gateway : fleet.gateways()) (gateway.connected ? connected : lost) += 1;
  const char* name = "tidegate_gateways";
  writer_.family(name, MetricType::kGauge,
                 "Gateways heard here; one that is lost counts as it was for a while.");
  writer_.sample(name, {{"state", "connected"}}, connected);
  writer_.sample(name, {{"state", "lost"}}, lost);
}

void Page::leader(const link::Follower& follower) { write_leader_metrics(writer_, follower); }

void Page::waiting() {
  writer_.family("tidegate_waiting_requests", MetricType::kGauge,
                 "Requests waiting at the gateway and in the engines; absent while unknown.");
  for (const auto& model : models_) {
    signal::Signal waiting = signal::waiting_requests(model->last_observation());
    if (waiting.absent()) continue;
    writer_.sample("tidegate_waiting_requests", {{"model", model->name()}}, waiting.value);
  }
  writer_.family("llm_queue_depth", MetricType::kGauge, "As tidegate_waiting_requests.");
  for (const auto& model : models_) {
    signal::Signal waiting = signal::waiting_requests(model->last_observation());
    if (waiting.absent()) continue;
    writer_.sample("llm_queue_depth", {{"model", model->name()}}, waiting.value);
  }
}

void Page::decisions() {
  writer_.family("tidegate_decisions_total", MetricType::kCounter,
                 "Journalled decisions, by each reason they carry.");
  for (const auto& model : models_) {
    for (const auto& [reason, n] : model->decisions_by_reason()) {
      writer_.sample("tidegate_decisions_total", {{"model", model->name()}, {"reason", reason}},
                     static_cast<double>(n));
    }
  }
  per_model("tidegate_paused", MetricType::kGauge, "1 while paused.",
            [](const ModelRun& m) { return m.view().paused ? 1 : 0; });
  per_model("tidegate_observation_age_seconds", MetricType::kGauge,
            "Since the controller looked last; it decides on what it saw then.",
            [this](const ModelRun& m) { return to_seconds(now_ - m.last_observation().at); });
  for (const auto& model : models_) model->ledger().settle(now_);
  per_model("tidegate_cost_dollars_total", MetricType::kCounter,
            "Cost of all replicas from order to gone.",
            [](ModelRun& m) { return m.ledger().cost_dollars(); });
  per_model("tidegate_gpu_seconds_total", MetricType::kCounter,
            "Device seconds from order to gone.",
            [](ModelRun& m) { return m.ledger().gpu_hours() * 3600; });
}

void Page::cold_starts() {
  writer_.family("tidegate_cold_start_expected_seconds", MetricType::kGauge,
                 "Order to ready at the 90th percentile, as the spec's coldStart says.");
  for (const auto& model : models_) {
    for (const spec::Variant& v : model->model().variants) {
      writer_.sample("tidegate_cold_start_expected_seconds",
                     {{"model", model->name()}, {"variant", v.name}},
                     to_seconds(spec::cold_start_p90(v.cold_start)));
    }
  }
  writer_.family(
      "tidegate_cold_start_seconds", MetricType::kHistogram,
      "Starts by what they found, stage by stage; total is order to ready. Stages nobody "
      "saw are left out.");
  for (const auto& model : models_) {
    for (const auto& [key, seen] : model->ledger().stages()) {
      writer_.histogram(
          "tidegate_cold_start_seconds",
          {{"model", model->name()}, {"from", token(key.first)}, {"stage", token(key.second)}},
          kColdStartBounds, seen.counts, seen.sum_seconds);
    }
  }
}

/// How the Prometheus that is asked answers; models that ask none have no samples.
void Page::prometheus() {
  auto each = [&](const char* name, MetricType type, const char* help, auto value) {
    writer_.family(name, type, help);
    for (const auto& model : models_) {
      const PrometheusSource* source = model->senses().prometheus();
      if (source == nullptr) continue;
      writer_.sample(name, {{"model", model->name()}}, static_cast<double>(value(*source)));
    }
  };
  each("tidegate_prometheus_queries_total", MetricType::kCounter, "Queries sent to Prometheus.",
       [](const PrometheusSource& source) { return source.asked(); });
  each("tidegate_prometheus_failures_total", MetricType::kCounter,
       "Queries that Prometheus did not answer.",
       [](const PrometheusSource& source) { return source.failed(); });
  each("tidegate_prometheus_unknown", MetricType::kGauge,
       "Metrics and variants of which Prometheus has nothing that counts.",
       [this](const PrometheusSource& source) { return source.troubles(now_).size(); });
}

void Page::process(double time_scale, std::int64_t journal_dropped) {
  writer_.family("tidegate_time_scale_ratio", MetricType::kGauge,
                 "World seconds in one real second.");
  writer_.sample("tidegate_time_scale_ratio", {}, time_scale);
  writer_.family("tidegate_journal_dropped_total", MetricType::kCounter,
                 "Records that did not fit the journal's queue.");
  writer_.sample("tidegate_journal_dropped_total", {}, static_cast<double>(journal_dropped));
  writer_.family("tidegate_build_info", MetricType::kGauge, "The version, as a label.");
  writer_.sample("tidegate_build_info", {{"version", TIDEGATE_VERSION}}, 1);
}

}  // namespace

std::string metrics_text(const ModelRuns& models, const RunFront& front,
                         const net::WorldClock& clock, const Journal& journal,
                         const GpuWatch* gpus) {
  Page page(models, clock.now());
  page.fleet();
  page.desired_for_wva();
  page.waiting();
  page.served(front.plane, front.gateway);
  if (front.fleet != nullptr) page.gateways(*front.fleet);
  if (front.follower != nullptr) page.leader(*front.follower);
  page.decisions();
  page.cold_starts();
  page.prometheus();
  if (gpus != nullptr) page.gpus(*gpus);
  page.process(clock.scale(), journal.dropped());
  return page.take();
}

}  // namespace tidegate::live
