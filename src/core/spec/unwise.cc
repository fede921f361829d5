#include "core/spec/unwise.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/spec/cron.h"
#include "core/spec/expected_start.h"
#include "core/spec/options.h"
#include "core/spec/validate.h"

namespace tidegate::spec {
namespace {

bool contains_any(std::string_view text, std::span<const std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return text.find(word) != std::string_view::npos;
  });
}

constexpr std::string_view kDutyCycle[] = {"DCGM_FI_DEV_GPU_UTIL",
                                           "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
                                           "DCGM_FI_PROF_SM_ACTIVE",
                                           "gpu_utilization",
                                           "gpu_duty_cycle",
                                           "nvidia_gpu_duty_cycle",
                                           "duty_cycle"};
constexpr std::string_view kRates[] = {"rate(", "increase(", "delta("};
constexpr std::string_view kAggregations[] = {
    "sum", "avg", "max", "min", "count", "quantile", "topk", "scalar", "histogram_quantile"};
constexpr std::string_view kEngineQueues[] = {"num_requests_waiting", "num_queue_reqs",
                                              "tgi_queue_size", "requests_deferred",
                                              "num_requests_swapped"};

/// Whole words followed by "(" or " by": sum(...), sum by (pod) (...).
bool aggregates(std::string_view promql) {
  auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
  };
  for (std::string_view word : kAggregations) {
    for (auto at = promql.find(word); at != std::string_view::npos;
         at = promql.find(word, at + 1)) {
      if (at > 0 && is_word(promql[at - 1])) continue;
      std::string_view rest = promql.substr(at + word.size());
      rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
      if (rest.starts_with('(') || rest.starts_with("by") || rest.starts_with("without"))
        return true;
    }
  }
  return false;
}

void advise_metrics(const Scaling& scaling, Warnings& warnings) {
  for (std::size_t i = 0; i < scaling.metrics.size(); ++i) {
    const std::string& promql = scaling.metrics[i].promql;
    if (promql.empty()) continue;
    std::string path = "spec.scaling.metrics[" + std::to_string(i) + "].promql";
    if (contains_any(promql, kDutyCycle)) {
      warnings.add(
          path,
          scaling.metrics.size() > 1
              ? "a GPU duty cycle is near 100 % whenever one request runs; as the largest metric "
                "wins, the fleet "
                "ratchets to maxReplicas and stays there. Use signal: inFlight or kvUsage instead"
              : "a GPU duty cycle is near 100 % whenever one request runs, so it says nothing "
                "about load under "
                "continuous batching. Use signal: inFlight or kvUsage instead");
    }
    if (contains_any(promql, kRates) && !aggregates(promql)) {
      warnings.add(
          path,
          "a rate without sum() is one series for each replica, and the query must give one "
          "number; write sum(rate(...))");
    }
    if (contains_any(promql, kEngineQueues)) {
      warnings.add(
          path,
          "the gateway holds requests back until a replica has room, so the engines' own queues "
          "stay near empty; use signal: waiting, which counts both");
    }
  }
  bool reads_metrics = scaling.policy != PolicyKind::kStatic && scaling.policy != PolicyKind::kKpa;
  if (!scaling.metrics.empty() && !reads_metrics) {
    warnings.add("spec.scaling.metrics",
                 "policy " + std::string(token(scaling.policy)) +
                     " does not read metrics; concurrency, hpa, keda and targettracking do");
  }
}

/// Nothing that we see would tell of the request that ends a zero.
void advise_front(const Model& model, Warnings& warnings) {
  if (model.front.by == Front::kGateway || !model.front.queue_metrics.empty()) return;
  for (const Variant& variant : model.variants) {
    if (min_replicas(model, variant) > Replicas(0)) return;
  }
  warnings.add("spec.front.by",
               "behind a proxy nobody tells of a request while no replica runs: the last one is "
               "kept, but a model that starts at zero stays there; write minReplicas: 1, or "
               "front.queueMetrics where the proxy queues");
}

void advise_prometheus(const Model& model, Warnings& warnings) {
  const auto& metrics = model.scaling.metrics;
  for (std::size_t i = 0; i < metrics.size() && !model.prometheus; ++i) {
    if (metrics[i].promql.empty()) continue;
    warnings.add("spec.scaling.metrics[" + std::to_string(i) + "].promql",
                 "there is no Prometheus to ask, and `run` refuses that; add spec.prometheus.url");
  }
  if (!model.prometheus) return;
  const Prometheus& prometheus = *model.prometheus;
  if (prometheus.max_age < prometheus.interval * 2) {
    warnings.add("spec.prometheus.maxAge",
                 "one answer that comes late makes everything unknown: maxAge (" +
                     duration_text(prometheus.max_age) + ") is below two intervals of " +
                     duration_text(prometheus.interval));
  }
}

void advise_schedule(const Scaling& scaling, Warnings& warnings) {
  for (std::size_t i = 0; i < scaling.schedule.size(); ++i) {
    const ScheduleWindow& window = scaling.schedule[i];
    if (never_matches(window.fields)) {
      warnings.add("spec.scaling.schedule[" + std::to_string(i) + "].cron",
                   "\"" + window.cron + "\" matches no day of any year");
    }
  }
}

void advise_concurrency(const Case& c, const Facts& facts, Warnings& warnings) {
  if (!c.model.scaling.concurrency_target) return;
  std::int64_t target = *c.model.scaling.concurrency_target;
  std::optional<std::int64_t> seqs = c.variant.engine.max_num_seqs;
  std::string whose = "maxNumSeqs of variant " + c.variant.name;
  if (!seqs) {
    auto known = facts.profile_max_num_seqs.find(c.variant.engine.profile);
    if (known == facts.profile_max_num_seqs.end()) return;
    seqs = known->second;
    whose += " (from profile " + c.variant.engine.profile + ")";
  }
  std::int64_t room = *seqs * c.variant.engine.data_parallel_size;
  if (target == room) return;
  std::string ranks = c.variant.engine.data_parallel_size > 1
                          ? " x " + std::to_string(c.variant.engine.data_parallel_size) + " ranks"
                          : "";
  warnings.add("spec.scaling.concurrencyTarget",
               "concurrencyTarget is " + std::to_string(target) + " but " + whose + " is " +
                   std::to_string(*seqs) + ranks + ": " +
                   (target > room ? "the rest of the requests would queue inside the engine"
                                  : "part of each engine's batch is never used") +
                   "; set both alike");
}

void advise_zero(const Case& c, Warnings& warnings) {
  if (c.floor != 0 || c.cold_start == Duration{0}) return;
  std::string where = c.path + (c.variant.min_replicas ? ".minReplicas" : ".coldStart");
  std::string start = duration_text(c.cold_start);
  if (c.cold_start > c.model.queue.max_wait) {
    warnings.add(where, "minReplicas is 0 and a cold start takes " + start +
                            " (p90), longer than queue.maxWait (" +
                            duration_text(c.model.queue.max_wait) +
                            "): requests that wake the model time out before it answers. Raise "
                            "queue.maxWait or minReplicas");
  }
  const auto& ttft = c.model.slo.ttft;
  if (ttft && c.cold_start > ttft->bound) {
    std::string price;
    if (double cost = c.variant.cost_per_hour_dollars; cost > 0) {
      price = " One replica kept warm costs $" + number_text(cost) + " an hour, as much as " +
              number_text(cost) +
              " million tokens at $1 per million: below that traffic an API by the token is "
              "cheaper, above it "
              "minReplicas: 1 is";
    }
    warnings.add(where, "minReplicas is 0 and a cold start takes " + start +
                            " (p90) under a TTFT SLO of " + duration_text(ttft->bound) +
                            ": the first requests after idle miss it." + price);
  }
}

void advise_bounds(const Case& c, Warnings& warnings) {
  std::int64_t asked = environment_floor(c.model.scaling.environment).value();
  if (!c.variant.min_replicas && asked > c.variant.max_replicas.value()) {
    warnings.add(c.path + ".maxReplicas",
                 "environment " + std::string(token(c.model.scaling.environment)) + " asks for " +
                     std::to_string(asked) + " replicas, maxReplicas allows " +
                     std::to_string(c.variant.max_replicas.value()));
  }
  const Scaling& scaling = c.model.scaling;
  if (scaling.policy == PolicyKind::kStatic && scaling.policy_knob &&
      c.model.variants.size() == 1) {
    double knob = *scaling.policy_knob;
    if (knob < static_cast<double>(c.floor) ||
        knob > static_cast<double>(c.variant.max_replicas.value())) {
      warnings.add("spec.scaling.policy",
                   "static:" + number_text(knob) + " lies outside the bounds of variant " +
                       c.variant.name + " (" + std::to_string(c.floor) + " to " +
                       std::to_string(c.variant.max_replicas.value()) + "), which win");
    }
  }
  if (c.cold_start > scale_down_delay(scaling) && c.variant.max_replicas.value() > c.floor) {
    warnings.add("spec.scaling.scaleDownDelay",
                 "scaleDownDelay (" + duration_text(scale_down_delay(scaling)) +
                     ") is shorter than a cold start of variant " + c.variant.name + " (" +
                     duration_text(c.cold_start) +
                     ", p90): replicas go before they could be had back");
  }
}

void advise_process(const Case& c, Warnings& warnings) {
  auto* process = std::get_if<ProcessTarget>(&c.variant.target);
  if (process == nullptr) return;
  auto names_port = [](std::string_view word) { return word.find("{port}") != word.npos; };
  if (std::none_of(process->command.begin(), process->command.end(), names_port) &&
      std::none_of(process->env.begin(), process->env.end(),
                   [&](const auto& variable) { return names_port(variable.second); })) {
    warnings.add(c.path + ".target.process.command",
                 "no word of it, and no value of env, has {port}: each replica is given a port of "
                 "its own, and is expected to listen there");
  }
  if (c.cold_start > process->start_timeout) {
    warnings.add(c.path + ".target.process.startTimeout",
                 "startTimeout (" + duration_text(process->start_timeout) +
                     ") is shorter than the cold start (" + duration_text(c.cold_start) +
                     ", p90): replicas are stopped before they are ready");
  }
  if (c.model.slo.e2e && process->drain_timeout < c.model.slo.e2e->bound) {
    warnings.add(c.path + ".target.process.drainTimeout",
                 "drainTimeout (" + duration_text(process->drain_timeout) +
                     ") is shorter than the E2E SLO (" + duration_text(c.model.slo.e2e->bound) +
                     "): scaling down cuts answers that are still in time");
  }
}

void advise_model(const Model& model, Warnings& warnings) {
  if (model.slo.ttft && model.slo.e2e && model.slo.e2e->bound < model.slo.ttft->bound) {
    warnings.add("spec.slo.e2e", "the E2E bound (" + duration_text(model.slo.e2e->bound) +
                                     ") is below the TTFT bound (" +
                                     duration_text(model.slo.ttft->bound) +
                                     "), which can then never decide");
  }
  if (model.queue.max_body_bytes > model.queue.max_bytes) {
    warnings.add("spec.queue.maxBodyBytes",
                 "maxBodyBytes is above maxBytes: such a body can never wait");
  }
  if (model.scaling.timed_for > Duration{0} && model.scaling.mode != Mode::kTimed) {
    warnings.add("spec.scaling.timedFor", "timedFor is read in mode timed only; the mode is " +
                                              std::string(token(model.scaling.mode)));
  }
}

}  // namespace

Duration cold_start_p90(const ColdStart& cold) {
  Duration total = cold.procurement.p90 + cold.image.p90 + cold.engine.p90;
  if (cold.weights.time) return total + cold.weights.time->p90;
  std::int64_t rate =
      cold.weights.bandwidth_bytes_per_second.value_or(default_bandwidth(cold.weights.from));
  if (rate <= 0 || cold.weights.bytes <= 0) return total;
  double load = static_cast<double>(cold.weights.bytes) / static_cast<double>(rate);
  return total + seconds_f(std::floor(load * 1e3 + 0.5) / 1e3);
}

void find_unwise(const Model& model, const Facts& facts, std::vector<Finding>& out) {
  Warnings warnings(out);
  advise_model(model, warnings);
  advise_metrics(model.scaling, warnings);
  advise_front(model, warnings);
  advise_prometheus(model, warnings);
  advise_schedule(model.scaling, warnings);
  for (std::size_t i = 0; i < model.variants.size(); ++i) {
    const Variant& variant = model.variants[i];
    Case c{model, variant, "spec.variants[" + std::to_string(i) + "]",
           cold_start_p90(variant.cold_start), min_replicas(model, variant).value()};
    advise_concurrency(c, facts, warnings);
    advise_zero(c, warnings);
    advise_bounds(c, warnings);
    advise_process(c, warnings);
    advise_warm_pool(c, warnings);
  }
}

}  // namespace tidegate::spec
