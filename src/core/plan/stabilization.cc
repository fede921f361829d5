// stabilization: as HPA v2, up only to the smallest and down only to the largest recommendation of
// the window in force, never past the target. One rule and one window a direction:
//
//   down  behavior.scaleDown.stabilizationWindow where given, else scaleDownDelay
//   up    behavior.scaleUp.stabilizationWindow, else none
//
// Under tide, which orders more than it needs so that enough is ready sooner, the delay is for what
// is ready: once that has sufficed for every recommendation of `window`, what is still on its way
// goes.
//
// What is remembered is the recommendation itself, never what the stages made of it (kthena #1644),
// so a hold cannot prolong itself. At first the target counts as just recommended: a restart waits,
// too.

#include <algorithm>

#include "core/plan/draft.h"
#include "core/policy/recent.h"

namespace tidegate::plan {

namespace {
/// What is held at most: nothing that is not ready, where what is ready has been enough for a
/// while.
std::int64_t not_cancelled(const Context& context, const Draft& draft, std::size_t i) {
  const std::int64_t all = draft.memory.variants[i].target;
  if (context.model.scaling.policy != spec::PolicyKind::kTide) return all;
  const auto wanted = static_cast<std::int64_t>(
      policy::largest(draft.memory.variants[i].highs, context.now, context.model.scaling.window));
  const std::int64_t ready = draft.fleets[i].ready.value();
  return ready >= wanted ? std::min(ready, all) : all;
}

void hold_down(const Context& context, Draft& draft, std::size_t i, Duration window) {
  VariantMemory& known = draft.memory.variants[i];
  std::int64_t wanted = draft.replicas[i];
  if (known.highs.empty()) {
    policy::note(known.highs, context.now, static_cast<double>(known.target), window);
  }
  policy::note(known.highs, context.now, static_cast<double>(wanted), window);
  if (wanted >= known.target) {
    known.lower_since = Instant::never();
    return;
  }
  if (known.lower_since.is_never()) known.lower_since = context.now;
  auto high = static_cast<std::int64_t>(policy::largest(known.highs, context.now, window));
  bool given = context.model.scaling.scale_down.stabilization_window.has_value();
  std::int64_t most = given ? known.target : not_cancelled(context, draft, i);
  std::int64_t held = std::max(wanted, std::min(most, high));
  if (held == wanted) return;
  set(context, draft, i, given ? ReasonCode::kStabilization : ReasonCode::kScaleDownDelay, held,
      {{"window_seconds", to_seconds(window)},
       {"lower_for_seconds", to_seconds(context.now - known.lower_since)},
       {"highest_recommended_replicas", static_cast<double>(high)}});
}

void hold_up(const Context& context, Draft& draft, std::size_t i, Duration window) {
  VariantMemory& known = draft.memory.variants[i];
  std::int64_t wanted = draft.replicas[i];
  policy::note(known.lows, context.now, -static_cast<double>(wanted), window);
  if (wanted <= known.target) return;
  auto low = static_cast<std::int64_t>(-policy::largest(known.lows, context.now, window));
  std::int64_t held = std::max(known.target, std::min(wanted, low));
  if (held == wanted) return;
  set(context, draft, i, ReasonCode::kStabilization, held,
      {{"window_seconds", to_seconds(window)},
       {"lowest_recommended_replicas", static_cast<double>(low)}});
}
}  // namespace

Draft stabilization(const Context& context, Draft draft) {
  const spec::Scaling& scaling = context.model.scaling;
  Duration down = scaling.scale_down.stabilization_window.value_or(spec::scale_down_delay(scaling));
  Duration up = scaling.scale_up.stabilization_window.value_or(Duration(0));
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    if (up > Duration(0)) hold_up(context, draft, i, up);
    if (down > Duration(0)) hold_down(context, draft, i, down);
  }
  return draft;
}

}  // namespace tidegate::plan
