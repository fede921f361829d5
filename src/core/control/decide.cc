// One decision of the controller: what it sees, policy and plan, what is applied, what is recorded.

#include <algorithm>
#include <utility>

#include "core/control/controller.h"
#include "core/control/warm_pool.h"
#include "core/plan/memory.h"
#include "core/policy/lead_time.h"
#include "core/policy/mix.h"

namespace tidegate::control {

namespace {
/// An observation older than this is stale, whatever it says of itself: it may raise, never lower.
constexpr Duration kObservationLasts = seconds(5);

void make_stale(signal::Signal& signal) {
  signal.freshness = std::min(signal.freshness, signal::Freshness::kStale);
}

void age(signal::Observation& seen, Instant now) {
  if (now - seen.at <= kObservationLasts) return;
  make_stale(seen.gateway);
  make_stale(seen.ttft_p99_seconds);
  make_stale(seen.itl_p99_seconds);
  for (signal::Signal& metric : seen.metrics) make_stale(metric);
  for (signal::VariantObservation& variant : seen.variants) {
    for (signal::Signal* signal :
         {&variant.running_requests, &variant.engine_waiting_requests, &variant.kv_usage,
          &variant.kv_usage_max, &variant.preemptions_per_second, &variant.prompt_tokens_per_second,
          &variant.output_tokens_per_second}) {
      make_stale(*signal);
    }
  }
}

/// The last reason that moved this variant's number: what people should hear.
Reason binding(const Decision& decision, const std::string& variant, std::int64_t before,
               std::int64_t after) {
  Reason out{ReasonCode::kNoChange, variant, before, after, {}};
  for (const Reason& reason : decision.reasons) {
    if (reason.variant != variant || (reason.before == reason.after && !out.evidence.empty())) {
      continue;
    }
    out.code = reason.code;
    out.evidence = reason.evidence;
  }
  return out;
}
}  // namespace

signal::Observation Controller::observation(Instant now) const {
  signal::Observation seen = seen_ ? seen_->observation : signal::Observation{};
  if (seen_) age(seen, now);
  for (std::size_t i = 0; i < model_.variants.size(); ++i) {
    const std::string& name = model_.variants[i].name;
    auto one = std::find_if(seen.variants.begin(), seen.variants.end(),
                            [&](const auto& variant) { return variant.variant == name; });
    if (one == seen.variants.end()) {
      if (!replicas_.heard(i)) continue;
      one = seen.variants.insert(seen.variants.end(), signal::VariantObservation{});
      one->variant = name;
    }
    replicas_.tell(i, *one);
    if (auto deadline = policy::start_deadline(model_.variants[i], *one); deadline) {
      one->overdue = replicas_.overdue(i, *deadline, now);
    }
    if (shadow_ || i >= memory_.variants.size() || !replicas_.heard(i)) continue;
    const plan::VariantMemory& known = memory_.variants[i];
    const Replicas falling = replicas_.as_told(i, one->fleet, now);
    lend_to_pool(one->fleet, {known.target, known.asleep}, falling);
  }
  return seen;
}

void Controller::remember_targets(const signal::Observation& seen, Instant now) {
  bool known = memory_.variants.size() == model_.variants.size();
  if (known) return;
  memory_.variants.assign(model_.variants.size(), {});
  for (std::size_t i = 0; i < model_.variants.size(); ++i) {
    std::int64_t target = policy::fleet_of(model_, seen, i).active().value();
    for (const policy::VariantReplicas& start : start_targets_) {
      if (start.variant != model_.variants[i].name) continue;
      target = start.replicas.value();
      memory_.variants[i].asleep = start.asleep.value();
    }
    memory_.variants[i].target = target;
    plan::override_target(memory_.variants[i], target, now);
  }
}

/// Targets of recommendations nobody applied: go on from what there is.
void Controller::leave_shadow(const signal::Observation& seen, Instant now) {
  if (!shadow_) return;
  for (std::size_t i = 0; i < model_.variants.size(); ++i) {
    std::int64_t active = policy::fleet_of(model_, seen, i).active().value();
    plan::override_target(memory_.variants[i], active, now);
    memory_.variants[i].asleep = 0;
  }
  ledger_.forget();
  shadow_ = false;
}

/// Once for each start that is past its deadline.
void Controller::announce_overdue(const signal::Observation& seen, Actions& actions) {
  std::map<std::string, std::int64_t> before = std::exchange(overdue_, {});
  for (std::size_t i = 0; i < model_.variants.size(); ++i) {
    const signal::VariantObservation* one = policy::seen_of(model_, seen, i);
    if (one == nullptr || one->overdue <= 0) continue;
    overdue_[one->variant] = one->overdue;
    if (one->overdue <= before[one->variant]) continue;
    const auto deadline = policy::start_deadline(model_.variants[i], *one);
    const std::int64_t target = memory_.variants[i].target;
    actions.push_back(Announce{
        Reason{ReasonCode::kCapacityFailed, one->variant, target, target, {}},
        std::to_string(one->overdue) + " not ready after " +
            std::to_string(deadline.value_or(Duration(0)) / seconds(1)) +
            " s, twice what nine starts in ten take; they are waited for, and not counted on"});
  }
}

void Controller::decide(Instant now, Actions& actions) {
  Decision decision;
  decision.observation = observation(now);
  remember_targets(decision.observation, now);
  announce_overdue(decision.observation, actions);
  bool acts = mode_.acts();
  if (acts) leave_shadow(decision.observation, now);
  decision.at = now;
  decision.wall = decision.observation.wall;
  decision.version = kDecisionVersion;
  decision.spec_hash = spec_hash_;
  decision.replicas = replicas_.rows(seen_->replicas, now);
  decision.policy_before = policy_;
  decision.plan_before = memory_;
  decision.applied = acts ? 1 : 0;
  std::tie(decision.recommendation, policy_) =
      policy::decide(model_, decision.observation, std::move(policy_), now);
  auto [plan, memory] = plan::run(model_, decision.observation, decision.recommendation,
                                  decision.replicas, memory_, now);
  plan_ = plan;
  decision.plan = std::move(plan);
  decision.reasons = decision.recommendation.reasons;
  decision.reasons.insert(decision.reasons.end(), decision.plan.reasons.begin(),
                          decision.plan.reasons.end());
  std::int64_t total = 0;
  bool chosen = false;
  for (const plan::VariantPlan& variant : decision.plan.variants) {
    total += variant.replicas.value();
    chosen = chosen || !(variant.victims.empty() && variant.wake.empty() && variant.sleep.empty());
  }
  // Nobody was chosen from them: the record need not hold them.
  if (!chosen) decision.replicas.clear();
  // Control's own reasons speak of the model as a whole, so that each variant's chain ends with its
  // plan.
  for (const Reason& note : notes_) {
    decision.reasons.push_back(
        Reason{note.code, "", total, total, {{"told_replicas", static_cast<double>(note.after)}}});
  }
  notes_.clear();
  if (std::optional<ReasonCode> why = mode_.why_not()) {
    decision.reasons.push_back(Reason{*why, "", total, total, {}});
    keep_unapplied(std::move(memory));
  } else {
    memory_ = std::move(memory);
    shadow_ = false;
    if (apply(decision, now, actions)) recorder_.mark_changed();
  }
  reasons_ = decision.reasons;
  cadence_.decided(decision.observation, now);
  recorder_.decided(std::move(decision), now, actions);
}

/// Applies what is news to the actuator; true where anything was.
bool Controller::apply(const Decision& decision, Instant now, Actions& actions) {
  bool any = false;
  for (std::size_t i = 0; i < decision.plan.variants.size(); ++i) {
    const plan::VariantPlan& variant = decision.plan.variants[i];
    std::int64_t wanted = variant.replicas.value();
    order({variant.wake, variant.sleep, {}}, spec::sleep_level(model_.variants[i].warm_pool.state),
          now, actions);
    any = any || !variant.wake.empty() || !variant.sleep.empty();
    const Ledger::Number number{wanted + variant.asleep.value(), variant.asleep.value()};
    if (!ledger_.wants(i, number, now)) continue;
    std::int64_t before = ledger_.awake(i).value_or(decision.plan_before.variants[i].target);
    apply(i, number, variant.victims, now, actions);
    if (before != wanted) {
      actions.push_back(Announce{binding(decision, variant.variant, before, wanted), ""});
    }
    any = true;
  }
  return any;
}

/// Paused: what was applied stays the target. Observing: the plan is followed as though it were
/// applied.
void Controller::keep_unapplied(plan::Memory next) {
  bool paused = mode_.paused() && mode_.leader();
  for (std::size_t i = 0; paused && i < next.variants.size(); ++i) {
    next.variants[i].target = memory_.variants[i].target;
    next.variants[i].asleep = memory_.variants[i].asleep;
    next.variants[i].scale_events = std::move(memory_.variants[i].scale_events);
  }
  shadow_ = shadow_ || !paused;
  memory_ = std::move(next);
}

std::pair<policy::Recommendation, plan::Plan> rerun(const spec::Model& model,
                                                    const Decision& decision) {
  policy::Recommendation recommended =
      policy::decide(model, decision.observation, decision.policy_before, decision.at).first;
  plan::Plan planned = plan::run(model, decision.observation, recommended, decision.replicas,
                                 decision.plan_before, decision.at)
                           .first;
  return {std::move(recommended), std::move(planned)};
}

}  // namespace tidegate::control
