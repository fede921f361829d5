// planner: NVIDIA Dynamo's SLA planner for colocated engines, both loops on (ai-dynamo/dynamo,
// components/src/dynamo/planner/core: state_machine.py, load_scaling.py, throughput_scaling.py;
// defaults in config/defaults.py).
//
//   each 180 s  throughput: requests and mean lengths of the interval, forecast one ahead ->
//               lower bound = ceil(rate / what an engine sustains within TTFT and ITL), >= 1
//   each 5 s    load: +1 where every engine is predicted over TTFT, or every one over ITL;
//               -1 where on N-1 engines, with N/(N-1) of the queue and KV each, queueing stays
//               below 80 % of what TTFT leaves after the prompt's own steps, ITL below 80 % of its
//               bound, and KV fits; then raised to the lower bound
//   while a replica is on its way, or one is silent: only watches
//
// Latencies come from planner_model.h. Requests are counted as they arrive, as upstream does by
// now; without a gateway as they end, as it did before. The forecast is upstream's Kalman filter;
// its default, auto-ARIMA, searches for a model and falls back to the last value. One engine stands
// for all by its bounds: "every" looks at the least loaded, "any" at the most loaded. What waits at
// the gateway is shared out over the engines, whose queues it would be in behind upstream's router.
// The knob (planner:0.8) is the share that one engine fewer must keep to.

#include <algorithm>
#include <optional>
#include <vector>

#include "core/policy/laws.h"
#include "core/policy/mix.h"
#include "core/policy/planner_model.h"

namespace tidegate::policy {

namespace {
constexpr Duration kLoadInterval = seconds(5);
constexpr Duration kThroughputInterval = seconds(180);
/// A pause longer than this is not filled with the rate after it.
constexpr Duration kMostBetweenReads = seconds(10);
constexpr double kSensitivity = 0.8;
constexpr std::int64_t kMinObservations = 5;
constexpr double kLevelNoise = 1, kTrendNoise = 0.1, kMeasurementNoise = 10, kFirstVariance = 1000;

void learn(Forecast& f, double value) {
  if (f.began == 0 && value == 0) return;  // idle since the start
  if (f.began == 0) {
    f = {value, 0, kFirstVariance, 0, kFirstVariance, 1};
  } else {
    const double total = f.var_level + kMeasurementNoise, error = value - f.level;
    const double gain = f.var_level / total, slope = f.covariance / total;
    f.level += gain * error;
    f.trend += slope * error;
    f.var_trend -= slope * f.covariance;
    f.var_level -= gain * f.var_level;
    f.covariance -= gain * f.covariance;
  }
  // One interval ahead: what the next value is held against, and the forecast.
  f.level += f.trend;
  f.var_level += 2 * f.covariance + f.var_trend + kLevelNoise;
  f.covariance += f.var_trend;
  f.var_trend += kTrendNoise;
}

/// Totals of what was asked; nothing where nobody counts.
using Counted = std::optional<signal::Demand>;

/// The gateway's totals; without one those of the engines, where a request counts when it ends.
Counted count(const Input& in, PlannerState& s) {
  if (gateway_known(in.seen)) return in.seen.demand;
  if (!in.seen.gateway.absent()) return std::nullopt;  // there is one, and it is stale
  const Duration passed = std::clamp(in.now - s.engine_read, Duration(0), kMostBetweenReads);
  const bool began = s.engine_read > Instant();
  s.engine_read = in.now;
  for (const signal::VariantObservation& v : in.seen.variants) {
    if (v.finished_requests_per_second.absent()) {
      if (v.fleet.ready.value() > 0) return std::nullopt;
      continue;
    }
    const double seconds = began ? to_seconds(passed) : 0;
    s.engine_finished += v.finished_requests_per_second.value * seconds;
    s.engine_prompt += v.prompt_tokens_per_second.value * seconds;
    s.engine_output += v.output_tokens_per_second.value * seconds;
  }
  signal::Demand out;
  out.arrived_total = out.finished_total = static_cast<std::int64_t>(s.engine_finished);
  out.prompt_tokens_total = static_cast<std::int64_t>(s.engine_prompt);
  out.output_tokens_total = static_cast<std::int64_t>(s.engine_output);
  return out;
}

/// Requests and their lengths since the interval began.
struct Window {
  double requests = 0, finished = 0;
  MeanLengths lengths;  ///< 0 where none came
};
Window window_of(const signal::Demand& d, const PlannerState& s) {
  Window out;
  out.requests = static_cast<double>(d.arrived_total - s.arrived_total);
  out.finished = static_cast<double>(d.finished_total - s.finished_total);
  if (out.requests > 0) {
    out.lengths.prompt = static_cast<double>(d.prompt_tokens_total - s.prompt_total) / out.requests;
  }
  if (out.finished > 0) {
    out.lengths.output = static_cast<double>(d.output_tokens_total - s.output_total) / out.finished;
  }
  return out;
}
void begin_window(const signal::Demand& d, PlannerState& s) {
  s.arrived_total = d.arrived_total;
  s.finished_total = d.finished_total;
  s.prompt_total = d.prompt_tokens_total;
  s.output_total = d.output_tokens_total;
}

/// Replicas for `rate`, cheapest variants first; `each` is what one of the first sustains.
std::int64_t replicas_for_rate(const Input& in, const MeanLengths& lengths, double rate,
                               double& each) {
  const LatencyBounds bounds = LatencyBounds::of(in.model.slo);
  const std::vector<std::size_t> order = fill_order(in.model);
  std::int64_t total = 0;
  for (std::size_t i : order) {
    const spec::Variant& variant = in.model.variants[i];
    const double best = StepModel(variant, lengths).best_requests_per_second(bounds);
    if (i == order.front()) each = best;
    std::int64_t wanted = whole_replicas(rate / best);
    if (i != order.back()) wanted = std::min(wanted, variant.max_replicas.value());
    total += wanted;
    rate -= static_cast<double>(wanted) * best;
  }
  return std::clamp<std::int64_t>(total, 1, kMostReplicas);
}

void throughput_loop(const Input& in, const Counted& counted, PlannerState& state) {
  if (!counted) return;
  const signal::Demand& demand = *counted;
  bool restarted = demand.arrived_total < state.arrived_total;
  if (state.arrived_total < 0 || restarted) {
    begin_window(demand, state);
    state.last_throughput = in.now;
    return;
  }
  const Window window = window_of(demand, state);
  const double interval = to_seconds(in.now - state.last_throughput);
  if (in.now - state.last_throughput < kThroughputInterval) return;
  learn(state.requests, window.requests);
  learn(state.prompt, window.lengths.prompt);
  learn(state.output, window.lengths.output);
  begin_window(demand, state);
  state.last_throughput = in.now;
  // Without lengths there is no rate to compare with: the bound stands.
  if (state.prompt.level <= 0 || state.output.level <= 0) return;
  const double rate = std::max(0.0, state.requests.level) / interval;
  double each = 0;
  state.lower_bound = replicas_for_rate(in, {state.prompt.level, state.output.level}, rate, each);
  state.bound_requests_per_second = rate;
  state.bound_each_per_second = each;
}

/// Lengths seen lately; false while too few requests came to know them.
bool know_lengths(const Counted& counted, PlannerState& state) {
  if (counted && state.arrived_total >= 0) {
    const Window window = window_of(*counted, state);
    if (window.requests >= kMinObservations && window.finished >= kMinObservations) {
      state.prompt_tokens = window.lengths.prompt;
      state.output_tokens = window.lengths.output;
    }
  }
  return state.prompt_tokens > 0 && state.output_tokens > 0;
}

/// What the load loop predicts: the least loaded engine's latencies, and whether one fewer would
/// do.
struct Prediction {
  double ttft_seconds = 1e9, itl_seconds = 1e9;
  bool one_fewer = true;
  bool complete = true;
};

void predict(const signal::VariantObservation& v, const StepModel& step, double gateway_tokens,
             const MeanLengths& lengths, const Input& in, double engines, Prediction& out) {
  const LatencyBounds bounds = LatencyBounds::of(in.model.slo);
  const double share = in.model.scaling.policy_knob.value_or(kSensitivity);
  auto queue = [&](const signal::Signal& waiting) {
    return (waiting.value * lengths.prompt + gateway_tokens) / step.ranks();
  };
  const double running =
      v.running_requests.value / static_cast<double>(v.fleet.ready.value()) / step.ranks();
  const double least_kv = v.kv_usage_min.value * step.kv_tokens();
  out.ttft_seconds =
      std::min(out.ttft_seconds, step.ttft_seconds(queue(v.engine_waiting_min), least_kv));
  out.itl_seconds = std::min(out.itl_seconds, step.itl_seconds(least_kv, running));
  if (engines < 2) {
    out.one_fewer = false;
    return;
  }
  const double more = engines / (engines - 1);
  const double queued = queue(v.engine_waiting_max) * more;
  const double kv = v.kv_usage_max.value * step.kv_tokens() * more;
  const double own = step.ttft_seconds(0, kv);
  const double budget = (bounds.ttft_seconds - own) * share;
  const bool ttft = budget > 0 && step.ttft_seconds(queued, kv) - own < budget;
  const bool itl = step.itl_seconds(kv + queued, running) < bounds.itl_seconds * share;
  out.one_fewer = out.one_fewer && ttft && itl && kv + queued < step.kv_tokens();
}

Prediction predict(const Input& in, const MeanLengths& lengths, double engines) {
  Prediction out;
  double gateway =
      gateway_known(in.seen) ? static_cast<double>(in.seen.demand.queued_tokens) / engines : 0;
  for (std::size_t i = 0; i < in.model.variants.size(); ++i) {
    const signal::VariantObservation* v = seen_of(in.model, in.seen, i);
    if (v == nullptr || v->fleet.ready.value() == 0) continue;
    out.complete = out.complete && v->kv_usage_min.complete() && v->engine_waiting_min.complete() &&
                   v->running_requests.complete();
    predict(*v, StepModel(in.model.variants[i], lengths), gateway, lengths, in, engines, out);
  }
  return out;
}

void load_loop(const Input& in, const Counted& counted, PlannerState& state, Draft& draft) {
  const bool known = know_lengths(counted, state);
  const MeanLengths lengths{state.prompt_tokens, state.output_tokens};
  const LatencyBounds bounds = LatencyBounds::of(in.model.slo);
  if (draft.active() > draft.ready()) {
    draft.hold(ReasonCode::kScalingInProgress,
               {{"booting_replicas", static_cast<double>(draft.active() - draft.ready())}});
    return;
  }
  const Prediction p =
      known ? predict(in, lengths, static_cast<double>(draft.ready())) : Prediction{};
  if (!known || !p.complete) {
    // Upstream's load loop has no data; it decides nothing.
    if (!p.complete) draft.incomplete();
    draft.hold(p.complete ? ReasonCode::kNoChange : ReasonCode::kMissingData, {});
    return;
  }
  std::vector<Evidence> evidence = {{"predicted_ttft_seconds", p.ttft_seconds},
                                    {"predicted_itl_seconds", p.itl_seconds}};
  if (p.ttft_seconds > bounds.ttft_seconds || p.itl_seconds > bounds.itl_seconds) {
    draft.ask(ReasonCode::kPredictedLatency, draft.active() + 1, std::move(evidence));
  } else if (p.one_fewer) {
    draft.ask(ReasonCode::kConsolidation, draft.active() - 1, std::move(evidence));
  } else {
    draft.hold(ReasonCode::kWithinTolerance, std::move(evidence));
  }
  draft.at_least(ReasonCode::kPredictedLoad, state.lower_bound,
                 {{"predicted_requests_per_second", state.bound_requests_per_second},
                  {"sustained_requests_per_second", state.bound_each_per_second}});
}
}  // namespace

Decided decide_planner(const Input& in, State all) {
  if (!all.planner) all.planner.emplace();
  PlannerState& state = *all.planner;
  const Counted counted = count(in, state);
  Draft draft(in.model, in.seen);
  const bool first = state.answer.size() != in.model.variants.size();
  if (draft.active() == 0) {
    // Upstream's min_endpoint is 1: it knows no zero.
    draft.ask(ReasonCode::kPredictedLoad, std::max<std::int64_t>(1, state.lower_bound), {});
    state.answer = draft.counts();
    state.last_load = in.now;
  } else if (first || in.now - state.last_load >= kLoadInterval) {
    load_loop(in, counted, state, draft);
    state.answer = draft.counts();
    state.answer_complete = draft.complete() ? 1 : 0;
    state.last_load = in.now;
  } else {
    draft.repeat(ReasonCode::kNoChange, state.answer,
                 {{"since_load_loop_seconds", to_seconds(in.now - state.last_load)}});
    if (state.answer_complete == 0) draft.incomplete();
  }
  throughput_loop(in, counted, state);
  return {std::move(draft).finish(), std::move(all)};
}

}  // namespace tidegate::policy
