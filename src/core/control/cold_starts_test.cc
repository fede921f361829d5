#include "core/control/cold_starts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/base/rng.h"
#include "core/control/control_test_world.h"

namespace tidegate::control {
namespace {

StageTimes start(StartFrom from, double total, double weights = -1) {
  StageTimes s;
  s.from = from;
  s.total = seconds_f(total);
  if (weights >= 0) s.weights = seconds_f(weights);
  return s;
}

TEST(ColdStarts, QuantilesAreMeasuredValuesAndUnknownIsNotZero) {
  struct Row {
    const char* label;
    std::vector<StageTimes> starts;
    StartQuantiles total, weights;
  };
  const auto cold = StartFrom::kCold;
  for (const Row& row : {
           Row{"nothing measured: nothing known", {}, {}, {}},
           Row{"one is both quantiles",
               {start(cold, 9, 4)},
               {1, seconds(9), seconds(9)},
               {1, seconds(4), seconds(4)}},
           Row{"a stage that one of them did not see counts in that one only",
               {start(cold, 9, 4), start(cold, 7)},
               {2, seconds(7), seconds(9)},
               {1, seconds(4), seconds(4)}},
           Row{"a stage that took no time was seen",
               {start(cold, 9, 0)},
               {1, seconds(9), seconds(9)},
               {1, seconds(0), seconds(0)}},
           Row{"a start of no time is distrusted", {start(cold, 0), start(cold, -5)}, {}, {}},
           Row{"a start of two days is distrusted", {start(cold, 2 * 86'400)}, {}, {}},
           Row{"the longest believed",
               {start(cold, 86'400)},
               {1, seconds(86'400), seconds(86'400)},
               {}},
           Row{"a stage longer than its start is unknown",
               {start(cold, 9, 10)},
               {1, seconds(9), seconds(9)},
               {}},
       }) {
    SCOPED_TRACE(row.label);
    ColdStarts seen;
    std::int64_t kept = 0;
    for (const StageTimes& one : row.starts) kept += seen.add(one) ? 1 : 0;
    EXPECT_EQ(seen.of(cold, StartStage::kTotal), row.total);
    EXPECT_EQ(seen.of(cold, StartStage::kWeights), row.weights);
    EXPECT_EQ(seen.cold(), row.total);
    EXPECT_EQ(seen.wakes(), StartQuantiles{});
    EXPECT_EQ(kept, row.total.starts);
    EXPECT_EQ(seen.distrusted(), static_cast<std::int64_t>(row.starts.size()) - kept);
  }
}

TEST(ColdStarts, TheSixteenthIsKeptAndTheSeventeenthPushesTheOldestOfItsStateOut) {
  ColdStarts seen;
  seen.add(start(StartFrom::kNoNode, 300));
  for (int i = 1; i <= 16; ++i) seen.add(start(StartFrom::kCold, i));
  EXPECT_EQ(seen.of(StartFrom::kCold, StartStage::kTotal),
            (StartQuantiles{16, seconds(8), seconds(15)}));
  seen.add(start(StartFrom::kCold, 100));
  EXPECT_EQ(seen.of(StartFrom::kCold, StartStage::kTotal),
            (StartQuantiles{16, seconds(9), seconds(16)}));
  EXPECT_EQ(seen.of(StartFrom::kNoNode, StartStage::kTotal).starts, 1) << "a state of its own";
  EXPECT_EQ(seen.cold().p90, seconds(16)) << "the latest sixteen of all states: 300 s is older";
}

TEST(ColdStarts, HoldsWhatASlowBookkeeperHolds) {
  Rng rng(7, "cold-starts");
  ColdStarts seen;
  std::vector<StageTimes> all;
  for (int i = 0; i < 400; ++i) {
    auto from = static_cast<StartFrom>(rng.below(kStartFroms));
    all.push_back(start(from, 1 + static_cast<double>(rng.below(1'000))));
    ASSERT_TRUE(seen.add(all.back()));
    std::map<bool, std::vector<Duration>> latest;
    for (auto one = all.rbegin(); one != all.rend(); ++one) {
      auto& list = latest[one->from == StartFrom::kSleeping];
      if (list.size() < kStartsKept) list.push_back(one->total);
    }
    for (bool wake : {false, true}) {
      auto& list = latest[wake];
      const StartQuantiles& told = wake ? seen.wakes() : seen.cold();
      ASSERT_EQ(told.starts, static_cast<std::int64_t>(list.size()));
      auto at_most = [&](Duration limit) {
        return std::count_if(list.begin(), list.end(), [&](Duration d) { return d <= limit; });
      };
      if (list.empty()) continue;
      ASSERT_GE(at_most(told.p90) * 10, static_cast<std::ptrdiff_t>(list.size()) * 9);
      ASSERT_LT(at_most(told.p90 - Duration(1)) * 10, static_cast<std::ptrdiff_t>(list.size()) * 9);
    }
    ASSERT_LE(seen.kept().size(), kStartsKept * kStartFroms);
  }
  ColdStarts again;
  for (const StageTimes& one : seen.kept()) again.add(one);
  EXPECT_EQ(again.kept(), seen.kept());
  EXPECT_EQ(again.cold(), seen.cold());
  EXPECT_EQ(again.wakes(), seen.wakes());
}

ReplicaChanged ready(std::uint64_t id, const StageTimes& stages, std::uint8_t adopted = 0) {
  return {ReplicaId(id), "v0", ReplicaState::kReady, stages, adopted};
}

TEST(ReplicaBook, TellsColdStartsAndWakesApart) {
  ReplicaBook book(model_with(0, 10));
  book.change(ready(1, start(StartFrom::kCold, 90)), at(0));
  book.change(ready(2, start(StartFrom::kNoNode, 200), 1), at(0));
  book.change({ReplicaId(2), "v0", ReplicaState::kSleeping, {}, 1}, at(1));
  book.change(ready(2, start(StartFrom::kSleeping, 3), 1), at(2));
  signal::VariantObservation seen;
  book.tell(0, seen);
  EXPECT_EQ(seen.cold_starts, 1) << "nobody saw the start of an adopted one";
  EXPECT_DOUBLE_EQ(seen.cold_start_p90_seconds, 90);
  EXPECT_EQ(seen.wakes, 1) << "its wake was seen";
  EXPECT_DOUBLE_EQ(seen.wake_p90_seconds, 3);
}

TEST(ReplicaBook, StartsThatAnotherMeasuredAreTakenWhereTheyAreMoreThanOurs) {
  struct Row {
    const char* label;
    std::size_t ours, theirs;
    bool taken;
  };
  const Row rows[] = {{"a leader of another node begins with none", 0, 2, true},
                      {"who followed for a while saw the latest alone", 1, 2, true},
                      {"who followed all the time has seen the same", 2, 2, false},
                      {"what was written is older than what was seen since", 3, 2, false},
                      {"nothing was written", 1, 0, false}};
  for (const Row& row : rows) {
    Bench bench(model_with(0, 10));
    for (std::size_t i = 0; i < row.ours; ++i) {
      bench.send(ready(i + 1, start(StartFrom::kCold, 30)), 1);
    }
    const std::vector<StageTimes> theirs(row.theirs, start(StartFrom::kCold, 120));
    bench.send(Taught{{}, {{"v0", theirs}, {"left", {start(StartFrom::kCold, 1)}}}}, 2);
    const auto& kept = bench.controller.cold_starts(0).kept();
    EXPECT_EQ(kept.size(), std::max(row.ours, row.theirs)) << row.label;
    EXPECT_EQ(kept == theirs, row.taken) << row.label;
    const auto told = bench.controller.measured_starts();
    ASSERT_EQ(told.size(), 1U) << row.label;
    EXPECT_EQ(told[0].starts, kept) << row.label;
  }
}

TEST(ReplicaBook, StartsOfARunBeforeAreToldThoughNoReplicaIsKnown) {
  const spec::Model model = model_with(0, 10);
  Start before;
  before.cold_starts = {{"v0", {start(StartFrom::kCold, 120)}},
                        {"left", {start(StartFrom::kCold, 1)}}};
  Bench bench(model, before);
  bench.observe(0, 20, 0);
  auto records = bench.all<Record>();
  ASSERT_FALSE(records.empty());
  const auto& seen = records.front().decision.observation.variants;
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].cold_starts, 1);
  EXPECT_DOUBLE_EQ(seen[0].cold_start_p90_seconds, 120);
  EXPECT_EQ(bench.controller.cold_starts(0).kept(), before.cold_starts[0].starts);
}

}  // namespace
}  // namespace tidegate::control
