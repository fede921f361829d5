#include "live/gateway/traffic.h"

#include <gtest/gtest.h>

namespace tidegate::live {
namespace {

using route::Outcome;

constexpr Instant at(std::int64_t second) { return Instant::from_nanos(second * 1'000'000'000); }

TEST(Traffic, JudgesEachRequestByWhatItsClientCouldSee) {
  struct Row {
    const char* label;
    Ended ended;
    std::int64_t judged, met;
  };
  const Ended good{
      .streamed = true, .bound = true, .ttft = seconds(1), .e2e = seconds(2), .output_tokens = 101};
  auto with = [&](auto change) {
    Ended e = good;
    change(e);
    return e;
  };
  const Row rows[] = {
      {"a stream within all bounds", good, 1, 1},
      {"a late first token", with([](Ended& e) { e.ttft = millis(1900); }), 1, 0},
      {"slow tokens", with([](Ended& e) { e.output_tokens = 3; }), 1, 0},
      {"a whole answer has no first token to be late",
       with([](Ended& e) { e.streamed = false, e.ttft = {}; }), 1, 1},
      {"a whole answer that is late",
       with([](Ended& e) { e.streamed = false, e.e2e = seconds(9); }), 1, 0},
      {"rejected", with([](Ended& e) { e.outcome = Outcome::kQueueFull; }), 1, 0},
      {"lost", with([](Ended& e) { e.outcome = Outcome::kUpstreamLost; }), 1, 0},
      {"the engine failed", with([](Ended& e) { e.status = 500; }), 1, 0},
      {"the client's own mistake is not held against us", with([](Ended& e) { e.status = 400; }), 0,
       0},
      {"the client left", with([](Ended& e) { e.outcome = Outcome::kClientGone; }), 0, 0},
  };
  spec::Model model;
  model.slo.ttft = {0.99, millis(1500)};
  model.slo.itl = {0.95, millis(50)};
  model.slo.e2e = {0.95, seconds(8)};
  for (const Row& row : rows) {
    Traffic traffic;
    traffic.add(row.ended, model, at(1));
    EXPECT_EQ(traffic.judged, row.judged) << row.label;
    EXPECT_EQ(traffic.met, row.met) << row.label;
    EXPECT_EQ(traffic.requests(), 1) << row.label;
  }
}

TEST(LatencyHistogram, BoundsAreInclusiveAndTheLastBucketTakesTheRest) {
  LatencyHistogram histogram;
  for (double value : {0.005, 0.0051, 600.0, 601.0}) histogram.add(value);
  EXPECT_EQ(histogram.counts.front(), 1);
  EXPECT_EQ(histogram.counts[1], 1);
  EXPECT_EQ(histogram.counts[histogram.kBounds.size() - 1], 1);
  EXPECT_EQ(histogram.counts.back(), 1);
  EXPECT_DOUBLE_EQ(histogram.sum, 1201.0101);
}

}  // namespace
}  // namespace tidegate::live
