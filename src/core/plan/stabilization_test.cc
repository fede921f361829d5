#include <gtest/gtest.h>

#include "core/plan/plan_for_test.h"

namespace tidegate::plan {
namespace {

TEST(Plan, ScaleDownDelayKeepsTheHighestRecommendationOfTheWindow) {
  Follower fleet{model_with(), {}, {2}, {}};
  fleet.model.scaling.scale_down_delay = seconds(100);
  EXPECT_EQ(fleet.one(0, 10), 10);
  EXPECT_EQ(fleet.one(1, 1), 10);
  EXPECT_TRUE(fleet.says(ReasonCode::kScaleDownDelay));
  EXPECT_EQ(fleet.one(50, 6), 10);
  EXPECT_EQ(fleet.one(100, 1), 10);
  EXPECT_EQ(fleet.one(101, 1), 6);  // the 10 is out of the window, the 6 is not
  EXPECT_EQ(fleet.one(150, 1), 6);
  EXPECT_EQ(fleet.one(151, 1), 1);
  EXPECT_FALSE(fleet.says(ReasonCode::kScaleDownDelay));
}

TEST(Plan, UnderTideWhatIsNotReadyGoesOnceItIsOfNoUse) {
  struct Row {
    const char* label;
    spec::PolicyKind policy;
    std::int64_t ready;  ///< of ten that were ordered
    double after;        ///< seconds for which four have been recommended
    std::int64_t planned;
  };
  const auto kTide = spec::PolicyKind::kTide;
  const Row rows[] = {
      {"four are ready and were enough for two fifths of the delay", kTide, 4, 121, 4},
      {"not for so long yet: the ten are still in it", kTide, 4, 119, 10},
      {"fewer are ready: the fourth stays on its way", kTide, 3, 200, 4},
      {"those that are ready stay for the delay", kTide, 7, 200, 7},
      {"a tenth is not worth a change", kTide, 9, 200, 10},
      {"then they go, too", kTide, 7, 301, 4},
      {"other policies: the delay is for all", spec::PolicyKind::kConcurrency, 4, 200, 10},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.label);
    spec::Model model = model_with();
    model.scaling.policy = row.policy;
    model.scaling.scale_down_delay = seconds(300);
    Memory memory;
    std::int64_t planned = 0;
    for (double now : {0.0, 1.0, row.after}) {
      signal::Observation seen = observe(model, {now > 0 ? row.ready : 0});
      seen.variants[0].fleet.starting = Replicas(now > 0 ? 10 - row.ready : 0);
      auto [plan, next] = run(model, seen, want(model, {now > 0 ? 4 : 10}), {}, memory, at(now));
      planned = plan.variants[0].replicas.value();
      memory = next;
    }
    EXPECT_EQ(planned, row.planned);
  }
}

TEST(Plan, HowLongASurplusIsWaitedForIsLearned) {
  spec::Model model = model_with();
  model.scaling.policy = spec::PolicyKind::kTide;
  model.scaling.scale_down_delay = seconds(300);
  Memory memory;
  double now = 0;
  std::int64_t planned = 0;
  auto decide = [&](std::int64_t wanted) {
    signal::Observation seen = observe(model, {std::min<std::int64_t>(planned, 4)});
    seen.variants[0].fleet.starting = Replicas(std::max<std::int64_t>(planned - 4, 0));
    auto [plan, next] = run(model, seen, want(model, {wanted}), {}, memory, at(now));
    planned = plan.variants[0].replicas.value();
    memory = next;
    now += 5;
  };
  // Ten for a moment, then four, which are ready: seconds until the other six are cancelled.
  auto cancelled_after = [&] {
    decide(10);
    const double began = now;
    while (planned > 4) decide(4);
    return now - began - 5;
  };
  auto rest = [&](double length) {
    for (const double until = now + length; now < until;) decide(4);
  };
  EXPECT_EQ(cancelled_after(), 120);
  rest(400);
  EXPECT_EQ(cancelled_after(), 60);
  rest(400);
  EXPECT_EQ(cancelled_after(), 60) << "never sooner than a window";
  EXPECT_EQ(cancelled_after(), 120) << "wanted again at once";
  EXPECT_EQ(cancelled_after(), 240);
  EXPECT_EQ(cancelled_after(), 300) << "never later than the delay";
  rest(400);
  EXPECT_EQ(cancelled_after(), 150);
}

TEST(Plan, AnEmptyMemoryWaitsBeforeItLowersWhatRuns) {
  Follower fleet{model_with(), {}, {5}, {}};
  fleet.model.scaling.scale_down_delay = seconds(60);
  EXPECT_EQ(fleet.one(0, 0), 5);
  EXPECT_EQ(fleet.one(60, 0), 5);
  EXPECT_EQ(fleet.one(61, 0), 0);
}

TEST(Plan, AStabilizationWindowTakesThePlaceOfTheDelay) {
  Follower fleet{model_with(), {}, {1}, {}};
  fleet.model.scaling.scale_down_delay = seconds(900);
  fleet.model.scaling.scale_down.stabilization_window = seconds(10);
  fleet.model.scaling.scale_up.stabilization_window = seconds(5);
  EXPECT_EQ(fleet.one(0, 1), 1);
  EXPECT_EQ(fleet.one(4, 8), 1);  // five seconds ago one was enough
  EXPECT_TRUE(fleet.says(ReasonCode::kStabilization));
  EXPECT_EQ(fleet.one(6, 7), 7);
  EXPECT_EQ(fleet.one(7, 2), 7);
  EXPECT_EQ(fleet.one(17, 2), 2);
}

}  // namespace
}  // namespace tidegate::plan
