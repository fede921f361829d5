#include "core/control/replicas.h"

#include <algorithm>

namespace tidegate::control {

Replicas* count_of(signal::Fleet& fleet, ReplicaState state) {
  switch (state) {
    case ReplicaState::kOrdered:
      return &fleet.ordered;
    case ReplicaState::kStarting:
      return &fleet.starting;
    case ReplicaState::kReady:
      return &fleet.ready;
    case ReplicaState::kSleeping:
      return &fleet.sleeping;
    case ReplicaState::kDraining:
      return &fleet.draining;
    case ReplicaState::kFailed:
      return &fleet.failed;
    case ReplicaState::kGone:
      return nullptr;
  }
  return nullptr;
}

bool is_booting(ReplicaState state) {
  return state == ReplicaState::kOrdered || state == ReplicaState::kStarting;
}
bool is_active(ReplicaState state) { return is_booting(state) || state == ReplicaState::kReady; }

ReplicaBook::ReplicaBook(const spec::Model& model, const std::vector<VariantStarts>& measured) {
  set_model(model);
  remember(measured);
}

void ReplicaBook::remember(const std::vector<VariantStarts>& measured) {
  for (const VariantStarts& before : measured) {
    auto name = std::find(names_.begin(), names_.end(), before.variant);
    if (name == names_.end()) continue;
    ColdStarts theirs;
    for (const StageTimes& start : before.starts) theirs.add(start);
    ColdStarts& ours = cold_starts_[static_cast<std::size_t>(name - names_.begin())];
    if (theirs.kept().size() > ours.kept().size()) ours = std::move(theirs);
  }
}

std::vector<ReplicaBook::Entry>::iterator ReplicaBook::at(ReplicaId id) {
  return std::lower_bound(entries_.begin(), entries_.end(), id,
                          [](const Entry& entry, ReplicaId other) { return entry.id < other; });
}

std::optional<ReplicaState> ReplicaBook::change(const ReplicaChanged& event, Instant now) {
  auto name = std::find(names_.begin(), names_.end(), event.variant);
  if (name == names_.end()) return std::nullopt;
  auto variant = static_cast<std::size_t>(name - names_.begin());
  heard_[variant] = true;
  auto entry = at(event.id);
  bool known = entry != entries_.end() && entry->id == event.id;
  ReplicaState before = known ? entry->state : ReplicaState::kGone;
  if (before == event.state) return std::nullopt;
  if (known) {
    if (Replicas* count = count_of(fleets_[static_cast<std::size_t>(entry->variant)], before)) {
      *count -= Replicas(1);
    }
  }
  if (Replicas* count = count_of(fleets_[variant], event.state)) *count += Replicas(1);
  // Nobody saw the start of an adopted one; its wake is as good as any.
  const bool seen = event.adopted == 0 || event.stages.from == StartFrom::kSleeping;
  if (event.state == ReplicaState::kReady && seen && event.stages.total >= Duration(0)) {
    cold_starts_[variant].add(event.stages);
  }
  const bool boots_on = known && is_booting(before) && is_booting(event.state);
  Entry after{event.id, static_cast<std::int32_t>(variant), event.state, now,
              boots_on ? entry->ordered_at : now};
  after.rest = rest_after(known ? *entry : after, event.state);
  if (event.state == ReplicaState::kGone) {
    if (known) entries_.erase(entry);
  } else if (known) {
    *entry = after;
  } else {
    entries_.insert(entry, after);
  }
  return before;
}

void ReplicaBook::set_model(const spec::Model& model) {
  std::vector<std::string> names;
  std::vector<bool> heard;
  std::vector<signal::Fleet> fleets;
  std::vector<ColdStarts> cold_starts;
  std::vector<std::int32_t> moved(names_.size(), -1);
  for (const spec::Variant& variant : model.variants) {
    auto old = std::find(names_.begin(), names_.end(), variant.name);
    bool known = old != names_.end();
    auto index = static_cast<std::size_t>(old - names_.begin());
    if (known) moved[index] = static_cast<std::int32_t>(names.size());
    names.push_back(variant.name);
    heard.push_back(known && heard_[index]);
    fleets.push_back(known ? fleets_[index] : signal::Fleet{});
    cold_starts.push_back(known ? cold_starts_[index] : ColdStarts{});
  }
  for (Entry& entry : entries_) entry.variant = moved[static_cast<std::size_t>(entry.variant)];
  std::erase_if(entries_, [](const Entry& entry) { return entry.variant < 0; });
  names_ = std::move(names);
  heard_ = std::move(heard);
  fleets_ = std::move(fleets);
  cold_starts_ = std::move(cold_starts);
}

void ReplicaBook::tell(std::size_t variant, signal::VariantObservation& seen) const {
  if (heard_[variant]) seen.fleet = fleets_[variant];
  const StartQuantiles& cold = cold_starts_[variant].cold();
  const StartQuantiles& wakes = cold_starts_[variant].wakes();
  if (cold.starts > 0) {
    seen.cold_starts = cold.starts;
    seen.cold_start_p90_seconds = to_seconds(cold.p90);
  }
  if (wakes.starts > 0) {
    seen.wakes = wakes.starts;
    seen.wake_p90_seconds = to_seconds(wakes.p90);
  }
}

std::int64_t ReplicaBook::overdue(std::size_t variant, Duration deadline, Instant now) const {
  return std::count_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.variant == static_cast<std::int32_t>(variant) && row_of(entry, now).booting == 1 &&
           now - entry.ordered_at > deadline;
  });
}

std::vector<plan::ReplicaRow> ReplicaBook::rows(const std::vector<plan::ReplicaRow>& seen,
                                                Instant now) const {
  std::vector<plan::ReplicaRow> given = seen, out;
  auto by_id = [](const plan::ReplicaRow& a, const plan::ReplicaRow& b) { return a.id < b.id; };
  std::stable_sort(given.begin(), given.end(), by_id);
  auto next = given.begin();
  for (const Entry& entry : entries_) {
    while (next != given.end() && next->id < entry.id) out.push_back(*next++);
    plan::ReplicaRow row = row_of(entry, now);
    if (next != given.end() && next->id == entry.id) {
      row.in_flight = next->in_flight;
      row.in_flight_tokens = next->in_flight_tokens;
      ++next;
    }
    if (is_active(entry.state) || row.rest != plan::Rest::kAwake) out.push_back(row);
  }
  out.insert(out.end(), next, given.end());
  // A row of a replica that nobody announced counts only where nobody announces any.
  std::erase_if(out, [&](const plan::ReplicaRow& row) {
    auto variant = static_cast<std::size_t>(row.variant);
    if (variant >= heard_.size()) return true;
    return heard_[variant] &&
           !std::binary_search(entries_.begin(), entries_.end(), Entry{row.id},
                               [](const Entry& a, const Entry& b) { return a.id < b.id; });
  });
  return out;
}

}  // namespace tidegate::control
