// schedule: the bounds in force now. A window's minReplicas and maxReplicas bind the sum over the
// variants and take the place of the spec's own, within each variant's maxReplicas, which is
// hardware. Several windows open at once: the largest minimum and the smallest maximum; the maximum
// wins.

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "core/plan/draft.h"
#include "core/policy/mix.h"
#include "core/spec/cron.h"

namespace tidegate::plan {

namespace {
struct Window {
  std::optional<std::int64_t> min, max;
};

Window open_window(const Context& context) {
  Window out;
  for (const spec::ScheduleWindow& window : context.model.scaling.schedule) {
    if (!spec::active(window, context.seen.wall)) continue;
    if (window.min_replicas) {
      out.min = std::max(out.min.value_or(0), window.min_replicas->value());
    }
    if (window.max_replicas) {
      out.max = std::min(out.max.value_or(std::numeric_limits<std::int64_t>::max()),
                         window.max_replicas->value());
    }
  }
  return out;
}

/// Shares a minimum for the sum out over the variants, the cheapest first.
void set_minimum(const Context& context, Draft& draft, std::int64_t min) {
  std::int64_t own = 0;
  for (const Bounds& bounds : draft.bounds) own += bounds.min;
  bool lower = min < own;
  if (lower) {
    for (Bounds& bounds : draft.bounds) bounds.min = 0;
    own = 0;
  }
  for (std::size_t i : policy::fill_order(context.model)) {
    Bounds& bounds = draft.bounds[i];
    std::int64_t more = std::clamp<std::int64_t>(min - own, 0, bounds.max - bounds.min);
    if (more > 0 || lower) bounds.min_code = ReasonCode::kSchedule;
    bounds.min += more;
    own += more;
  }
}

/// Shares a maximum for the sum out: the cheapest may fill theirs, the dearest get what is left.
void set_maximum(const Context& context, Draft& draft, std::int64_t max) {
  std::int64_t left = max;
  for (std::size_t i : policy::fill_order(context.model)) {
    Bounds& bounds = draft.bounds[i];
    std::int64_t floor = std::min(bounds.min, left);
    left -= floor;
    bounds.min = floor;
  }
  for (std::size_t i : policy::fill_order(context.model)) {
    Bounds& bounds = draft.bounds[i];
    std::int64_t room = std::min(bounds.max - bounds.min, left);
    if (bounds.min + room < bounds.max) bounds.max_code = ReasonCode::kSchedule;
    bounds.max = bounds.min + room;
    left -= room;
  }
}
}  // namespace

Draft schedule(const Context& context, Draft draft) {
  for (std::size_t i = 0; i < draft.bounds.size(); ++i) {
    const spec::Variant& variant = context.model.variants[i];
    draft.bounds[i].min = spec::min_replicas(context.model, variant).value();
    draft.bounds[i].max = variant.max_replicas.value();
    if (!variant.min_replicas) draft.bounds[i].min_code = ReasonCode::kEnvironmentFloor;
  }
  Window window = open_window(context);
  if (window.min) set_minimum(context, draft, *window.min);
  if (window.max) set_maximum(context, draft, *window.max);
  return draft;
}

std::vector<BoundsInForce> bounds_at(const spec::Model& model, WallTime wall) {
  signal::Observation seen;
  seen.wall = wall;
  Draft draft;
  draft.bounds.resize(model.variants.size());
  draft = schedule({model, seen, {}, {}, {}}, std::move(draft));
  std::vector<BoundsInForce> out;
  for (const Bounds& bounds : draft.bounds) out.push_back({bounds.min, bounds.max});
  return out;
}

}  // namespace tidegate::plan
