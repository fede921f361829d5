// What a real World tells, held against its own totals: files and table must say the same.

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/report/series_recorder.h"
#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

struct Tally : SeriesRecorder {
  using SeriesRecorder::SeriesRecorder;
  std::int64_t requests = 0, met = 0;
  std::vector<std::int64_t> numbers;
  void request(const RequestRecord& r) override {
    SeriesRecorder::request(r);
    ++requests;
    met += r.met ? 1 : 0;
    numbers.push_back(r.number);
    EXPECT_LE(r.arrived, r.ended);
    if (r.ending != workload::Ending::kCompleted) return;
    EXPECT_LE(r.arrived, r.dispatched);
    EXPECT_LE(r.dispatched, r.first);
    EXPECT_LE(r.first, r.ended);
  }
};

TEST(WorldReport, TheSeriesAddUpToTheTotals) {
  spec::Model model = model_with(1, 6);
  model.scaling.policy = spec::PolicyKind::kConcurrency;
  model.scaling.concurrency_target = 8;
  model.scaling.window = seconds(10);
  model.scaling.scale_down_delay = seconds(30);
  model.slo.ttft = spec::LatencyBound{0.99, seconds(2)};
  model.queue.max_wait = seconds(50);
  Tally seen(model);
  WorldOptions options = world_of(model, engine::Profile{}, 1);
  options.recorder = &seen;
  auto trace = poisson(12, 6'000, 400, 300, 3);
  World world(options);
  for (const auto& request : trace) world.offer(request);
  world.drain();
  world.finish(world.now() + seconds(100));
  Totals totals = world.totals();

  EXPECT_EQ(seen.requests, totals.score.requests);
  EXPECT_EQ(seen.met, totals.score.met);
  std::sort(seen.numbers.begin(), seen.numbers.end());
  for (std::size_t i = 0; i < seen.numbers.size(); ++i) {
    ASSERT_EQ(seen.numbers[i], static_cast<std::int64_t>(i) + 1) << "each request once";
  }
  std::int64_t ready = 0;
  for (const StartRow& start : seen.starts().kept()) ready += start.ready ? 1 : 0;
  ASSERT_EQ(seen.starts().every(), 1) << "few enough to be kept all";
  EXPECT_EQ(ready, totals.cold_starts);
  ASSERT_GT(totals.cold_starts, 0) << "or the test shows nothing";

  std::int64_t arrived = 0, met = 0, ended = 0;
  double queue_most = 0, replicas_most = 0;
  for (const Bucket& bucket : seen.series().buckets()) {
    arrived += bucket.arrived;
    met += bucket.met;
    ended += bucket.ended;
    queue_most = std::max(queue_most, bucket[Channel::kQueue].most);
    replicas_most = std::max(replicas_most, bucket[Channel::kReady].most);
  }
  EXPECT_EQ(arrived, totals.score.requests);
  EXPECT_EQ(ended, totals.score.requests);
  EXPECT_EQ(met, totals.score.met);
  EXPECT_GT(queue_most, 0);
  EXPECT_LE(queue_most, static_cast<double>(totals.queue_peak))
      << "a sample is no more than a peak";
  EXPECT_LE(replicas_most, static_cast<double>(totals.replicas_peak));
  EXPECT_NEAR(seen.series().buckets().back().cost_dollars, totals.cost_dollars,
              6 * 2.0 / 3600 + 1e-9)
      << "the last sample is at most a tick before the end";
  EXPECT_EQ(seen.moves().total() > 0, totals.scale_ups + totals.scale_downs > 0);
}

}  // namespace
}  // namespace tidegate::sim
