#include "live/run/ledger.h"

#include <gtest/gtest.h>

namespace tidegate::live {
namespace {

using control::ReplicaState;

Instant at(double s) { return Instant::from_nanos(0) + seconds_f(s); }

ReplicaInfo replica(std::uint64_t id, const std::string& variant, ReplicaState state,
                    double total_seconds = -1) {
  ReplicaInfo info;
  info.id = ReplicaId(id);
  info.variant = variant;
  info.state = state;
  if (total_seconds >= 0) info.stages.total = seconds_f(total_seconds);
  return info;
}

spec::Model model() {
  spec::Model m;
  spec::Variant a{.name = "a", .cost_per_hour_dollars = 3.6};
  spec::Variant b{.name = "b", .cost_per_hour_dollars = 7.2};
  b.hardware.count = 4;
  m.variants = {a, b};
  return m;
}

TEST(Ledger, BillsFromOrderToGoneStartUpAndDrainIncluded) {
  Ledger ledger;
  ledger.set_model(model());
  ledger.replica(replica(1, "a", ReplicaState::kOrdered), at(0));
  ledger.replica(replica(1, "a", ReplicaState::kReady, 60), at(60));
  ledger.replica(replica(2, "b", ReplicaState::kOrdered), at(600));
  ledger.replica(replica(1, "a", ReplicaState::kDraining), at(1000));
  ledger.replica(replica(1, "a", ReplicaState::kGone), at(1100));
  ledger.settle(at(1600));
  EXPECT_NEAR(ledger.cost_dollars(), 1100 * 3.6 / 3600 + 1000 * 7.2 / 3600, 1e-9);
  EXPECT_NEAR(ledger.gpu_hours(), (1100 * 1 + 1000 * 4) / 3600.0, 1e-9);
  EXPECT_NEAR(ledger.replica_hours(), 2100 / 3600.0, 1e-9);
  EXPECT_EQ(ledger.replicas_peak(), 2);
  EXPECT_NEAR(ledger.fixed_at_peak_dollars(at(1600)), 1600 * (3.6 + 7.2) / 3600, 1e-9);
}

TEST(Ledger, AFailedReplicaHoldsItsDeviceUntilItIsGone) {
  Ledger ledger;
  ledger.set_model(model());
  ledger.replica(replica(1, "a", ReplicaState::kOrdered), at(0));
  ledger.replica(replica(1, "a", ReplicaState::kFailed), at(100));
  ledger.replica(replica(1, "a", ReplicaState::kGone), at(110));
  ledger.settle(at(500));
  EXPECT_NEAR(ledger.replica_hours(), 110 / 3600.0, 1e-9);
}

TEST(Ledger, ColdStartsCountOnceAndAdoptedOnesNever) {
  Ledger ledger;
  ledger.set_model(model());
  ledger.replica(replica(1, "a", ReplicaState::kReady, 42), at(42));
  ReplicaInfo adopted = replica(2, "a", ReplicaState::kReady, 0);
  adopted.adopted = true;
  ledger.replica(adopted, at(50));
  EXPECT_EQ(ledger.cold_starts(), 1);
  EXPECT_NEAR(ledger.cold_start_seconds().quantile(0.5), 42, 0.3);
  ASSERT_EQ(ledger.stages().size(), 1U) << "no stage but the total was seen";
  const auto& [key, total] = *ledger.stages().begin();
  EXPECT_EQ(key, StageKey(control::StartFrom::kCold, control::StartStage::kTotal));
  std::int64_t counted = 0;
  for (std::int64_t n : total.counts) counted += n;
  EXPECT_EQ(counted, 1);
  EXPECT_EQ(total.counts[7], 1) << "42 s is above 30 and at most 60";
}

TEST(Ledger, StagesAndWakesAreKeptApart) {
  Ledger ledger;
  ledger.set_model(model());
  ReplicaInfo info = replica(1, "a", ReplicaState::kReady, 42);
  info.stages.weights = seconds(12);
  info.stages.image = seconds(0);
  ledger.replica(info, at(42));
  info.stages = {.total = seconds(3), .from = control::StartFrom::kSleeping};
  info.adopted = true;
  ledger.replica(info, at(60));
  EXPECT_EQ(ledger.cold_starts(), 1) << "a wake is no cold start";
  const auto sum = [&](control::StartFrom from, control::StartStage stage) {
    auto found = ledger.stages().find({from, stage});
    return found == ledger.stages().end() ? -1 : found->second.sum_seconds;
  };
  using From = control::StartFrom;
  using Stage = control::StartStage;
  EXPECT_EQ(sum(From::kCold, Stage::kTotal), 42);
  EXPECT_EQ(sum(From::kCold, Stage::kWeights), 12);
  EXPECT_EQ(sum(From::kCold, Stage::kImage), 0) << "seen, and took no time";
  EXPECT_EQ(sum(From::kCold, Stage::kEngine), -1) << "not seen";
  EXPECT_EQ(sum(From::kSleeping, Stage::kTotal), 3) << "also of an adopted one";
}

TEST(Ledger, BeforeAnythingHappenedNothingIsOwed) {
  Ledger ledger;
  EXPECT_EQ(ledger.fixed_at_peak_dollars(at(10)), 0);
  ledger.settle(at(10));
  EXPECT_EQ(ledger.cost_dollars(), 0);
}

}  // namespace
}  // namespace tidegate::live
