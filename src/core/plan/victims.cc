// victims: who stops when a variant goes down. Booting ones first, the youngest order first (ids
// grow with each order): they serve nobody. Then who holds the fewest tokens in flight, the fewest
// requests, and the coldest cache: the youngest ready.

#include <algorithm>
#include <tuple>

#include "core/plan/draft.h"

namespace tidegate::plan {

namespace {
/// Smaller goes first.
auto rank(const ReplicaRow& row) {
  bool booting = row.booting != 0;
  return std::tuple(booting ? 0 : 1, booting ? 0 : row.in_flight_tokens,
                    booting ? 0 : row.in_flight, booting ? 0 : -row.ready_since.nanos(),
                    ~row.id.value());
}
}  // namespace

std::vector<ReplicaId> choose_victims(const std::vector<ReplicaRow>& replicas, std::int32_t variant,
                                      std::int64_t active, std::int64_t target) {
  std::vector<ReplicaRow> rows;
  for (const ReplicaRow& row : replicas) {
    if (row.variant == variant) rows.push_back(row);
  }
  auto known = static_cast<std::int64_t>(rows.size());
  std::int64_t surplus = std::min(known, std::max(active, known) - target);
  if (surplus <= 0) return {};
  auto chosen = rows.begin() + static_cast<std::ptrdiff_t>(surplus);
  std::partial_sort(rows.begin(), chosen, rows.end(),
                    [](const ReplicaRow& a, const ReplicaRow& b) { return rank(a) < rank(b); });
  std::vector<ReplicaId> out;
  for (auto row = rows.begin(); row != chosen; ++row) out.push_back(row->id);
  return out;
}

Draft victims(const Context& context, Draft draft) {
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    draft.victims[i] = choose_victims(context.replicas, static_cast<std::int32_t>(i),
                                      draft.fleets[i].active().value(), draft.replicas[i]);
  }
  return draft;
}

}  // namespace tidegate::plan
