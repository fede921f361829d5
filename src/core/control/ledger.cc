#include "core/control/ledger.h"

#include <algorithm>

namespace tidegate::control {

std::optional<std::int64_t> Ledger::awake(std::size_t variant) const {
  const Row& row = rows_[variant];
  if (!row.applied) return std::nullopt;
  return *row.applied - row.asleep;
}

bool Ledger::wants(std::size_t variant, Number number, Instant now) const {
  const Row& row = rows_[variant];
  return row.applied != number.replicas || row.asleep != number.asleep || now >= row.retry_at;
}

void Ledger::sent(std::size_t variant, Number number) {
  Row& row = rows_[variant];
  row.applied = number.replicas;
  row.asleep = number.asleep;
  row.retry_at = Instant::never();
  row.unacknowledged.push_back(number.replicas);
  if (row.unacknowledged.size() > kMaxUnacknowledged) {
    row.unacknowledged.erase(row.unacknowledged.begin());
  }
}

Ledger::Verdict Ledger::answered(std::size_t variant, std::int64_t replicas, bool ok, Instant now) {
  Row& row = rows_[variant];
  auto asked = std::find(row.unacknowledged.begin(), row.unacknowledged.end(), replicas);
  bool ours = asked != row.unacknowledged.end();
  if (ours) row.unacknowledged.erase(row.unacknowledged.begin(), asked + 1);
  if (!ok) {
    if (row.applied == replicas) row.retry_at = now + kRefusedRetry;
    return Verdict::kRefused;
  }
  row.acknowledged = replicas;
  bool foreign = !ours && row.applied && *row.applied != replicas;
  return foreign ? Verdict::kForeign : Verdict::kOurs;
}

bool Ledger::too_many(std::size_t variant, std::int64_t active, std::int64_t surge) const {
  const Row& row = rows_[variant];
  if (!row.applied || !row.acknowledged) return false;
  std::int64_t most = std::max(*row.applied, *row.acknowledged);
  for (std::int64_t asked : row.unacknowledged) most = std::max(most, asked);
  return active > most + surge;
}

bool Ledger::too_few(std::size_t variant, std::int64_t active) const {
  const Row& row = rows_[variant];
  if (!row.applied || !row.acknowledged) return false;
  std::int64_t least = std::min(*row.applied, *row.acknowledged);
  for (std::int64_t asked : row.unacknowledged) least = std::min(least, asked);
  return active < least;
}

void Ledger::taken_over(std::size_t variant, Number number) {
  rows_[variant] =
      Row{.applied = number.replicas, .asleep = number.asleep, .acknowledged = number.replicas};
}

void Ledger::forget() {
  for (Row& row : rows_) row = Row{};
}

void Ledger::remap(const std::vector<std::optional<std::size_t>>& from) {
  std::vector<Row> rows;
  for (std::optional<std::size_t> old : from) rows.push_back(old ? rows_[*old] : Row{});
  rows_ = std::move(rows);
}

Instant Ledger::next_wake() const {
  Instant next = Instant::never();
  for (const Row& row : rows_) next = std::min(next, row.retry_at);
  return next;
}

}  // namespace tidegate::control
