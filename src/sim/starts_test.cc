#include "sim/starts.h"

#include <gtest/gtest.h>

#include "sim/event_queue.h"
#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

Instant at(double s) { return Instant::from_nanos(0) + seconds_f(s); }
spec::Spread constant(std::int64_t s) { return {.p50 = seconds(s), .p90 = seconds(s)}; }

spec::Model model_of(const spec::ColdStart& cold) {
  spec::Model model = model_with(0, 10);
  model.variants[0].cold_start = cold;
  return model;
}

/// What the start of `id` found, as its change to ready tells it.
control::StartFrom found_by(Starts& starts, ReplicaId id, double begin) {
  std::vector<Started> steps;
  starts.begin(id, 0, at(begin));
  starts.advance(at(begin + 900), steps);
  EXPECT_EQ(steps.back().step, StartStep::kReady);
  return steps.back().stages.from;
}

/// Everything up to `until`; answers when `id` became ready, or -1.
double ready_at(Starts& starts, ReplicaId id, double until) {
  std::vector<Started> steps;
  starts.advance(at(until), steps);
  for (const Started& step : steps) {
    if (step.id == id && step.step == StartStep::kReady) return to_seconds(step.at - Instant());
  }
  return -1;
}

spec::ColdStart all_stages() {
  spec::ColdStart cold;
  cold.image = constant(40);
  cold.weights = {.bytes = 20'000'000'000,
                  .from = spec::WeightSource::kHub,
                  .bandwidth_bytes_per_second = 1'000'000'000};
  cold.engine = constant(30);
  cold.engine_cached = constant(10);
  return cold;
}

TEST(Starts, StagesAreTimedOneAfterTheOther) {
  Starts starts(model_of(all_stages()), 1);
  std::vector<Started> steps;
  starts.begin(ReplicaId(1), 0, at(100));
  starts.advance(at(1000), steps);
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_EQ(steps[0].step, StartStep::kGranted);
  EXPECT_EQ(steps[0].at, at(100)) << "the node is there: granted at once";
  EXPECT_EQ(steps[1].step, StartStep::kReady);
  EXPECT_EQ(steps[1].at, at(190));
  EXPECT_EQ(steps[1].stages,
            (control::StageTimes{seconds(0), seconds(40), seconds(20), seconds(30), seconds(90)}));
  EXPECT_TRUE(starts.next_event().is_never());
}

TEST(Starts, ANodeKeepsWhatAStartBroughtToIt) {
  Starts starts(model_of(all_stages()), 1);
  starts.begin(ReplicaId(1), 0, at(0));
  EXPECT_DOUBLE_EQ(ready_at(starts, ReplicaId(1), 500), 90);
  starts.release(ReplicaId(1), at(500));
  starts.begin(ReplicaId(2), 0, at(500));
  // The image is there, the weights come from NVMe at 3 GB/s, the engine is compiled.
  EXPECT_NEAR(ready_at(starts, ReplicaId(2), 1000), 500 + 20 / 3.0 + 10, 1e-6);
  starts.begin(ReplicaId(3), 0, at(1000));
  EXPECT_DOUBLE_EQ(ready_at(starts, ReplicaId(3), 2000), 1090) << "beside it: another node";
}

TEST(Starts, EachStartTellsWhatItFound) {
  Starts starts(model_of(all_stages()), 1);
  EXPECT_EQ(found_by(starts, ReplicaId(1), 0), control::StartFrom::kCold);
  starts.release(ReplicaId(1), at(900));
  EXPECT_EQ(found_by(starts, ReplicaId(2), 1000), control::StartFrom::kCachedWeights);
  EXPECT_EQ(found_by(starts, ReplicaId(3), 2000), control::StartFrom::kCold) << "another node";

  spec::ColdStart cold = all_stages();
  cold.procurement = constant(60);
  Starts procured(model_of(cold), 1);
  EXPECT_EQ(found_by(procured, ReplicaId(1), 0), control::StartFrom::kNoNode);
  procured.release(ReplicaId(1), at(900));
  EXPECT_EQ(found_by(procured, ReplicaId(2), 1000), control::StartFrom::kNoNode)
      << "the node went with the replica";
}

TEST(Starts, ANodeThatIsProcuredIsGivenBackWithItsCaches) {
  spec::ColdStart cold = all_stages();
  cold.procurement = constant(60);
  Starts starts(model_of(cold), 1);
  for (int round = 0; round < 2; ++round) {
    double begin = round * 1000.0;
    ReplicaId id(static_cast<std::uint64_t>(round) + 1);
    starts.begin(id, 0, at(begin));
    std::vector<Started> steps;
    starts.advance(at(begin + 60), steps);
    ASSERT_EQ(steps.size(), 1U);
    EXPECT_EQ(steps[0].at, at(begin + 60)) << "granted when the node is there";
    EXPECT_DOUBLE_EQ(ready_at(starts, id, begin + 900), begin + 150);
    starts.release(id, at(begin + 900));
  }
}

TEST(Starts, AHubIsSharedAndNvmeIsNot) {
  spec::ColdStart cold;
  cold.weights = {.bytes = 10'000'000'000,
                  .from = spec::WeightSource::kHub,
                  .bandwidth_bytes_per_second = 1'000'000'000};
  for (auto [source, ready] :
       {std::pair{spec::WeightSource::kHub, 20.0}, {spec::WeightSource::kNvme, 10.0}}) {
    cold.weights.from = source;
    Starts starts(model_of(cold), 1);
    starts.begin(ReplicaId(1), 0, at(0));
    starts.begin(ReplicaId(2), 0, at(0));
    EXPECT_DOUBLE_EQ(ready_at(starts, ReplicaId(2), 100), ready) << token(source);
  }
}

TEST(Starts, ACancelledLoadLeavesTheBandwidthToTheOthers) {
  spec::ColdStart cold;
  cold.weights = {.bytes = 10'000'000'000,
                  .from = spec::WeightSource::kHub,
                  .bandwidth_bytes_per_second = 1'000'000'000};
  Starts starts(model_of(cold), 1);
  starts.begin(ReplicaId(1), 0, at(0));
  starts.begin(ReplicaId(2), 0, at(0));
  EXPECT_EQ(ready_at(starts, ReplicaId(1), 4), -1);
  starts.release(ReplicaId(2), at(4));  // 2 of 10 GB each by now
  EXPECT_DOUBLE_EQ(ready_at(starts, ReplicaId(1), 100), 12);
  EXPECT_TRUE(starts.next_event().is_never());
}

TEST(EventQueue, EqualTimesComeOutAsTheyWentIn) {
  EventQueue<int> queue;
  Rng rng(1, "times");
  std::vector<std::pair<std::int64_t, int>> expected;
  for (int i = 0; i < 500; ++i) {
    auto time = static_cast<std::int64_t>(rng.below(20));
    queue.push(Instant::from_nanos(time), i);
    expected.emplace_back(time, i);
  }
  std::sort(expected.begin(), expected.end());
  for (auto [time, i] : expected) {
    EXPECT_EQ(queue.next(), Instant::from_nanos(time));
    EXPECT_EQ(queue.pop(), i);
  }
  EXPECT_TRUE(queue.next().is_never());
}

}  // namespace
}  // namespace tidegate::sim
