#include "sim/report/series_recorder.h"

#include <gtest/gtest.h>

#include "sim/report/report_test_data.h"
#include "sim/sizing.h"

namespace tidegate::sim {
namespace {

using namespace testing_report;
using S = control::ReplicaState;

TEST(StartLog, SpansAddUpToTheWholeStart) {
  struct Row {
    const char* label;
    StartRow start;
    std::vector<std::pair<std::string, double>> expected;
  };
  const control::StageTimes all{.procurement = seconds(1),
                                .image = seconds(2),
                                .weights = seconds(3),
                                .engine = seconds(4),
                                .total = seconds(15)};
  for (const Row& row : {
           Row{"what no stage accounts for was waited first",
               {.ordered = at(0), .granted = at(6), .ended = at(15), .ready = true, .stages = all},
               {{"ordered", 5}, {"procurement", 1}, {"image", 2}, {"weights", 3}, {"engine", 4}}},
           Row{"stages nobody saw leave one stretch",
               {.ordered = at(0), .ended = at(7), .ready = true},
               {{"ordered", 7}}},
           Row{"stages longer than the start are cut at its end",
               {.ordered = at(0), .ended = at(4), .ready = true, .stages = all},
               {{"procurement", 1}, {"image", 2}, {"weights", 1}}},
           Row{"given up before its node came",
               {.ordered = at(0), .ended = at(3)},
               {{"procurement", 3}}},
           Row{"given up after",
               {.ordered = at(0), .granted = at(1), .ended = at(3)},
               {{"procurement", 1}, {"starting", 2}}},
           Row{"ready at once", {.ordered = at(3), .ended = at(3), .ready = true}, {}},
       }) {
    SCOPED_TRACE(row.label);
    std::vector<std::pair<std::string, double>> seen;
    Instant until = row.start.ordered;
    for (const Span& span : spans(row.start)) {
      EXPECT_EQ(span.from, until);
      until = span.to;
      seen.emplace_back(span.stage, to_seconds(span.to - span.from));
    }
    EXPECT_EQ(until, row.start.ended);
    EXPECT_EQ(seen, row.expected);
  }
}

TEST(SeriesRecorder, AStartIsKeptWithItsStagesAndOneGivenUpIsCounted) {
  SeriesRecorder seen(two_variants());
  tell_life(seen, 1);
  seen.replica(at(200), change(2, S::kOrdered));
  seen.replica(at(201), change(2, S::kDraining));
  seen.replica(at(201), change(2, S::kGone));
  EXPECT_EQ(seen.starts().total(), 2);
  EXPECT_EQ(seen.given_up(), 1);
  ASSERT_EQ(seen.stages().size(), 5U);
  EXPECT_EQ(seen.stages()[2].most, 15) << "weights";
  EXPECT_EQ(seen.stages()[4].most, 25) << "total";
  EXPECT_EQ(seen.stages()[4].sketch.count(), 1) << "what was given up has no stages";
}

TEST(SeriesRecorder, AReplicaThatWasThereFromTheBeginningIsNoStart) {
  SeriesRecorder seen(two_variants());
  Change adopted = change(1, S::kReady);
  adopted.adopted = true;
  seen.replica(at(0), adopted);
  seen.replica(at(5), change(1, S::kDraining));
  EXPECT_EQ(seen.starts().total(), 0);
}

TEST(SeriesRecorder, RepeatsCountForTheDecisionBeforeThem) {
  SeriesRecorder seen(two_variants());
  Reason hold{ReasonCode::kScaleDownDelay, "h100", 1, 2, {}};
  Reason low{ReasonCode::kConcurrency, "h100", 2, 1, {}};
  Reason high{ReasonCode::kConcurrency, "h100", 2, 5, {}};
  seen.decision(decision(at(0), {2, 0}, {low, hold}), 0);
  seen.decision(decision(at(60), {5, 0}, {high}), 59);
  EXPECT_EQ(seen.decisions(), 61);
  const ReasonTally& concurrency = seen.reasons().at(ReasonCode::kConcurrency);
  const ReasonTally& delay = seen.reasons().at(ReasonCode::kScaleDownDelay);
  EXPECT_EQ(delay.decisions, 60);
  EXPECT_EQ(delay.bound, 60);
  EXPECT_EQ(delay.raised, 1);
  EXPECT_EQ(concurrency.decisions, 61);
  EXPECT_EQ(concurrency.bound, 1);
  EXPECT_EQ(concurrency.raised, 3);
  EXPECT_EQ(concurrency.lowered, 1);
}

TEST(SeriesRecorder, BoundDecisionsAreAllDecisionsThatGaveAReason) {
  SeriesRecorder seen(two_variants());
  const ReasonCode codes[] = {ReasonCode::kMetric, ReasonCode::kPanic, ReasonCode::kNoTraffic};
  std::int64_t expected = 0;
  for (std::int64_t i = 0; i < 100; ++i) {
    std::int64_t repeats = i == 0 ? 0 : i % 7;
    seen.decision(
        decision(at(static_cast<double>(i)), {i % 4, 0}, {{codes[i % 3], "", i % 2, 1, {}}}),
        repeats);
    expected += repeats + 1;
  }
  std::int64_t bound = 0;
  for (const auto& [code, tally] : seen.reasons()) bound += tally.bound;
  EXPECT_EQ(bound, expected);
  EXPECT_EQ(seen.decisions(), expected);
}

TEST(SeriesRecorder, AMoveIsADecisionThatChangedTheNumber) {
  SeriesRecorder seen(two_variants());
  for (std::uint64_t id : {1, 2}) {
    Change adopted = change(id, S::kReady);
    adopted.adopted = true;
    seen.replica(at(0), adopted);
  }
  seen.decision(decision(at(1), {1, 1}), 0);  // as many as there were
  seen.decision(decision(at(2), {1, 4}, {{ReasonCode::kPanic, "l40s", 1, 4, {}}}), 0);
  seen.decision(decision(at(3), {4, 1}), 0);  // another variant, as many
  ASSERT_EQ(seen.moves().kept().size(), 1U);
  const Move& move = seen.moves().kept()[0];
  EXPECT_EQ(move.at, at(2));
  EXPECT_EQ(move.before, 2);
  EXPECT_EQ(move.after, 5);
  EXPECT_EQ(move.code, ReasonCode::kPanic);
}

TEST(SeriesRecorder, ASustainedRateIsThatOfEqualLengthsWhereAllAreEqual) {
  spec::Model model = two_variants();
  model.slo.itl = spec::LatencyBound{0.95, millis(60)};
  model.variants[1].engine.max_num_seqs = 8;
  SeriesRecorder seen(model);
  EXPECT_TRUE(seen.sustained().empty()) << "nothing completed: no lengths to judge by";
  for (int i = 0; i < 3; ++i) {
    seen.request({.ending = workload::Ending::kCompleted,
                  .prompt_tokens = 600,
                  .cached_tokens = 100,
                  .output_tokens = 500});
  }
  seen.request({.ending = workload::Ending::kRejected, .prompt_tokens = 100'000});
  std::vector<double> each = seen.sustained();
  ASSERT_EQ(each.size(), 2U);
  for (std::size_t v = 0; v < 2; ++v) {
    EXPECT_DOUBLE_EQ(each[v], sustained(model, model.variants[v], {500, 500}));
  }
  EXPECT_LT(each[1], each[0]);
}

}  // namespace
}  // namespace tidegate::sim
