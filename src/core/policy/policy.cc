#include "core/policy/policy.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/policy/laws.h"
#include "core/policy/mix.h"

namespace tidegate::policy {

bool is_built(spec::PolicyKind kind) {
  switch (kind) {
    case spec::PolicyKind::kStatic:
    case spec::PolicyKind::kConcurrency:
    case spec::PolicyKind::kHpa:
    case spec::PolicyKind::kKeda:
    case spec::PolicyKind::kKpa:
    case spec::PolicyKind::kTargetTracking:
    case spec::PolicyKind::kSaturation:
    case spec::PolicyKind::kPlanner:
    case spec::PolicyKind::kTide:
      return true;
    case spec::PolicyKind::kOracle:
      return false;
  }
  return false;
}

std::string built_policies() {
  std::string names;
  for (std::size_t i = 0; i < std::size(EnumTokens<spec::PolicyKind>::kTokens); ++i) {
    auto kind = static_cast<spec::PolicyKind>(i);
    if (is_built(kind)) names += (names.empty() ? "" : ", ") + std::string(token(kind));
  }
  return names;
}

namespace {
std::pair<Recommendation, State> ask(const spec::Model& model, const signal::Observation& seen,
                                     State state, Instant now) {
  Input in{model, seen, now};
  switch (model.scaling.policy) {
    case spec::PolicyKind::kStatic:
      return decide_static(in);
    case spec::PolicyKind::kConcurrency:
      return decide_concurrency(in, std::move(state));
    case spec::PolicyKind::kHpa:
      return decide_hpa(in, std::move(state));
    case spec::PolicyKind::kKeda:
      return decide_keda(in, std::move(state));
    case spec::PolicyKind::kKpa:
      return decide_kpa(in, std::move(state));
    case spec::PolicyKind::kTargetTracking:
      return decide_target_tracking(in, std::move(state));
    case spec::PolicyKind::kSaturation:
      return decide_saturation(in, std::move(state));
    case spec::PolicyKind::kPlanner:
      return decide_planner(in, std::move(state));
    case spec::PolicyKind::kTide:
      return decide_tide(in, std::move(state));
    case spec::PolicyKind::kOracle:
      break;
  }
  Draft draft(model, seen);
  draft.hold(ReasonCode::kNoChange, {});
  return {std::move(draft).finish(), std::move(state)};
}
}  // namespace

std::pair<Recommendation, State> decide(const spec::Model& model, const signal::Observation& seen,
                                        State state, Instant now) {
  auto out = ask(model, seen, std::move(state), now);
  for (std::size_t i = 0; i < std::min(out.first.replicas.size(), model.variants.size()); ++i) {
    Replicas& asleep = out.first.replicas[i].asleep;
    asleep = std::max(asleep, model.variants[i].warm_pool.min_replicas);
  }
  return out;
}

State carried_over(const State& state) {
  State out;
  if (state.tide) out.tide = carried_over(*state.tide);
  return out;
}

bool gateway_known(const signal::Observation& seen) { return seen.gateway.complete(); }

void activate(const Input& in, Draft& draft) {
  if (draft.ready() > 0) return;
  signal::Signal waiting = signal::waiting_requests(in.seen);
  if (waiting.absent() || waiting.value <= 0) return;
  double in_flight = std::max(signal::in_flight_requests(in.seen).value, waiting.value);
  double need = in_flight / in.model.scaling.target_utilization;
  draft.at_least(ReasonCode::kActivation, std::max<std::int64_t>(1, replicas_for(in.model, need)),
                 {{"waiting_requests", waiting.value}, {"in_flight_requests", in_flight}});
}

void keep_last_without_gateway(const Input& in, Draft& draft) {
  if (gateway_known(in.seen)) return;
  if (draft.active() == 0) draft.incomplete();  // it was lost: nobody measures what comes
  if (draft.asked() > 0 || draft.active() == 0) return;
  draft.at_least(ReasonCode::kMissingData, 1, {{"gateway_coverage", in.seen.gateway.coverage}});
}

}  // namespace tidegate::policy
