#include "sim/compare/results.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "format/quantiles.h"
#include "format/spec_yaml.h"

namespace tidegate::sim {
namespace {

using Json = nlohmann::ordered_json;

double requests_per_second(const PolicyResult& r) {
  return r.wall > Duration(0) ? static_cast<double>(r.totals.score.requests) / to_seconds(r.wall)
                              : 0;
}

std::string human(double value_seconds) {
  if (value_seconds >= 100) return fmt::format("{:.0f} s", value_seconds);
  if (value_seconds >= 1) return fmt::format("{:.2f} s", value_seconds);
  return fmt::format("{:.{}f} ms", value_seconds * 1e3, value_seconds < 0.1 ? 1 : 0);
}

/// The keys of one tally, in the order that is API.
void put_totals(Json& out, const Totals& t) {
  const workload::Score& s = t.score;
  out["requests"] = s.requests;
  out["completed"] = s.completed;
  out["rejected"] = s.rejected;
  out["timedOut"] = s.timed_out;
  out["lost"] = s.lost;
  out["sloAttainment"] = s.attainment();
  out["ttft"] = format::quantiles_json(s.ttft);
  out["itl"] = format::quantiles_json(s.itl);
  out["e2e"] = format::quantiles_json(s.e2e);
  out["gpuHours"] = t.gpu_hours;
  out["replicaHours"] = t.replica_hours;
  out["cost"] = t.cost_dollars;
  out["replicasPeak"] = t.replicas_peak;
  out["replicasMean"] = t.replicas_mean;
  out["scaleUps"] = t.scale_ups;
  out["scaleDowns"] = t.scale_downs;
  out["coldStarts"] = t.cold_starts;
  if (t.warm_pool) {
    out["wakes"] = t.wakes;
    out["sleeperHours"] = t.sleeper_hours;
  }
  out["queuePeak"] = t.queue_peak;
}

std::string slo_text(const spec::Model& model) {
  std::string bounds;
  for (auto [name, bound] :
       {std::pair{"TTFT", &model.slo.ttft}, {"ITL", &model.slo.itl}, {"E2E", &model.slo.e2e}}) {
    if (!*bound) continue;
    bounds += fmt::format("{}{} p{:g} {}", bounds.empty() ? "" : ", ", name,
                          (*bound)->percentile * 100, format::format_duration((*bound)->bound));
  }
  return bounds.empty() ? "none" : bounds;
}

void put_row(std::string& out, const std::string& name, const Totals& t, const std::string& wall) {
  const workload::Score& s = t.score;
  out += fmt::format(
      "{:<18}{:>8.2f}%{:>10}{:>10}{:>10}{:>9}{:>10.2f}{:>10.2f}{:>9.2f}{:>7}{:>7}{:>9}{:>8}\n",
      name, s.attainment() * 100, s.rejected + s.timed_out + s.lost, human(s.ttft.quantile(0.5)),
      human(s.ttft.quantile(0.99)), human(s.itl.quantile(0.99)), t.gpu_hours, t.cost_dollars,
      t.replicas_mean, t.replicas_peak, t.cold_starts, t.queue_peak, wall);
}

/// What is worth knowing of a bound beside its figures.
std::string oracle_text(const PolicyResult& r) {
  const OracleNote& note = *r.oracle;
  return fmt::format("{}: {}, found by {} in {} runs{}\n", r.policy,
                     note.reached ? "reached" : "NOT reached, the nearest there is", note.found_by,
                     note.evaluations, note.exhausted ? " (budget spent)" : "");
}

}  // namespace

nlohmann::ordered_json to_json(const PolicyResult& r) {
  Json out{{"policy", r.policy}};
  put_totals(out, r.totals);
  out["simulatedSeconds"] = to_seconds(r.simulated);
  out["wallSeconds"] = to_seconds(r.wall);
  out["requestsPerSecond"] = requests_per_second(r);
  if (r.oracle) {
    out["oracle"] = {{"reached", r.oracle->reached},
                     {"foundBy", r.oracle->found_by},
                     {"evaluations", r.oracle->evaluations},
                     {"exhausted", r.oracle->exhausted}};
  }
  if (r.models.size() > 1) {
    out["models"] = Json::array();
    for (const ModelResult& model : r.models) {
      Json one{{"model", model.model}};
      put_totals(one, model.totals);
      out["models"].push_back(std::move(one));
    }
  }
  return out;
}

std::string to_table(const SimulateResult& result, const std::vector<spec::Model>& models) {
  std::string out;
  if (result.policies.empty()) return out;
  const PolicyResult& one = result.policies.front();
  std::int64_t start = 0;
  for (const auto& fleet : result.initial) {
    for (std::int64_t n : fleet) start += n;
  }
  out += fmt::format("{} request{} over {}, {} replica{} at the start", one.totals.score.requests,
                     one.totals.score.requests == 1 ? "" : "s",
                     format::format_duration(seconds(one.simulated.count() / 1'000'000'000)), start,
                     start == 1 ? "" : "s");
  for (const spec::Model& model : models) {
    out += fmt::format(", SLO {}{}", models.size() > 1 ? "of " + model.name + " " : "",
                       slo_text(model));
  }
  out +=
      fmt::format("\n\n{:<18}{:>9}{:>10}{:>10}{:>10}{:>9}{:>10}{:>10}{:>9}{:>7}{:>7}{:>9}{:>8}\n",
                  "policy", "met", "failed", "TTFT p50", "TTFT p99", "ITL p99", "GPU-hours",
                  "cost $", "replicas", "peak", "starts", "queue", "wall");
  for (const PolicyResult& r : result.policies) {
    put_row(out, r.policy, r.totals, human(to_seconds(r.wall)));
    for (std::size_t m = 0; r.models.size() > 1 && m < r.models.size(); ++m) {
      put_row(out, "  " + r.models[m].model, r.models[m].totals, "");
    }
  }
  bool first = true;
  for (const PolicyResult& r : result.policies) {
    if (!r.oracle) continue;
    out += (first ? "\n" : "") + oracle_text(r);
    first = false;
  }
  return out;
}

}  // namespace tidegate::sim
