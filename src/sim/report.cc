#include "sim/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "format/spec_yaml.h"

namespace tidegate::sim {
namespace {

using Json = nlohmann::ordered_json;

Json quantiles(const workload::Sketch& sketch) {
  return {{"p50", sketch.quantile(0.50)},
          {"p95", sketch.quantile(0.95)},
          {"p99", sketch.quantile(0.99)}};
}

double requests_per_second(const PolicyResult& r) {
  return r.wall > Duration(0) ? static_cast<double>(r.totals.score.requests) / to_seconds(r.wall)
                              : 0;
}

std::string human(double value_seconds) {
  if (value_seconds >= 100) return fmt::format("{:.0f} s", value_seconds);
  if (value_seconds >= 1) return fmt::format("{:.2f} s", value_seconds);
  return fmt::format("{:.{}f} ms", value_seconds * 1e3, value_seconds < 0.1 ? 1 : 0);
}

}  // namespace

nlohmann::ordered_json to_json(const PolicyResult& r) {
  const Totals& t = r.totals;
  const workload::Score& s = t.score;
  return {{"policy", r.policy},
          {"requests", s.requests},
          {"completed", s.completed},
          {"rejected", s.rejected},
          {"timedOut", s.timed_out},
          {"lost", s.lost},
          {"sloAttainment", s.attainment()},
          {"ttft", quantiles(s.ttft)},
          {"itl", quantiles(s.itl)},
          {"e2e", quantiles(s.e2e)},
          {"gpuHours", t.gpu_hours},
          {"replicaHours", t.replica_hours},
          {"cost", t.cost_dollars},
          {"replicasPeak", t.replicas_peak},
          {"replicasMean", t.replicas_mean},
          {"scaleUps", t.scale_ups},
          {"scaleDowns", t.scale_downs},
          {"coldStarts", t.cold_starts},
          {"queuePeak", t.queue_peak},
          {"simulatedSeconds", to_seconds(r.simulated)},
          {"wallSeconds", to_seconds(r.wall)},
          {"requestsPerSecond", requests_per_second(r)}};
}

std::string to_table(const SimulateResult& result, const spec::Model& model) {
  std::string out;
  if (result.policies.empty()) return out;
  const PolicyResult& one = result.policies.front();
  std::string bounds;
  for (auto [name, bound] :
       {std::pair{"TTFT", &model.slo.ttft}, {"ITL", &model.slo.itl}, {"E2E", &model.slo.e2e}}) {
    if (!*bound) continue;
    bounds += fmt::format("{}{} p{:g} {}", bounds.empty() ? "" : ", ", name,
                          (*bound)->percentile * 100, format::format_duration((*bound)->bound));
  }
  std::int64_t start = 0;
  for (std::int64_t n : result.initial) start += n;
  out += fmt::format("{} requests over {}, {} replica{} at the start, SLO {}\n\n",
                     one.totals.score.requests,
                     format::format_duration(seconds(one.simulated.count() / 1'000'000'000)), start,
                     start == 1 ? "" : "s", bounds.empty() ? "none" : bounds);
  out += fmt::format("{:<18}{:>9}{:>10}{:>10}{:>10}{:>9}{:>10}{:>10}{:>9}{:>7}{:>7}{:>9}{:>8}\n",
                     "policy", "met", "failed", "TTFT p50", "TTFT p99", "ITL p99", "GPU-hours",
                     "cost $", "replicas", "peak", "starts", "queue", "wall");
  for (const PolicyResult& r : result.policies) {
    const Totals& t = r.totals;
    const workload::Score& s = t.score;
    out += fmt::format(
        "{:<18}{:>8.2f}%{:>10}{:>10}{:>10}{:>9}{:>10.2f}{:>10.2f}{:>9.2f}{:>7}{:>7}{:>9}{:>8}\n",
        r.policy, s.attainment() * 100, s.rejected + s.timed_out + s.lost,
        human(s.ttft.quantile(0.5)), human(s.ttft.quantile(0.99)), human(s.itl.quantile(0.99)),
        t.gpu_hours, t.cost_dollars, t.replicas_mean, t.replicas_peak, t.cold_starts, t.queue_peak,
        human(to_seconds(r.wall)));
  }
  return out;
}

}  // namespace tidegate::sim
