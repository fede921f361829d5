#include "core/control/controller.h"

#include <algorithm>
#include <utility>

#include "core/plan/memory.h"
#include "core/policy/mix.h"

namespace tidegate::control {

namespace {
Announce announce(ReasonCode code, std::string variant, std::int64_t before, std::int64_t after,
                  std::string detail) {
  return Announce{Reason{code, std::move(variant), before, after, {}}, std::move(detail)};
}
/// The spec's mode, unless the run before was told otherwise. Auto is no such word: only a spec
/// says it, so a spec that has turned to observe since (or a first start) is never overruled.
spec::Mode start_mode(const spec::Model& model, const Start& start) {
  return start.mode == spec::Mode::kAuto ? model.scaling.mode : start.mode;
}

/// Do replicas of this variant come and go by our word alone? Endpoints run already; of a
/// Kubernetes target the number itself is read, and a rollout makes pods beyond it.
bool ordered_by_us(const spec::Variant& variant) {
  return !std::holds_alternative<spec::EndpointsTarget>(variant.target) &&
         !std::holds_alternative<spec::KubernetesTarget>(variant.target);
}
}  // namespace

Controller::Controller(spec::Model model, std::uint64_t spec_hash, Start start)
    : model_(std::move(model)),
      spec_hash_(spec_hash),
      start_targets_(std::move(start.targets)),
      mode_(model_.scaling, start_mode(model_, start), start.timed_until, start.paused != 0),
      replicas_(model_, start.cold_starts),
      ledger_(model_.variants.size()),
      recorder_(start.next_sequence),
      policy_(std::move(start.policy)) {}

std::optional<std::size_t> Controller::find(const std::string& variant) const {
  for (std::size_t i = 0; i < model_.variants.size(); ++i) {
    if (model_.variants[i].name == variant) return i;
  }
  return std::nullopt;
}

std::vector<VariantStarts> Controller::measured_starts() const {
  std::vector<VariantStarts> out;
  for (std::size_t i = 0; i < model_.variants.size(); ++i) {
    const auto& kept = cold_starts(i).kept();
    if (!kept.empty()) out.push_back({model_.variants[i].name, kept});
  }
  return out;
}

void Controller::handle(const Event& event, Instant now, Actions& actions) {
  if (mode_.advance(now)) {
    actions.push_back(announce(ReasonCode::kTimedModeOver, "", 0, 0, "observing from here on"));
    recorder_.mark_changed();
    cadence_.request();
  }
  std::visit([&](const auto& one) { on(one, now, actions); }, event);
  if (now >= capacity_retry_ || (mode_.acts() && now >= ledger_.next_wake())) cadence_.request();
  if (now >= capacity_retry_) capacity_retry_ = Instant::never();
  if (seen_ && cadence_.due(now)) decide(now, actions);
}

Instant Controller::next_wake() const {
  Instant wake = std::min(mode_.next_wake(), capacity_retry_);
  if (!seen_) return wake;
  if (cadence_.pending()) return std::min(wake, cadence_.next_wake());
  return mode_.acts() ? std::min(wake, ledger_.next_wake()) : wake;
}

void Controller::on(const Observed& event, Instant now, Actions&) {
  seen_ = event;
  cadence_.observed(observation(now));
}

void Controller::on(const Tick&, Instant, Actions&) {}

/// The rates of now come again with the next observations; what took days to learn does not.
void Controller::on(const Taught& event, Instant, Actions&) {
  if (event.learned.tide && model_.scaling.policy == spec::PolicyKind::kTide) {
    policy_.tide = policy::carried_over(event.learned).tide;
  }
  replicas_.remember(event.cold_starts);
}

void Controller::on(const ReplicaChanged& event, Instant now, Actions& actions) {
  std::optional<ReplicaState> before = replicas_.change(event, now);
  std::optional<std::size_t> variant = find(event.variant);
  if (!before || !variant) return;
  std::int64_t active = replicas_.alive(*variant);
  bool counts = is_active(event.state) || event.state == ReplicaState::kSleeping;
  bool appeared = *before == ReplicaState::kGone && counts;
  bool leaves = (is_active(*before) || *before == ReplicaState::kSleeping) &&
                event.state == ReplicaState::kDraining && !replicas_.falls_asleep(event.id);
  bool ours = ordered_by_us(model_.variants[*variant]);
  if (event.adopted != 0 && appeared) {
    actions.push_back(announce(ReasonCode::kAdopted, event.variant, active - 1, active,
                               "replica " + std::to_string(event.id.value())));
    // Found after recommendations were made without it: nobody has asked for less yet.
    bool unforeseen =
        shadow_ && *variant < memory_.variants.size() && memory_.variants[*variant].target < active;
    if (unforeseen) plan::override_target(memory_.variants[*variant], active, now);
  } else if (ours && ((appeared && ledger_.too_many(*variant, active, surge_)) ||
                      (leaves && ledger_.too_few(*variant, active)))) {
    foreign(*variant, active, now, actions);
  }
  cadence_.request();
}

void Controller::on(const CapacityFailed& event, Instant now, Actions& actions) {
  std::optional<std::size_t> variant = find(event.variant);
  if (!variant) return;
  remember_targets(observation(now), now);
  plan::VariantMemory& known = memory_.variants[*variant];
  bool news = now >= known.capacity_failed_until || known.capacity_limit != event.limit;
  plan::capacity_failed(known, event.limit, now + event.retry_after);
  capacity_retry_ = std::min(capacity_retry_, known.capacity_failed_until);
  std::int64_t target = known.target;
  std::int64_t after = event.limit >= 0 ? std::min(target, event.limit) : target;
  if (news) {
    actions.push_back(
        announce(ReasonCode::kCapacityFailed, event.variant, target, after, event.detail));
  }
  cadence_.request();
}

void Controller::set_model(spec::Model model, std::uint64_t spec_hash) {
  std::vector<std::optional<std::size_t>> from;
  for (const spec::Variant& variant : model.variants) from.push_back(find(variant.name));
  plan::Memory memory;
  if (!memory_.variants.empty()) {
    for (std::optional<std::size_t> old : from) {
      memory.variants.push_back(old ? memory_.variants[*old] : plan::VariantMemory{});
    }
  }
  for (std::size_t i = 0; i < model_.variants.size(); ++i) {
    if (std::find(from.begin(), from.end(), i) == from.end() &&
        ledger_.applied(i).value_or(0) > 0) {
      removed_.emplace_back(model_.variants[i].name, *ledger_.applied(i));
    }
  }
  bool same_law = model.scaling.policy == model_.scaling.policy &&
                  model.scaling.metrics == model_.scaling.metrics &&
                  from.size() == model_.variants.size();
  // What a policy remembers is by the variant's place.
  for (std::size_t i = 0; i < from.size(); ++i) same_law = same_law && from[i].value_or(i) == i;
  if (!same_law) policy_ = {};
  memory_ = std::move(memory);
  ledger_.remap(from);
  replicas_.set_model(model);
  model_ = std::move(model);
  spec_hash_ = spec_hash;
  plan_ = {};
}

void Controller::on(const SpecChanged&, Instant now, Actions& actions) {
  mode_.follow(model_.scaling, now);
  surge_ = 1;
  for (auto& [variant, replicas] : removed_) {
    if (!mode_.acts()) break;
    actions.push_back(Apply{variant, Replicas(0), {}});
    actions.push_back(announce(ReasonCode::kSpecChanged, variant, replicas, 0,
                               "the spec has no such variant any more"));
  }
  removed_.clear();
  actions.push_back(announce(ReasonCode::kSpecChanged, "", 0, 0, "decides by the new spec"));
  recorder_.mark_changed();
  cadence_.request_urgently();
}

void Controller::on(const LeadershipChanged& event, Instant, Actions& actions) {
  bool leads = event.leader != 0;
  if (leads == mode_.leader()) return;
  mode_.set_leader(leads);
  actions.push_back(announce(leads ? ReasonCode::kAdopted : ReasonCode::kNotLeader, "", 0, 0,
                             leads ? "this controller leads" : "another controller leads"));
  recorder_.mark_changed();
  cadence_.request_urgently();
}

void Controller::on(const Applied& event, Instant now, Actions& actions) {
  std::optional<std::size_t> variant = find(event.variant);
  if (!variant) return;
  std::int64_t target = ledger_.applied(*variant).value_or(event.replicas);
  switch (ledger_.answered(*variant, event.replicas, event.ok != 0, now)) {
    case Ledger::Verdict::kOurs:
      return;
    case Ledger::Verdict::kForeign:
      return foreign(*variant, event.replicas, now, actions);
    case Ledger::Verdict::kRefused:
      actions.push_back(
          announce(ReasonCode::kRefused, event.variant, target, event.replicas, event.detail));
  }
}

void Controller::foreign(std::size_t variant, std::int64_t replicas, Instant now,
                         Actions& actions) {
  const std::string& name = model_.variants[variant].name;
  remember_targets(observation(now), now);
  plan::VariantMemory& known = memory_.variants[variant];
  const std::int64_t asleep = std::min(known.asleep, replicas), awake = replicas - asleep;
  std::int64_t before = ledger_.awake(variant).value_or(awake);
  ledger_.taken_over(variant, {replicas, asleep});
  plan::override_target(known, awake, now);
  notes_.push_back(Reason{ReasonCode::kForeignWrite, name, before, awake, {}});
  actions.push_back(announce(ReasonCode::kForeignWrite, name, before, awake, ""));
  recorder_.mark_changed();
  cadence_.request();
}

void Controller::on(const OperatorSaid& event, Instant now, Actions& actions) {
  switch (event.said) {
    case Said::kScale:
      scale(event, now, actions);
      break;
    case Said::kPause:
      mode_.pause();
      actions.push_back(announce(ReasonCode::kPaused, "", 0, 0, "until resumed"));
      break;
    case Said::kResume:
      mode_.resume(event.lasting, now);
      actions.push_back(announce(ReasonCode::kOperator, "", 0, 0,
                                 "resumed, mode " + std::string(token(mode_.mode()))));
      break;
  }
  recorder_.mark_changed();
  cadence_.request_urgently();
}

void Controller::scale(const OperatorSaid& said, Instant now, Actions& actions) {
  std::optional<std::size_t> variant = said.variant.empty() ? 0 : find(said.variant);
  if (!variant || model_.variants.empty()) {
    actions.push_back(announce(ReasonCode::kNoChange, said.variant, 0, 0, "no such variant"));
    return;
  }
  const spec::Variant& spec = model_.variants[*variant];
  remember_targets(observation(now), now);
  std::int64_t before = ledger_.awake(*variant).value_or(memory_.variants[*variant].target);
  if (!mode_.leader()) {
    actions.push_back(announce(ReasonCode::kNotLeader, spec.name, before, before, "not scaled"));
    return;
  }
  // What is set by hand is told once, also where nothing was told before.
  if (mode_.acts()) leave_shadow(observation(now), now);
  std::int64_t most = spec.max_replicas.value();
  std::int64_t wanted = std::clamp<std::int64_t>(said.replicas, 0, most);
  set_by_hand(*variant, wanted, now, actions);
  notes_.push_back(Reason{ReasonCode::kOperator, spec.name, before, wanted, {}});
  std::string detail = wanted == said.replicas ? std::string()
                                               : "asked for " + std::to_string(said.replicas) +
                                                     ", within [0, " + std::to_string(most) + "]";
  actions.push_back(announce(ReasonCode::kOperator, spec.name, before, wanted, std::move(detail)));
}

View Controller::view() const {
  View view;
  view.mode = mode_.mode();
  view.paused = mode_.paused();
  view.leader = mode_.leader();
  view.timed_until = mode_.timed_until();
  view.reasons = reasons_;
  for (std::size_t i = 0; i < model_.variants.size(); ++i) {
    policy::VariantReplicas desired{model_.variants[i].name, Replicas(0)};
    if (i < plan_.variants.size()) {
      desired.replicas = plan_.variants[i].replicas;
      desired.asleep = plan_.variants[i].asleep;
    } else if (i < memory_.variants.size()) {
      desired.replicas = Replicas(memory_.variants[i].target);
      desired.asleep = Replicas(memory_.variants[i].asleep);
    } else {
      for (const policy::VariantReplicas& known : start_targets_) {
        if (known.variant == desired.variant) desired = known;
      }
    }
    view.desired.push_back(std::move(desired));
  }
  return view;
}

}  // namespace tidegate::control
