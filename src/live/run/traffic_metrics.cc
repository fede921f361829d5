#include "live/run/traffic_metrics.h"

#include <algorithm>

namespace tidegate::live {
namespace {

using format::ExpositionWriter;
using format::MetricType;

/// One sample a model.
template <class Value>
void per_model(ExpositionWriter& writer, const std::vector<const spec::Model*>& models,
               const char* name, MetricType type, const char* help, Value value) {
  writer.family(name, type, help);
  for (const auto* model : models) {
    writer.sample(name, {{"model", model->name}}, static_cast<double>(value(*model)));
  }
}

void latency(ExpositionWriter& writer, const std::vector<const spec::Model*>& models,
             const Gateway& gateway, const char* name, const char* help,
             LatencyHistogram Traffic::*member) {
  writer.family(name, MetricType::kHistogram, help);
  for (const auto& model : models) {
    const Traffic* t = gateway.traffic(model->name);
    if (t == nullptr) continue;
    const LatencyHistogram& h = t->*member;
    writer.histogram(name, {{"model", model->name}}, LatencyHistogram::kBounds, h.counts, h.sum);
  }
}

}  // namespace

void write_demand_metrics(ExpositionWriter& writer, const std::vector<const spec::Model*>& models,
                          const DataPlane& plane) {
  auto of = [&](const spec::Model& m) { return plane.demand(m.name); };
  per_model(writer, models, "tidegate_queue_requests", MetricType::kGauge,
            "Requests waiting at the gateway.",
            [&](const spec::Model& m) { return of(m).queued_requests; });
  per_model(writer, models, "tidegate_queue_tokens", MetricType::kGauge,
            "Prompt tokens waiting at the gateway.",
            [&](const spec::Model& m) { return of(m).queued_tokens; });
  per_model(writer, models, "tidegate_queue_output_tokens", MetricType::kGauge,
            "Output tokens expected of what waits at the gateway.",
            [&](const spec::Model& m) { return of(m).queued_output_tokens; });
  per_model(writer, models, "tidegate_queue_bytes", MetricType::kGauge,
            "Bytes of bodies waiting at the gateway.",
            [&](const spec::Model& m) { return of(m).queued_bytes; });
  per_model(writer, models, "tidegate_queue_limit_requests", MetricType::kGauge,
            "queue.maxRequests of the spec.",
            [](const spec::Model& m) { return m.queue.max_requests; });
  per_model(writer, models, "tidegate_dispatched_requests", MetricType::kGauge,
            "Requests bound to a replica and not finished.",
            [&](const spec::Model& m) { return of(m).dispatched_requests; });
  per_model(writer, models, "tidegate_credit_requests", MetricType::kGauge,
            "Requests that replicas may hold now.",
            [&](const spec::Model& m) { return of(m).credit_requests; });
  per_model(writer, models, "tidegate_credit_withheld_requests", MetricType::kGauge,
            "Credit taken from replicas whose KV thrashes.",
            [&](const spec::Model& m) { return of(m).withheld_requests; });
  per_model(writer, models, "tidegate_arrivals_total", MetricType::kCounter,
            "Requests that arrived, rejected included.",
            [&](const spec::Model& m) { return of(m).arrived_total; });
  per_model(writer, models, "tidegate_prompt_tokens_total", MetricType::kCounter,
            "Prompt tokens that arrived.",
            [&](const spec::Model& m) { return of(m).prompt_tokens_total; });
  per_model(writer, models, "tidegate_expected_output_tokens_total", MetricType::kCounter,
            "Output tokens expected of the requests that arrived, as judged when they did.",
            [&](const spec::Model& m) { return of(m).expected_output_tokens_total; });
  per_model(writer, models, "tidegate_output_tokens_total", MetricType::kCounter,
            "Output tokens of finished requests.",
            [&](const spec::Model& m) { return of(m).output_tokens_total; });
}

void write_traffic_metrics(ExpositionWriter& writer, const std::vector<const spec::Model*>& models,
                           const Gateway& gateway) {
  writer.family("tidegate_requests_total", MetricType::kCounter,
                "Requests that ended, by outcome.");
  for (const auto& model : models) {
    const Traffic* t = gateway.traffic(model->name);
    for (std::size_t i = 0; t != nullptr && i < kOutcomes; ++i) {
      writer.sample("tidegate_requests_total",
                    {{"model", model->name}, {"outcome", EnumTokens<route::Outcome>::kTokens[i]}},
                    static_cast<double>(t->by_outcome[i]));
    }
  }
  per_model(writer, models, "tidegate_slo_attainment", MetricType::kGauge,
            "Share of requests that met the SLO since the start.", [&](const spec::Model& m) {
              const Traffic* t = gateway.traffic(m.name);
              return t == nullptr ? 1 : t->attainment();
            });
  per_model(writer, models, "tidegate_retries_total", MetricType::kCounter,
            "Requests placed on another replica before their first byte.",
            [&](const spec::Model& m) {
              const Traffic* t = gateway.traffic(m.name);
              return t == nullptr ? 0 : t->retries;
            });
  latency(writer, models, gateway, "tidegate_ttft_seconds", "Arrival to first token.",
          &Traffic::ttft_seconds);
  latency(writer, models, gateway, "tidegate_itl_seconds", "Mean time between tokens of a request.",
          &Traffic::itl_seconds);
  latency(writer, models, gateway, "tidegate_e2e_seconds", "Arrival to last byte.",
          &Traffic::e2e_seconds);
  latency(writer, models, gateway, "tidegate_queue_seconds", "Arrival to the binding to a replica.",
          &Traffic::queue_seconds);
  per_model(writer, models, "tidegate_slo_requests_total", MetricType::kCounter,
            "Requests the SLO was held against: all but those whose client left.",
            [&](const spec::Model& m) {
              const Traffic* t = gateway.traffic(m.name);
              return t == nullptr ? 0 : t->judged;
            });
  per_model(writer, models, "tidegate_slo_met_requests_total", MetricType::kCounter,
            "Of those, that met it.", [&](const spec::Model& m) {
              const Traffic* t = gateway.traffic(m.name);
              return t == nullptr ? 0 : t->met;
            });
  writer.family("tidegate_slo_objective_ratio", MetricType::kGauge,
                "Share of requests that must meet the SLO: its largest percentile.");
  for (const auto& model : models) {
    double objective = 0;
    const spec::Slo& slo = model->slo;
    for (const auto* bound : {&slo.ttft, &slo.itl, &slo.e2e}) {
      if (*bound) objective = std::max(objective, (*bound)->percentile);
    }
    if (objective > 0) {
      writer.sample("tidegate_slo_objective_ratio", {{"model", model->name}}, objective);
    }
  }
  writer.family("tidegate_refused_total", MetricType::kCounter,
                "Requests refused before a model was found, by HTTP status.");
  for (const auto& [status, n] : gateway.refused()) {
    writer.sample("tidegate_refused_total", {{"status", std::to_string(status)}},
                  static_cast<double>(n));
  }
}

void write_leader_metrics(format::ExpositionWriter& writer, const link::Follower& follower) {
  writer.family("tidegate_leader_connected", format::MetricType::kGauge,
                "1 while who leads tells this gateway of replicas.");
  writer.sample("tidegate_leader_connected", {}, follower.leader().connected ? 1 : 0);
}

}  // namespace tidegate::live
