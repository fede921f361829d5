#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/plan/memory.h"
#include "core/plan/plan.h"

namespace tidegate::plan {
namespace {

/// Replicas by what they do; ids from 1 in this order.
struct Fleet {
  std::int64_t asleep = 0, falling = 0, waking = 0, serving = 0, booting = 0;
  std::int64_t alive() const { return asleep + falling + waking + serving + booting; }
};

std::vector<ReplicaRow> rows_of(const Fleet& fleet) {
  std::vector<ReplicaRow> out;
  auto add = [&](std::int64_t n, Rest rest, std::uint8_t booting) {
    for (; n > 0; --n) {
      ReplicaRow row{.id = ReplicaId(out.size() + 1), .booting = booting, .rest = rest};
      // The oldest serves least.
      if (rest == Rest::kAwake && booting == 0) {
        row.in_flight = row.in_flight_tokens = static_cast<std::int64_t>(row.id.value());
      }
      out.push_back(row);
    }
  };
  add(fleet.asleep, Rest::kAsleep, 0);
  add(fleet.falling, Rest::kFallingAsleep, 0);
  add(fleet.waking, Rest::kWaking, 0);
  add(fleet.serving, Rest::kAwake, 0);
  add(fleet.booting, Rest::kAwake, 1);
  return out;
}

std::vector<std::uint64_t> numbers(const std::vector<ReplicaId>& ids) {
  std::vector<std::uint64_t> out;
  for (ReplicaId id : ids) out.push_back(id.value());
  return out;
}

TEST(WarmPool, MovesAsSaid) {
  using Ids = std::vector<std::uint64_t>;
  struct Row {
    const char* label;
    Fleet fleet;
    Wanted wanted;
    Ids wake, sleep, stop;
  };
  const Row rows[] = {
      {"nothing is to do", {.asleep = 1, .serving = 2}, {2, 1}, {}, {}, {}},
      {"one more wakes the oldest sleeper", {.asleep = 2, .serving = 2}, {3, 2}, {1}, {}, {}},
      {"also while a cold one boots: it becomes the refill",
       {.asleep = 1, .serving = 2, .booting = 1},
       {3, 1},
       {1},
       {},
       {}},
      {"one that wakes already is not woken for again",
       {.asleep = 1, .waking = 1, .serving = 2},
       {3, 1},
       {},
       {},
       {}},
      {"no more wake than sleep", {.asleep = 1, .serving = 1}, {5, 1}, {1}, {}, {}},
      {"the one with the fewest tokens goes to sleep where the pool lacks one",
       {.serving = 3},
       {2, 1},
       {},
       {1},
       {}},
      {"one that wakes is not counted among those that could sleep",
       {.waking = 1, .serving = 2},
       {2, 1},
       {},
       {},
       {}},
      {"one on its way to sleep fills the pool", {.falling = 1, .serving = 3}, {2, 1}, {}, {}, {2}},
      {"booting ones stop first, and the serving one then sleeps",
       {.serving = 3, .booting = 1},
       {2, 1},
       {},
       {1},
       {4}},
      {"then sleepers beyond the pool", {.asleep = 3, .serving = 2}, {2, 1}, {}, {}, {1, 2}},
      {"also those on their way",
       {.asleep = 1, .falling = 1, .serving = 2},
       {2, 0},
       {},
       {},
       {1, 2}},
      {"a sleeper serves sooner than one that boots, which stops",
       {.asleep = 3, .serving = 1, .booting = 2},
       {3, 1},
       {1, 2},
       {},
       {6, 5}},
      {"one that wakes is stopped before one that serves",
       {.waking = 1, .serving = 2},
       {1, 0},
       {},
       {},
       {1, 2}},
      {"to nothing at all", {.asleep = 1, .serving = 1, .booting = 1}, {0, 0}, {}, {}, {3, 1, 2}},
  };
  for (const Row& row : rows) {
    const std::int64_t active = row.fleet.waking + row.fleet.serving + row.fleet.booting;
    Moves moves = choose_moves(rows_of(row.fleet), 0, active, row.wanted);
    EXPECT_EQ(numbers(moves.wake), row.wake) << row.label;
    EXPECT_EQ(numbers(moves.sleep), row.sleep) << row.label;
    EXPECT_EQ(numbers(moves.stop), row.stop) << row.label;
  }
}

/// Every small fleet and wish: who is chosen is chosen once and can do it, what is left is what was
/// wanted, and nobody who serves stops while others would do.
TEST(WarmPool, EverySmallFleetComesToWhatWasWanted) {
  constexpr std::int64_t kMost = 3;
  std::int64_t seen = 0;
  for (std::int64_t code = 0; code < 4 * 4 * 4 * 4 * 4 * 4 * 4; ++code) {
    auto digit = [rest = code]() mutable {
      std::int64_t out = rest % (kMost + 1);
      rest /= kMost + 1;
      return out;
    };
    Fleet f;
    f.asleep = digit();
    f.falling = digit();
    f.waking = digit();
    f.serving = digit();
    f.booting = digit();
    const Wanted wanted{digit(), digit()};
    const std::vector<ReplicaRow> rows = rows_of(f);
    const Moves moves = choose_moves(rows, 0, f.waking + f.serving + f.booting, wanted);
    std::set<ReplicaId> chosen;
    std::int64_t serving_stopped = 0, booting_left = f.booting, pool = f.asleep + f.falling;
    std::int64_t awake = f.waking + f.serving;
    for (ReplicaId id : moves.wake) {
      ASSERT_TRUE(chosen.insert(id).second);
      ASSERT_EQ(rows[id.value() - 1].rest, Rest::kAsleep);
      ++awake, --pool;
    }
    for (ReplicaId id : moves.sleep) {
      ASSERT_TRUE(chosen.insert(id).second);
      ASSERT_EQ(rows[id.value() - 1].rest, Rest::kAwake);
      ASSERT_EQ(rows[id.value() - 1].booting, 0);
      --awake, ++pool;
    }
    for (ReplicaId id : moves.stop) {
      ASSERT_TRUE(chosen.insert(id).second);
      const ReplicaRow& row = rows[id.value() - 1];
      if (row.booting != 0) {
        --booting_left;
      } else if (row.rest == Rest::kAsleep || row.rest == Rest::kFallingAsleep) {
        --pool;
      } else {
        --awake, ++serving_stopped;
      }
    }
    const std::int64_t total = wanted.awake + wanted.asleep;
    const std::int64_t left = f.alive() - static_cast<std::int64_t>(moves.stop.size());
    ASSERT_EQ(left, std::min(f.alive(), total)) << "code " << code;
    if (serving_stopped > 0) {
      ASSERT_GE(awake, wanted.awake) << "code " << code;
      ASSERT_EQ(booting_left, 0) << "code " << code;
      ASSERT_LE(pool, wanted.asleep) << "code " << code;
    }
    if (!moves.wake.empty()) {
      ASSERT_LE(awake, wanted.awake) << "code " << code;
    }
    if (!moves.sleep.empty()) {
      ASSERT_GE(awake, wanted.awake) << "code " << code;
      ASSERT_LE(pool, wanted.asleep) << "code " << code;
    }
    ++seen;
  }
  EXPECT_EQ(seen, 16'384);
}

TEST(WarmPool, AsManySleepAsThePolicyAsksForWithinItsBounds) {
  struct Row {
    const char* label;
    std::int64_t asked, before, awake;
    bool complete;
    std::int64_t limit;  ///< -1: capacity comes
    bool holds;
    std::int64_t asleep;
  };
  const Row rows[] = {
      {"as asked", 2, 2, 3, true, -1, true, 2},
      {"within the pool's own bound", 9, 0, 3, true, -1, true, 4},
      {"within what maxReplicas leaves", 4, 0, 8, true, -1, true, 2},
      {"none where all are awake", 4, 4, 10, true, -1, true, 0},
      {"fewer at once on complete data", 0, 3, 3, true, -1, true, 0},
      {"held on incomplete data", 0, 3, 3, false, -1, true, 3},
      {"more also on incomplete data", 4, 3, 3, false, -1, true, 4},
      {"but never beyond the bounds", 0, 4, 9, false, -1, true, 1},
      {"no refill that finds no device", 2, 2, 3, true, 4, true, 1},
      {"which it does not need while it sleeps", 2, 2, 3, true, 4, false, 2},
  };
  for (const Row& row : rows) {
    spec::Model model;
    model.scaling.environment = spec::Environment::kCost;
    model.variants.push_back({.name = "v", .max_replicas = Replicas(10)});
    model.variants[0].warm_pool = {.max_replicas = Replicas(4), .holds_device = row.holds};
    signal::Observation seen;
    seen.variants.push_back({.variant = "v"});
    seen.variants[0].fleet.ready = Replicas(row.awake);
    policy::Recommendation asked{.replicas = {{"v", Replicas(row.awake), Replicas(row.asked)}},
                                 .complete = row.complete};
    Memory memory;
    memory.variants.push_back({.target = row.awake, .asleep = row.before});
    const Instant now = Instant() + seconds(100);
    if (row.limit >= 0) capacity_failed(memory.variants[0], row.limit, now + seconds(30));
    auto [plan, after] = run(model, seen, asked, {}, memory, now);
    EXPECT_EQ(plan.variants[0].asleep.value(), row.asleep) << row.label;
    EXPECT_EQ(plan.variants[0].replicas.value(), row.awake) << row.label;
    EXPECT_EQ(after.variants[0].asleep, row.asleep) << row.label;
    bool said = std::any_of(plan.reasons.begin(), plan.reasons.end(), [](const Reason& reason) {
      return reason.code == ReasonCode::kWarmPool && reason.before == reason.after;
    });
    EXPECT_EQ(said, row.asleep != row.asked || row.asked != row.before) << row.label;
  }
}

}  // namespace
}  // namespace tidegate::plan
