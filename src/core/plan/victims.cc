// victims: who stops, who wakes and who goes to sleep. Booting ones stop first, the youngest order
// first (ids grow with each order): they serve nobody. Then sleepers beyond what shall sleep. Then
// who holds the fewest tokens in flight, the fewest requests, and the coldest cache: the youngest
// ready.

#include <algorithm>
#include <tuple>

#include "core/plan/draft.h"

namespace tidegate::plan {

namespace {
using Rows = std::vector<const ReplicaRow*>;

/// Smaller goes first.
auto rank(const ReplicaRow* row) {
  return std::tuple(row->in_flight_tokens, row->in_flight, -row->ready_since.nanos(),
                    ~row->id.value());
}

/// The rows of one variant by what they do, each in the order they would be chosen.
struct Sorted {
  Rows booting;  ///< the youngest order first
  Rows awake;    ///< by rank; those that wake, too: they hold nothing
  Rows asleep;   ///< the oldest first
  Rows falling;
  std::int64_t waking = 0;
};

Sorted sort(const std::vector<ReplicaRow>& replicas, std::int32_t variant) {
  Sorted out;
  for (const ReplicaRow& row : replicas) {
    if (row.variant != variant) continue;
    out.waking += row.rest == Rest::kWaking ? 1 : 0;
    Rows& list = row.rest == Rest::kAsleep          ? out.asleep
                 : row.rest == Rest::kFallingAsleep ? out.falling
                 : row.booting != 0                 ? out.booting
                                                    : out.awake;
    list.push_back(&row);
  }
  auto older = [](const ReplicaRow* a, const ReplicaRow* b) { return a->id < b->id; };
  std::sort(out.booting.begin(), out.booting.end(),
            [&](const ReplicaRow* a, const ReplicaRow* b) { return older(b, a); });
  std::sort(out.awake.begin(), out.awake.end(),
            [](const ReplicaRow* a, const ReplicaRow* b) { return rank(a) < rank(b); });
  std::sort(out.asleep.begin(), out.asleep.end(), older);
  std::sort(out.falling.begin(), out.falling.end(), older);
  return out;
}

std::int64_t size(const Rows& rows) { return static_cast<std::int64_t>(rows.size()); }

/// Moves the first `n` of `from` that serve (or any, where asked for) to `out`.
void take(Rows& from, std::int64_t n, std::vector<ReplicaId>& out) {
  auto end = from.begin() + static_cast<std::ptrdiff_t>(std::clamp<std::int64_t>(n, 0, size(from)));
  for (auto row = from.begin(); row != end; ++row) out.push_back((*row)->id);
  from.erase(from.begin(), end);
}
}  // namespace

Moves choose_moves(const std::vector<ReplicaRow>& replicas, std::int32_t variant,
                   std::int64_t known, Wanted wanted) {
  Moves out;
  Sorted rows = sort(replicas, variant);
  const std::int64_t unseen =
      std::max<std::int64_t>(0, known - size(rows.booting) - size(rows.awake));
  const std::int64_t awake = size(rows.awake) + unseen;
  const std::int64_t pool = size(rows.asleep) + size(rows.falling);
  const std::int64_t surplus = size(rows.booting) + awake + pool - wanted.awake - wanted.asleep;

  take(rows.asleep, wanted.awake - awake, out.wake);
  const auto woken = static_cast<std::int64_t>(out.wake.size());
  const std::int64_t asleep = pool - woken;

  // One that wakes cannot be told to sleep yet, and still counts as awake.
  Rows serving = rows.awake;
  std::erase_if(serving, [](const ReplicaRow* row) { return row->rest == Rest::kWaking; });
  take(serving, std::min(awake - rows.waking - wanted.awake, wanted.asleep - asleep), out.sleep);
  const auto slept = static_cast<std::int64_t>(out.sleep.size());
  std::erase_if(rows.awake, [&](const ReplicaRow* row) {
    return std::find(out.sleep.begin(), out.sleep.end(), row->id) != out.sleep.end();
  });

  std::int64_t left = std::max<std::int64_t>(0, surplus);
  auto stop = [&](Rows& from, std::int64_t most) {
    const std::size_t before = out.stop.size();
    take(from, std::min(left, most), out.stop);
    left -= static_cast<std::int64_t>(out.stop.size() - before);
  };
  stop(rows.booting, left);
  std::int64_t too_many = asleep + slept - wanted.asleep;
  rows.asleep.insert(rows.asleep.end(), rows.falling.begin(), rows.falling.end());
  stop(rows.asleep, too_many);
  stop(rows.awake, awake + woken - slept - wanted.awake);
  return out;
}

Draft victims(const Context& context, Draft draft) {
  for (std::size_t i = 0; i < draft.replicas.size(); ++i) {
    Moves& moves = draft.moves[i];
    moves = choose_moves(context.replicas, static_cast<std::int32_t>(i),
                         draft.fleets[i].active().value(), {draft.replicas[i], draft.asleep[i]});
    if (moves.wake.empty() && moves.sleep.empty()) continue;
    set(context, draft, i, ReasonCode::kWarmPool, draft.replicas[i],
        {{"wake_replicas", static_cast<double>(moves.wake.size())},
         {"sleep_replicas", static_cast<double>(moves.sleep.size())},
         {"asleep_replicas", static_cast<double>(draft.fleets[i].sleeping.value())}});
  }
  return draft;
}

}  // namespace tidegate::plan
