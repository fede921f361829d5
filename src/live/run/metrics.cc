// /metrics of a run: families tidegate_*, one piece each, labels bounded by models, variants,
// outcomes and reasons.
#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "core/spec/validate.h"
#include "format/exposition_writer.h"
#include "live/run/status.h"

namespace tidegate::live {
namespace {

using format::ExpositionWriter;
using format::MetricType;

class Page {
 public:
  Page(const ModelRuns& models, Gateway& gateway, Instant now)
      : models_(models), gateway_(gateway), now_(now), writer_(text_) {}

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
  void demand();
  void traffic();
  void decisions();
  void cold_starts();
  void prometheus();
  void gpus(const GpuWatch& watch) { write_gpu_metrics(writer_, gpus_of(models_, watch)); }
  void process(double time_scale, std::int64_t journal_dropped);
  std::string take() { return std::move(text_); }

 private:
  void latency(const char* name, const char* help, LatencyHistogram Traffic::*member);
  const ModelRuns& models_;
  Gateway& gateway_;
  Instant now_;
  std::string text_;
  ExpositionWriter writer_;
};

void Page::fleet() {
  per_variant("tidegate_desired_replicas", MetricType::kGauge, "Replicas that were decided.",
              [](auto& w, const char* name, const ModelRun& m, const auto& v) {
                for (const auto& d : m.view().desired) {
                  if (d.variant != v.variant) continue;
                  w.sample(name, {{"model", m.name()}, {"variant", v.variant}},
                           static_cast<double>(d.replicas.value()));
                }
              });
  per_variant("tidegate_desired_sleeping_replicas", MetricType::kGauge,
              "Replicas that were decided to sleep beside those, in the warm pool.",
              [](auto& w, const char* name, const ModelRun& m, const auto& v) {
                for (const auto& d : m.view().desired) {
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
      for (const auto& d : model->view().desired) {
        if (d.variant != variant.name) continue;
        writer_.sample(name, {{"variant_name", target->name}, {"namespace", target->ns}},
                       static_cast<double>((d.replicas + d.asleep).value()));
      }
    }
  }
}

void Page::demand() {
  auto of = [this](const ModelRun& m) { return gateway_.demand(m.name()); };
  per_model("tidegate_queue_requests", MetricType::kGauge, "Requests waiting at the gateway.",
            [&](const ModelRun& m) { return of(m).queued_requests; });
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
  per_model("tidegate_queue_tokens", MetricType::kGauge, "Prompt tokens waiting at the gateway.",
            [&](const ModelRun& m) { return of(m).queued_tokens; });
  per_model("tidegate_queue_output_tokens", MetricType::kGauge,
            "Output tokens expected of what waits at the gateway.",
            [&](const ModelRun& m) { return of(m).queued_output_tokens; });
  per_model("tidegate_queue_bytes", MetricType::kGauge, "Bytes of bodies waiting at the gateway.",
            [&](const ModelRun& m) { return of(m).queued_bytes; });
  per_model("tidegate_queue_limit_requests", MetricType::kGauge, "queue.maxRequests of the spec.",
            [](const ModelRun& m) { return m.model().queue.max_requests; });
  per_model("tidegate_dispatched_requests", MetricType::kGauge,
            "Requests bound to a replica and not finished.",
            [&](const ModelRun& m) { return of(m).dispatched_requests; });
  per_model("tidegate_credit_requests", MetricType::kGauge, "Requests that replicas may hold now.",
            [&](const ModelRun& m) { return of(m).credit_requests; });
  per_model("tidegate_credit_withheld_requests", MetricType::kGauge,
            "Credit taken from replicas whose KV thrashes.",
            [&](const ModelRun& m) { return of(m).withheld_requests; });
  per_model("tidegate_arrivals_total", MetricType::kCounter,
            "Requests that arrived, rejected included.",
            [&](const ModelRun& m) { return of(m).arrived_total; });
  per_model("tidegate_prompt_tokens_total", MetricType::kCounter, "Prompt tokens that arrived.",
            [&](const ModelRun& m) { return of(m).prompt_tokens_total; });
  per_model("tidegate_expected_output_tokens_total", MetricType::kCounter,
            "Output tokens expected of the requests that arrived, as judged when they did.",
            [&](const ModelRun& m) { return of(m).expected_output_tokens_total; });
  per_model("tidegate_output_tokens_total", MetricType::kCounter,
            "Output tokens of finished requests.",
            [&](const ModelRun& m) { return of(m).output_tokens_total; });
}

void Page::latency(const char* name, const char* help, LatencyHistogram Traffic::*member) {
  writer_.family(name, MetricType::kHistogram, help);
  for (const auto& model : models_) {
    const Traffic* t = gateway_.traffic(model->name());
    if (t == nullptr) continue;
    const LatencyHistogram& h = t->*member;
    writer_.histogram(name, {{"model", model->name()}}, LatencyHistogram::kBounds, h.counts, h.sum);
  }
}

void Page::traffic() {
  writer_.family("tidegate_requests_total", MetricType::kCounter,
                 "Requests that ended, by outcome.");
  for (const auto& model : models_) {
    const Traffic* t = gateway_.traffic(model->name());
    for (std::size_t i = 0; t != nullptr && i < kOutcomes; ++i) {
      writer_.sample(
          "tidegate_requests_total",
          {{"model", model->name()}, {"outcome", EnumTokens<route::Outcome>::kTokens[i]}},
          static_cast<double>(t->by_outcome[i]));
    }
  }
  per_model("tidegate_slo_attainment", MetricType::kGauge,
            "Share of requests that met the SLO since the start.", [this](const ModelRun& m) {
              const Traffic* t = gateway_.traffic(m.name());
              return t == nullptr ? 1 : t->attainment();
            });
  per_model("tidegate_retries_total", MetricType::kCounter,
            "Requests placed on another replica before their first byte.",
            [this](const ModelRun& m) {
              const Traffic* t = gateway_.traffic(m.name());
              return t == nullptr ? 0 : t->retries;
            });
  latency("tidegate_ttft_seconds", "Arrival to first token.", &Traffic::ttft_seconds);
  latency("tidegate_itl_seconds", "Mean time between tokens of a request.", &Traffic::itl_seconds);
  latency("tidegate_e2e_seconds", "Arrival to last byte.", &Traffic::e2e_seconds);
  latency("tidegate_queue_seconds", "Arrival to the binding to a replica.",
          &Traffic::queue_seconds);
  per_model("tidegate_slo_requests_total", MetricType::kCounter,
            "Requests the SLO was held against: all but those whose client left.",
            [this](const ModelRun& m) {
              const Traffic* t = gateway_.traffic(m.name());
              return t == nullptr ? 0 : t->judged;
            });
  per_model("tidegate_slo_met_requests_total", MetricType::kCounter, "Of those, that met it.",
            [this](const ModelRun& m) {
              const Traffic* t = gateway_.traffic(m.name());
              return t == nullptr ? 0 : t->met;
            });
  writer_.family("tidegate_slo_objective_ratio", MetricType::kGauge,
                 "Share of requests that must meet the SLO: its largest percentile.");
  for (const auto& model : models_) {
    double objective = 0;
    const spec::Slo& slo = model->model().slo;
    for (const auto* bound : {&slo.ttft, &slo.itl, &slo.e2e}) {
      if (*bound) objective = std::max(objective, (*bound)->percentile);
    }
    if (objective > 0) {
      writer_.sample("tidegate_slo_objective_ratio", {{"model", model->name()}}, objective);
    }
  }
  writer_.family("tidegate_refused_total", MetricType::kCounter,
                 "Requests refused before a model was found, by HTTP status.");
  for (const auto& [status, n] : gateway_.refused()) {
    writer_.sample("tidegate_refused_total", {{"status", std::to_string(status)}},
                   static_cast<double>(n));
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

std::string metrics_text(const ModelRuns& models, Gateway& gateway, const net::WorldClock& clock,
                         const Journal& journal, const GpuWatch* gpus) {
  Page page(models, gateway, clock.now());
  page.fleet();
  page.desired_for_wva();
  page.demand();
  page.traffic();
  page.decisions();
  page.cold_starts();
  page.prometheus();
  if (gpus != nullptr) page.gpus(*gpus);
  page.process(clock.scale(), journal.dropped());
  return page.take();
}

}  // namespace tidegate::live
