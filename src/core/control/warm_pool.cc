// Also the part of ReplicaBook that knows who is between serving and sleep.

#include "core/control/warm_pool.h"

#include <algorithm>

#include "core/control/controller.h"
#include "core/plan/memory.h"
#include "core/policy/mix.h"

namespace tidegate::control {

using plan::Rest;

void lend_to_pool(signal::Fleet& fleet, plan::Wanted wanted, Replicas falling) {
  const std::int64_t beyond = fleet.active().value() - wanted.awake;
  const std::int64_t lacks = wanted.asleep - (fleet.sleeping + falling).value();
  std::int64_t left = std::min(beyond, lacks);
  for (Replicas* count : {&fleet.ordered, &fleet.starting, &fleet.ready}) {
    if (left <= 0) return;
    const Replicas lent = std::min(*count, Replicas(left));
    *count -= lent;
    fleet.pooled += lent;
    left -= lent.value();
  }
}

Rest ReplicaBook::rest_after(const Entry& before, ReplicaState state) {
  if (state == ReplicaState::kSleeping) return Rest::kAsleep;
  bool slept = before.rest == Rest::kAsleep || before.rest == Rest::kWaking;
  if (is_booting(state)) return slept ? Rest::kWaking : Rest::kAwake;
  bool drains = state == ReplicaState::kDraining && before.told == Rest::kFallingAsleep;
  return drains ? Rest::kFallingAsleep : Rest::kAwake;
}

Rest ReplicaBook::rest_of(const Entry& entry, Instant now) {
  const bool ordered = entry.told != Rest::kAwake && now - entry.told_at < kToldLasts;
  return ordered ? entry.told : entry.rest;
}

plan::ReplicaRow ReplicaBook::row_of(const Entry& entry, Instant now) {
  plan::ReplicaRow row{.id = entry.id,
                       .variant = entry.variant,
                       .ready_since = entry.since,
                       .rest = rest_of(entry, now)};
  row.booting = is_booting(entry.state) && row.rest == Rest::kAwake ? 1 : 0;
  return row;
}

void ReplicaBook::told(ReplicaId id, Rest rest, Instant now) {
  auto entry = at(id);
  if (entry == entries_.end() || entry->id != id) return;
  entry->told = rest;
  entry->told_at = now;
  if (rest == Rest::kAwake && entry->state == ReplicaState::kDraining) entry->rest = rest;
}

bool ReplicaBook::falls_asleep(ReplicaId id) const {
  auto entry = std::lower_bound(entries_.begin(), entries_.end(), id,
                                [](const Entry& e, ReplicaId other) { return e.id < other; });
  return entry != entries_.end() && entry->id == id && entry->rest == Rest::kFallingAsleep;
}

std::int64_t ReplicaBook::alive(std::size_t variant) const {
  return std::count_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.variant == static_cast<std::int32_t>(variant) &&
           (is_active(entry.state) || entry.rest == Rest::kAsleep ||
            entry.rest == Rest::kFallingAsleep);
  });
}

Replicas ReplicaBook::as_told(std::size_t variant, signal::Fleet& fleet, Instant now) const {
  Replicas falling;
  for (const Entry& entry : entries_) {
    if (entry.variant != static_cast<std::int32_t>(variant)) continue;
    const Rest rest = rest_of(entry, now);
    if (rest == Rest::kFallingAsleep) falling += Replicas(1);
    if (rest == Rest::kFallingAsleep && entry.state == ReplicaState::kReady) {
      fleet.ready -= Replicas(1);
      fleet.draining += Replicas(1);
    } else if (rest == Rest::kWaking && entry.state == ReplicaState::kSleeping) {
      fleet.sleeping -= Replicas(1);
      fleet.starting += Replicas(1);
    }
  }
  return falling;
}

void Controller::order(const plan::Moves& moves, std::int64_t level, Instant now,
                       Actions& actions) {
  for (ReplicaId id : moves.wake) {
    replicas_.told(id, Rest::kWaking, now);
    actions.push_back(Wake{id});
  }
  for (ReplicaId id : moves.sleep) {
    replicas_.told(id, Rest::kFallingAsleep, now);
    actions.push_back(Sleep{id, level});
  }
}

void Controller::apply(std::size_t variant, Ledger::Number number, std::vector<ReplicaId> victims,
                       Instant now, Actions& actions) {
  for (ReplicaId id : victims) replicas_.told(id, Rest::kAwake, now);
  ledger_.sent(variant, number);
  actions.push_back(Apply{model_.variants[variant].name, Replicas(number.replicas),
                          std::move(victims), Replicas(number.asleep)});
}

/// By hand: as many awake as said, and asleep what was. While nothing else may act, the pool is not
/// refilled: nobody would put the new one to sleep.
void Controller::set_by_hand(std::size_t variant, std::int64_t awake, Instant now,
                             Actions& actions) {
  const spec::Variant& spec = model_.variants[variant];
  plan::VariantMemory& known = memory_.variants[variant];
  const auto index = static_cast<std::int32_t>(variant);
  const std::vector<plan::ReplicaRow> none;
  const std::vector<plan::ReplicaRow> rows = replicas_.rows(seen_ ? seen_->replicas : none, now);
  const std::int64_t active = policy::fleet_of(model_, observation(now), variant).active().value();
  plan::Wanted wanted{awake, std::min({known.asleep, spec.warm_pool.max_replicas.value(),
                                       spec.max_replicas.value() - awake})};
  plan::Moves moves = plan::choose_moves(rows, index, active, wanted);
  if (!mode_.acts()) {
    std::int64_t asleep = std::count_if(rows.begin(), rows.end(), [&](const auto& row) {
      return row.variant == index &&
             (row.rest == Rest::kAsleep || row.rest == Rest::kFallingAsleep);
    });
    asleep += static_cast<std::int64_t>(moves.sleep.size()) -
              static_cast<std::int64_t>(moves.wake.size());
    wanted.asleep = std::min(wanted.asleep, asleep);
    moves = plan::choose_moves(rows, index, active, wanted);
  }
  order(moves, spec::sleep_level(spec.warm_pool.state), now, actions);
  const Ledger::Number number{wanted.awake + wanted.asleep, wanted.asleep};
  if (ledger_.applied(variant) != number.replicas || ledger_.awake(variant) != wanted.awake) {
    apply(variant, number, std::move(moves.stop), now, actions);
  }
  plan::override_target(known, awake, now);
}

}  // namespace tidegate::control
