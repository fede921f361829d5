#include "core/policy/metric.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/policy/mix.h"

namespace tidegate::policy {

namespace {

using signal::Freshness;
using signal::Signal;
using spec::SignalName;

Signal of_gateway(const signal::Observation& seen, double value) {
  Signal signal = seen.gateway;
  signal.value = value;
  return signal;
}

/// The worse of two in freshness and coverage, with the value of neither.
Signal worse(const Signal& a, const Signal& b) {
  Signal out = a;
  out.at = std::min(a.at, b.at);
  out.freshness = std::min(a.freshness, b.freshness);
  out.coverage = std::min(a.coverage, b.coverage);
  return out;
}

/// KV usage over all ready replicas: the mean of the variants' means, weighted by their ready
/// replicas. A variant with none ready has nothing to say and spoils nothing.
Signal kv_usage(const signal::Observation& seen) {
  Signal out;
  double weight = 0, sum = 0, heard = 0;
  for (const signal::VariantObservation& variant : seen.variants) {
    double ready = static_cast<double>(variant.fleet.ready.value());
    if (ready <= 0) continue;
    weight += ready;
    if (variant.kv_usage.absent()) continue;
    out = heard > 0 ? worse(out, variant.kv_usage) : variant.kv_usage;
    heard += ready * variant.kv_usage.coverage;
    sum += ready * variant.kv_usage.coverage * variant.kv_usage.value;
  }
  if (heard <= 0) return {};
  out.value = sum / heard;
  out.coverage = heard / weight;
  return out;
}

Signal running(const signal::Observation& seen) {
  if (!seen.gateway.absent()) {
    return of_gateway(seen, static_cast<double>(seen.demand.dispatched_requests));
  }
  Signal out;
  double sum = 0;
  bool any = false;
  for (const signal::VariantObservation& variant : seen.variants) {
    if (variant.fleet.ready.value() <= 0) continue;
    out = any ? worse(out, variant.running_requests) : variant.running_requests;
    if (!variant.running_requests.absent()) sum += variant.running_requests.value;
    any = true;
  }
  out.value = sum;
  return out;
}

/// A latency nobody measured because nobody came is met: known at the gateway, a true zero.
Signal latency(const signal::Observation& seen, const Signal& measured) {
  bool idle = seen.demand.queued_requests + seen.demand.dispatched_requests == 0;
  return measured.absent() && gateway_known(seen) && idle ? of_gateway(seen, 0) : measured;
}

Signal rate(const Input& in, std::optional<double> now_per_second, std::size_t index,
            State& state) {
  if (state.metrics.size() <= index) state.metrics.resize(index + 1);
  TimeAverage& window = state.metrics[index];
  Duration length = in.model.scaling.window;
  if (now_per_second) window.set(*now_per_second, in.now, length);
  if (window.empty()) return {};
  Signal signal = of_gateway(in.seen, window.mean(in.now, length, 0));
  if (!now_per_second && signal.freshness == Freshness::kFresh) {
    signal.freshness = Freshness::kStale;
  }
  return signal;
}

double mean_concurrency(const spec::Model& model) {
  std::size_t cheapest = fill_order(model).front();
  return static_cast<double>(concurrency_target(model, model.variants[cheapest]));
}

}  // namespace

Rates step_totals(const Input& in, State& state) {
  Rates rates;
  if (in.seen.gateway.absent()) return rates;
  const signal::Demand& demand = in.seen.demand;
  std::int64_t tokens = demand.prompt_tokens_total + demand.output_tokens_total;
  double passed = to_seconds(in.now - state.last_totals_at);
  bool known = state.last_arrived_total >= 0 && passed > 0 &&
               demand.arrived_total >= state.last_arrived_total &&
               tokens >= state.last_tokens_total;
  if (known) {
    rates.requests_per_second =
        static_cast<double>(demand.arrived_total - state.last_arrived_total) / passed;
    rates.tokens_per_second = static_cast<double>(tokens - state.last_tokens_total) / passed;
  }
  state.last_arrived_total = demand.arrived_total;
  state.last_tokens_total = tokens;
  state.last_totals_at = in.now;
  return rates;
}

Reading read(const Input& in, const spec::MetricSpec& metric, std::size_t index, const Rates& rates,
             State& state) {
  const signal::Observation& seen = in.seen;
  Reading out;
  out.target = metric.target;
  if (!metric.signal) {
    if (index < seen.metrics.size()) out.signal = seen.metrics[index];
  } else {
    switch (*metric.signal) {
      case SignalName::kWaiting:
        out.signal = signal::waiting_requests(seen);
        break;
      case SignalName::kRunning:
        out.signal = running(seen);
        break;
      case SignalName::kInFlight:
        out.signal = signal::in_flight_requests(seen);
        break;
      case SignalName::kQueueTokens:
        out.signal = of_gateway(seen, static_cast<double>(seen.demand.queued_tokens));
        break;
      case SignalName::kKvUsage:
        out.signal = kv_usage(seen);
        out.extent = Extent::kMean;
        break;
      case SignalName::kTtftP99Seconds:
        out.signal = latency(seen, seen.ttft_p99_seconds);
        out.extent = Extent::kRatio;
        break;
      case SignalName::kItlP99Seconds:
        out.signal = latency(seen, seen.itl_p99_seconds);
        out.extent = Extent::kRatio;
        break;
      case SignalName::kRequestRate:
        out.signal = rate(in, rates.requests_per_second, index, state);
        break;
      case SignalName::kTokenRate:
        out.signal = rate(in, rates.tokens_per_second, index, state);
        break;
    }
  }
  if (metric.type == spec::MetricTarget::kValue) out.extent = Extent::kRatio;
  if (metric.type == spec::MetricTarget::kUtilization && out.extent == Extent::kTotal) {
    out.target = metric.target * mean_concurrency(in.model);
  }
  if (!(out.target > 0) || !(out.signal.value >= 0)) out.signal = {};  // NaN says nothing
  return out;
}

namespace {
bool within(double ratio, Tolerance tolerance) {
  return ratio >= 1 - tolerance.down && ratio <= 1 + tolerance.up;
}

std::int64_t from_total(const Reading& reading, Count count, Tolerance tolerance) {
  double asked = reading.signal.value / reading.target;
  if (count.current == 0) return whole_replicas(asked);
  double current = static_cast<double>(count.current);
  if (within(asked / current, tolerance)) return count.current;
  if (asked > current) return whole_replicas(asked);
  double missing =
      (1 - std::clamp(reading.signal.coverage, 0.0, 1.0)) * static_cast<double>(count.ready);
  return std::min(count.current, whole_replicas(asked + missing));
}

std::int64_t from_mean(const Reading& reading, Count count, Tolerance tolerance) {
  if (count.ready == 0) return count.current;
  double ready = static_cast<double>(count.ready), current = static_cast<double>(count.current);
  double heard = std::clamp(reading.signal.coverage, 0.0, 1.0) * ready;
  double ratio = reading.signal.value / reading.target;
  bool all_heard = heard >= ready && (ratio <= 1 || count.current <= count.ready);
  if (all_heard) {
    return within(ratio, tolerance) ? count.current : whole_replicas(ratio * ready);
  }
  // Not heard: at target on the way down, idle on the way up; not ready: idle on the way up.
  double over = ratio < 1 ? ready : std::max(ready, current);
  double filled = (ratio * heard + (ratio < 1 ? ready - heard : 0)) / over;
  bool turned = (ratio < 1 && filled > 1) || (ratio > 1 && filled < 1);
  if (within(filled, tolerance) || turned) return count.current;
  std::int64_t answer = whole_replicas(filled * over);
  bool against = filled < 1 ? answer > count.current : answer < count.current;
  return against ? count.current : answer;
}

std::int64_t from_ratio(const Reading& reading, Count count, Tolerance tolerance) {
  double ratio = reading.signal.value / reading.target;
  if (count.current == 0) return whole_replicas(ratio);
  if (within(ratio, tolerance)) return count.current;
  std::int64_t answer = whole_replicas(ratio * static_cast<double>(count.ready));
  return ratio > 1 ? std::max(answer, count.current) : std::min(answer, count.current);
}
}  // namespace

std::int64_t hpa_replicas(const Reading& reading, Count count, Tolerance tolerance) {
  switch (reading.extent) {
    case Extent::kTotal:
      return from_total(reading, count, tolerance);
    case Extent::kMean:
      return from_mean(reading, count, tolerance);
    case Extent::kRatio:
      return from_ratio(reading, count, tolerance);
  }
  return count.current;
}

Tolerance tolerance_of(const spec::Scaling& scaling) {
  return {scaling.scale_up.tolerance.value_or(0.1), scaling.scale_down.tolerance.value_or(0.1)};
}

std::vector<spec::MetricSpec> in_flight_metric(const spec::Model& model) {
  spec::MetricSpec metric;
  metric.signal = spec::SignalName::kInFlight;
  std::size_t cheapest = fill_order(model).front();
  metric.target = model.scaling.policy_knob.value_or(
      static_cast<double>(concurrency_target(model, model.variants[cheapest])) *
      model.scaling.target_utilization);
  return {metric};
}

const std::vector<spec::MetricSpec>& metrics_or(const spec::Model& model,
                                                const std::vector<spec::MetricSpec>& defaults) {
  return model.scaling.metrics.empty() ? defaults : model.scaling.metrics;
}

bool ask_metrics(const Input& in, const std::vector<spec::MetricSpec>& metrics, std::int64_t floor,
                 State& state, Draft& draft) {
  Rates rates = step_totals(in, state);
  Count count{draft.active(), draft.ready()};
  Tolerance tolerance = tolerance_of(in.model.scaling);
  bool any = false;
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    Reading reading = read(in, metrics[i], i, rates, state);
    if (!reading.signal.complete()) draft.incomplete();
    if (reading.signal.absent()) continue;
    std::int64_t answer = std::max(floor, hpa_replicas(reading, count, tolerance));
    std::vector<Evidence> evidence = {{"metric_index", static_cast<double>(i)},
                                      {"metric_value", reading.signal.value},
                                      {"metric_target", reading.target},
                                      {"asked_replicas", static_cast<double>(answer)}};
    bool kept = answer == count.current;
    ReasonCode code = any    ? ReasonCode::kMaxOfMetrics
                      : kept ? ReasonCode::kWithinTolerance
                             : ReasonCode::kMetric;
    draft.ask(code, any ? std::max(answer, draft.asked()) : answer, std::move(evidence));
    any = true;
  }
  return any;
}

}  // namespace tidegate::policy
