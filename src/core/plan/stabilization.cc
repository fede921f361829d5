// stabilization: as HPA v2, up only to the smallest and down only to the largest recommendation of
// the window in force, never past the target. One rule and one window a direction:
//
//   down  behavior.scaleDown.stabilizationWindow where given, else scaleDownDelay
//   up    behavior.scaleUp.stabilizationWindow, else none
//
// Under tide, which orders more than it needs so that enough is ready sooner, the delay is for what
// is ready: of what is still on its way only as much stays as was recommended within a while. The
// while is learned, from `window` to the delay.
//
// What is remembered is the recommendation itself, never what the stages made of it (kthena #1644),
// so a hold cannot prolong itself. At first the target counts as just recommended: a restart waits,
// too.

#include <algorithm>

#include "core/plan/draft.h"
#include "core/policy/recent.h"

namespace tidegate::plan {

namespace {
/// A surplus of a share of the target up to this is not worth a change.
constexpr double kSmallSurplus = 0.1;

/// Of the target, what is ready or was recommended within the last `window`: no more is of use.
std::int64_t of_use(const Context& context, const Draft& draft, std::size_t i, Duration window) {
  const VariantMemory& known = draft.memory.variants[i];
  const auto high = static_cast<std::int64_t>(policy::largest(known.highs, context.now, window));
  const std::int64_t used = std::max(draft.fleets[i].ready.value(), high);
  const auto target = static_cast<double>(known.target);
  return target - static_cast<double>(used) <= kSmallSurplus * target ? known.target : used;
}

/// What is on its way and of no use for a `window` is a surplus. Half of it is wanted again within
/// the delay: from now on it is waited for twice as long. It is not: half as long.
void learn_surplus(const Context& context, const Draft& draft, std::size_t i, Duration delay,
                   VariantMemory& known) {
  const Duration window = context.model.scaling.window;
  if (known.cancel_after <= Duration(0)) known.cancel_after = delay * 2 / 5;
  if (!known.surplus_at.is_never()) {
    const bool wanted = 2 * draft.replicas[i] > known.surplus_from + known.surplus_to;
    if (!wanted && context.now - known.surplus_at <= delay) return;
    known.cancel_after = wanted ? known.cancel_after * 2 : known.cancel_after / 2;
    known.surplus_at = Instant::never();
  }
  known.cancel_after = std::clamp(known.cancel_after, window, std::max(window, delay));
  const std::int64_t kept = of_use(context, draft, i, window);
  if (kept == known.target) return;
  known.surplus_at = context.now;
  known.surplus_from = known.target;
  known.surplus_to = kept;
}

void hold_down(const Context& context, Draft& draft, std::size_t i, Duration window) {
  VariantMemory& known = draft.memory.variants[i];
  std::int64_t wanted = draft.replicas[i];
  if (known.highs.empty()) {
    policy::note(known.highs, context.now, static_cast<double>(known.target), window);
  }
  policy::note(known.highs, context.now, static_cast<double>(wanted), window);
  bool given = context.model.scaling.scale_down.stabilization_window.has_value();
  bool cancels = context.model.scaling.policy == spec::PolicyKind::kTide && !given;
  if (cancels) learn_surplus(context, draft, i, window, known);
  if (wanted >= known.target) {
    known.lower_since = Instant::never();
    return;
  }
  if (known.lower_since.is_never()) known.lower_since = context.now;
  auto high = static_cast<std::int64_t>(policy::largest(known.highs, context.now, window));
  std::int64_t most = cancels ? of_use(context, draft, i, known.cancel_after) : known.target;
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
