// saturation: llm-d Workload Variant Autoscaler, V1 saturation analyzer (internal/saturation/
// analyzer.go, docs/user-guide/saturation-analyzer.md).
//
//   each 60 s (GLOBAL_OPT_INTERVAL), over the peaks of the last minute:
//   saturated    a replica with KV usage >= 0.80 or >= 5 requests in its queue
//   spare        limit - usage, mean over the replicas that are not saturated; 0 where all are
//   up           spare KV < 0.1 or spare queue < 3: one more of the cheapest variant
//   down         one less of the dearest that has more than one (and than its minReplicas), where
//                at least two are not saturated and their load on one fewer, x N / (N - 1), leaves
//                both spares at their triggers
//   in progress  nothing is decided while a replica of the model is on its way
//   zero         no request for 10 minutes; from zero to one replica at once
//
// "Queue" is the engine's own. Behind this gateway it is nearly empty, so each ready replica is
// given its share of what waits at the gateway: where a plain proxy would have put it. The knob
// (saturation:0.85) is the KV limit.

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/policy/laws.h"
#include "core/policy/mix.h"
#include "core/policy/recent.h"
#include "core/signal/aggregate.h"

namespace tidegate::policy {

namespace {
constexpr Duration kCycle = seconds(60);
constexpr Duration kPeakOver = seconds(60);
constexpr Duration kPeakStep = seconds(5);  ///< keeps the state small
constexpr Duration kRetention = seconds(600);
constexpr double kKvTrigger = 0.1;
constexpr double kQueueTrigger = 3;
constexpr double kRounding = 1e-9;  ///< 0.8 - 0.7 is less than 0.1

/// The model at one cycle; spares are 0 where every replica is saturated.
struct Analysis {
  double unsaturated = 0, spare_kv = 0, spare_queue = 0, gateway_share = 0;
  bool complete = true;
};

Analysis analyze(const Input& in, const SaturationState& state, double ready) {
  Analysis out;
  for (std::size_t i = 0; i < in.model.variants.size(); ++i) {
    const signal::VariantObservation* v = seen_of(in.model, in.seen, i);
    if (v == nullptr || v->fleet.ready.value() == 0) continue;
    out.complete = out.complete && v->unsaturated_replicas.complete();
    double count = v->unsaturated_replicas.value;
    out.unsaturated += count;
    out.spare_kv += count * v->spare_kv_usage.value;
    out.spare_queue += count * v->spare_waiting.value;
  }
  if (gateway_known(in.seen)) out.gateway_share = largest(state.queued, in.now, kPeakOver) / ready;
  if (out.unsaturated > 0) {
    out.spare_kv /= out.unsaturated;
    out.spare_queue = out.spare_queue / out.unsaturated - out.gateway_share;
  }
  if (out.spare_queue <= 0) out.unsaturated = out.spare_kv = out.spare_queue = 0;
  return out;
}

bool short_of_room(const Analysis& a) {
  return a.spare_kv < kKvTrigger - kRounding || a.spare_queue < kQueueTrigger - kRounding;
}

bool safe_with_one_fewer(const Analysis& a, const signal::SaturationRule& limit) {
  if (a.unsaturated < 2) return false;
  double more = a.unsaturated / (a.unsaturated - 1);
  double kv = limit.kv_usage - (limit.kv_usage - a.spare_kv) * more;
  double queue = limit.waiting_requests - (limit.waiting_requests - a.spare_queue) * more;
  return kv >= kKvTrigger - kRounding && queue >= kQueueTrigger - kRounding;
}

/// The variant `better` than all others among those `eligible`; none: the number of variants.
template <class Eligible, class Better>
std::size_t choose(const spec::Model& model, Eligible eligible, Better better) {
  std::size_t best = model.variants.size();
  for (std::size_t i = 0; i < model.variants.size(); ++i) {
    if (!eligible(i)) continue;
    if (best == model.variants.size() || better(model.variants[i], model.variants[best])) best = i;
  }
  return best;
}

auto price_of(const spec::Variant& v) { return std::pair(v.cost_per_hour_dollars, v.name); }

void run_cycle(const Input& in, SaturationState& state, Draft& draft) {
  Analysis a = analyze(in, state, static_cast<double>(std::max<std::int64_t>(1, draft.ready())));
  std::vector<std::int64_t> counts = draft.counts();
  std::vector<Evidence> evidence = {{"unsaturated_replicas", a.unsaturated},
                                    {"spare_kv_share", a.spare_kv},
                                    {"spare_queue_requests", a.spare_queue},
                                    {"gateway_queue_requests_per_replica", a.gateway_share}};
  if (draft.active() > draft.ready()) {
    draft.hold(ReasonCode::kScalingInProgress,
               {{"booting_replicas", static_cast<double>(draft.active() - draft.ready())}});
  } else if (!a.complete) {
    draft.incomplete();
    draft.hold(ReasonCode::kMissingData, {});
  } else if (gateway_known(in.seen) && in.now - state.last_arrival >= kRetention &&
             signal::in_flight_requests(in.seen).value <= 0) {
    std::fill(counts.begin(), counts.end(), 0);
    draft.repeat(ReasonCode::kNoTraffic, counts,
                 {{"no_request_for_seconds", to_seconds(in.now - state.last_arrival)}});
  } else if (short_of_room(a)) {
    std::size_t cheapest = choose(
        in.model,
        [&](std::size_t i) { return counts[i] < in.model.variants[i].max_replicas.value(); },
        [](const auto& one, const auto& other) { return price_of(one) < price_of(other); });
    if (cheapest < counts.size()) ++counts[cheapest];
    draft.repeat(ReasonCode::kSaturation, counts, std::move(evidence));
  } else if (safe_with_one_fewer(a, signal::saturation_rule(in.model.scaling))) {
    std::size_t dearest = choose(
        in.model,
        [&](std::size_t i) {
          const std::int64_t least = spec::min_replicas(in.model, in.model.variants[i]).value();
          return counts[i] > std::max<std::int64_t>(1, least);
        },
        [](const auto& one, const auto& other) { return price_of(one) > price_of(other); });
    if (dearest < counts.size()) --counts[dearest];
    draft.repeat(ReasonCode::kConsolidation, counts, std::move(evidence));
  } else {
    draft.hold(ReasonCode::kWithinTolerance, std::move(evidence));
  }
  state.answer = draft.counts();
  state.answer_complete = draft.complete() ? 1 : 0;
  state.last_cycle = in.now;
}

void observe(const Input& in, SaturationState& state) {
  if (gateway_known(in.seen)) {
    auto queued = static_cast<double>(in.seen.demand.queued_requests);
    if (state.queued.empty() || queued > state.queued.back().value ||
        in.now - state.queued.back().at >= kPeakStep) {
      note(state.queued, in.now, queued, kPeakOver);
    }
    if (in.seen.demand.arrived_total != state.arrived_total) state.last_arrival = in.now;
    state.arrived_total = in.seen.demand.arrived_total;
  } else {
    state.last_arrival = in.now;  // nobody counts: never a zero
  }
}
}  // namespace

Decided decide_saturation(const Input& in, State all) {
  if (!all.saturation) all.saturation.emplace();
  SaturationState& state = *all.saturation;
  Draft draft(in.model, in.seen);
  observe(in, state);
  signal::Signal flight = signal::in_flight_requests(in.seen);
  const bool wanted = !flight.absent() && flight.value > 0;
  const bool first = state.answer.size() != in.model.variants.size();
  if (draft.active() == 0) {
    std::int64_t before =
        std::accumulate(state.answer.begin(), state.answer.end(), std::int64_t{0});
    bool wake = wanted || (!first && before > 0);
    draft.ask(wake ? ReasonCode::kActivation : ReasonCode::kNoTraffic, wake ? 1 : 0,
              {{"in_flight_requests", flight.value}});
    state.answer = draft.counts();
    state.answer_complete = 1;
    state.last_cycle = in.now;
  } else if (first || in.now - state.last_cycle >= kCycle) {
    run_cycle(in, state, draft);
  } else {
    draft.repeat(ReasonCode::kNoChange, state.answer,
                 {{"since_cycle_seconds", to_seconds(in.now - state.last_cycle)}});
    if (wanted) draft.at_least(ReasonCode::kActivation, 1, {{"in_flight_requests", flight.value}});
    if (state.answer_complete == 0) draft.incomplete();
  }
  keep_last_without_gateway(in, draft);
  return {std::move(draft).finish(), std::move(all)};
}

}  // namespace tidegate::policy
