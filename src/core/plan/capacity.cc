// capacity: what was ordered is not there yet. Where it failed to come, ask no more than there is
// until the retry; where a start is overdue, leave it, and count on it no more. Either way the
// shortfall is offered to the next variants, the cheapest first, by the requests a replica holds.
// And what is ready stays until what is to take its place is.
//
// Never below what is ready, nor below the minimum. What another variant takes over or keeps counts
// as recommended for it: it goes back through scaleDownDelay, so a retry that fails again does not
// make both flap, nor does a moment without requests.

#include <algorithm>

#include "core/plan/draft.h"
#include "core/policy/mix.h"
#include "core/policy/recent.h"

namespace tidegate::plan {

namespace {
double worth(const Context& context, std::size_t i) {
  return static_cast<double>(policy::concurrency_target(context.model, context.model.variants[i]));
}

/// What it is wanted for, as far as the stages before let it through; not what they hold.
std::int64_t wanted(const Draft& draft, std::size_t i) {
  return std::min(std::max(draft.wanted[i], draft.bounds[i].min), draft.replicas[i]);
}

/// Requests that all are wanted for: a minimum is as good as what was recommended elsewhere.
double wanted(const Context& context, const Draft& draft) {
  double recommended = 0, least = 0;
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    const double each = worth(context, i);
    recommended += static_cast<double>(std::min(draft.wanted[i], draft.replicas[i])) * each;
    least += static_cast<double>(draft.bounds[i].min) * each;
  }
  return std::max(recommended, least);
}

bool failed(const Context& context, const Draft& draft, std::size_t i) {
  return draft.memory.variants[i].capacity_failed_until > context.now;
}

/// Then nobody need make up for who is late: a minimum may want the very device another holds.
bool nothing_to_do(const Context& context) {
  const signal::Signal busy = signal::in_flight_requests(context.seen);
  return busy.complete() && busy.value <= 0;
}

std::int64_t overdue(const Context& context, std::size_t i) {
  if (nothing_to_do(context)) return 0;
  const signal::VariantObservation* seen = policy::seen_of(context.model, context.seen, i);
  return seen == nullptr ? 0 : std::max<std::int64_t>(0, seen->overdue);
}

bool comes_short(const Context& context, const Draft& draft, std::size_t i) {
  return failed(context, draft, i) || overdue(context, i) > 0;
}

/// No more is asked for than there is; where nobody knows how much, than before. How many of those
/// wanted come.
std::int64_t cut(const Context& context, Draft& draft, std::size_t i) {
  const VariantMemory& known = draft.memory.variants[i];
  const std::int64_t ready = draft.fleets[i].ready.value(), needed = wanted(draft, i);
  const bool known_limit = known.capacity_limit >= 0;
  const std::int64_t limit = known_limit ? known.capacity_limit : known.target;
  const std::int64_t most = std::max({limit, ready, draft.bounds[i].min});
  if (draft.replicas[i] > most) {
    set(context, draft, i, ReasonCode::kCapacityFailed, most,
        {{"limit_replicas", static_cast<double>(known.capacity_limit)},
         {"ready_replicas", static_cast<double>(ready)},
         {"retry_in_seconds", to_seconds(known.capacity_failed_until - context.now)}});
  }
  return std::min(needed, known_limit ? most : ready);
}

/// How many of those wanted come: not those overdue.
std::int64_t in_time(const Context& context, Draft& draft, std::size_t i) {
  const std::int64_t ready = draft.fleets[i].ready.value(), needed = wanted(draft, i);
  const std::int64_t late =
      std::min(overdue(context, i), std::max<std::int64_t>(0, needed - ready));
  if (late > 0) {
    set(context, draft, i, ReasonCode::kCapacityFailed, draft.replicas[i],
        {{"overdue_replicas", static_cast<double>(late)},
         {"ready_replicas", static_cast<double>(ready)}});
  }
  return needed - late;
}

Duration delay(const Context& context) {
  return context.model.scaling.scale_down.stabilization_window.value_or(
      spec::scale_down_delay(context.model.scaling));
}

/// Variants whose starts come take over what others would have held; with what they have beyond
/// their own share first, such as what they took over a moment ago.
void take_over(const Context& context, Draft& draft, double requests) {
  for (std::size_t i : policy::fill_order(context.model)) {
    if (requests <= 0) return;
    if (comes_short(context, draft, i)) continue;
    const double each = worth(context, i);
    const std::int64_t own = wanted(draft, i);
    const std::int64_t room = std::max<std::int64_t>(0, draft.bounds[i].max - own);
    const std::int64_t more = std::min(policy::whole_replicas(requests / each), room);
    if (more == 0) continue;
    set(context, draft, i, ReasonCode::kCapacityFailed, std::max(draft.replicas[i], own + more),
        {{"taken_over_requests", requests}});
    policy::note(draft.memory.variants[i].highs, context.now, static_cast<double>(own + more),
                 delay(context));
    requests -= static_cast<double>(more) * each;
  }
}

/// Until as much is ready as holds `requests`, what is ready stays: the cheapest of it.
void hand_over(const Context& context, Draft& draft, double requests) {
  double missing = requests;
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    missing -= static_cast<double>(std::min(draft.fleets[i].ready.value(), draft.replicas[i])) *
               worth(context, i);
  }
  for (std::size_t i : policy::fill_order(context.model)) {
    if (missing <= 0) return;
    const std::int64_t most = std::min(draft.fleets[i].ready.value(), draft.bounds[i].max);
    const std::int64_t spare = std::max<std::int64_t>(0, most - draft.replicas[i]);
    const double each = worth(context, i);
    const std::int64_t kept = std::min(spare, policy::whole_replicas(missing / each));
    if (kept == 0) continue;
    set(context, draft, i, ReasonCode::kHandover, draft.replicas[i] + kept,
        {{"not_ready_requests", missing}});
    policy::note(draft.memory.variants[i].highs, context.now,
                 static_cast<double>(draft.replicas[i]), delay(context));
    missing -= static_cast<double>(kept) * each;
  }
}
}  // namespace

Draft capacity(const Context& context, Draft draft) {
  const double needed = wanted(context, draft);
  double comes = 0;
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    const std::int64_t own =
        failed(context, draft, i) ? cut(context, draft, i) : in_time(context, draft, i);
    comes += static_cast<double>(own) * worth(context, i);
  }
  take_over(context, draft, needed - comes);
  if (!nothing_to_do(context)) hand_over(context, draft, needed);
  return draft;
}

}  // namespace tidegate::plan
