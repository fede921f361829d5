#include "core/engine/cold_start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidegate::engine {
namespace {

using spec::NodeState;
using spec::WeightSource;
using testing::ElementsAre;

TEST(Draw, ConstantsSamplesAndSpreads) {
  Rng rng(1, "cold");
  EXPECT_EQ(draw(spec::Spread{}, rng), Duration(0)) << "nothing said: no time";
  EXPECT_EQ(draw({seconds(40), seconds(40), {}}, rng), seconds(40)) << "p50 = p90: a constant";
  EXPECT_EQ(draw({seconds(40), Duration(0), {}}, rng), seconds(40)) << "p50 alone: a constant";
  int seen[2] = {0, 0};
  for (int i = 0; i < 1'000; ++i) {
    Duration d = draw({seconds(9), seconds(9), {seconds(1), seconds(2)}}, rng);
    ASSERT_TRUE(d == seconds(1) || d == seconds(2)) << "samples alone count";
    ++seen[d == seconds(2)];
  }
  EXPECT_NEAR(seen[0], 500, 80);
  int below_p50 = 0, below_p90 = 0;
  for (int i = 0; i < 10'000; ++i) {
    Duration d = draw({seconds(25), seconds(40), {}}, rng);
    below_p50 += d < seconds(25);
    below_p90 += d < seconds(40);
  }
  EXPECT_NEAR(below_p50, 5'000, 200);
  EXPECT_NEAR(below_p90, 9'000, 150);
}

spec::ColdStart example() {
  spec::ColdStart cold;
  cold.procurement = {seconds(120), seconds(120), {}};
  cold.image = {seconds(40), seconds(40), {}};
  cold.weights.bytes = 27'000'000'000;
  cold.weights.from = WeightSource::kHub;
  cold.engine = {seconds(25), seconds(25), {}};
  cold.engine_cached = spec::Spread{seconds(8), seconds(8), {}};
  return cold;
}

TEST(DrawStart, WhatTheNodeHasIsSkipped) {
  struct Row {
    const char* label;
    NodeState node;
    Duration procurement, image, engine;
    WeightSource source;
    std::int64_t bandwidth;
  };
  const Row rows[] = {
      {"a new node starts from nothing",
       {0, 0, 0, 0},
       seconds(120),
       seconds(40),
       seconds(25),
       WeightSource::kHub,
       500'000'000},
      {"a node that exists needs no procurement",
       {1, 0, 0, 0},
       Duration(0),
       seconds(40),
       seconds(25),
       WeightSource::kHub,
       500'000'000},
      {"a cached image is not pulled",
       {1, 1, 0, 0},
       Duration(0),
       Duration(0),
       seconds(25),
       WeightSource::kHub,
       500'000'000},
      {"cached weights come from NVMe",
       {1, 1, 1, 0},
       Duration(0),
       Duration(0),
       seconds(25),
       WeightSource::kNvme,
       3'000'000'000},
      {"a compiled engine starts faster",
       {1, 1, 1, 1},
       Duration(0),
       Duration(0),
       seconds(8),
       WeightSource::kNvme,
       3'000'000'000},
  };
  for (const Row& row : rows) {
    Rng rng(1, "cold");
    StartDraw start = draw_start(example(), row.node, rng);
    EXPECT_EQ(start.procurement, row.procurement) << row.label;
    EXPECT_EQ(start.image, row.image) << row.label;
    EXPECT_EQ(start.engine, row.engine) << row.label;
    EXPECT_EQ(start.weight_bytes, 27'000'000'000) << row.label;
    EXPECT_EQ(start.source, row.source) << row.label;
    EXPECT_EQ(start.source_bandwidth_bytes_per_second, row.bandwidth) << row.label;
  }
}

TEST(DrawStart, BandwidthAndTimeGivenByTheOperatorWin) {
  Rng rng(1, "cold");
  spec::ColdStart cold = example();
  cold.weights.bandwidth_bytes_per_second = 1'500'000'000;
  EXPECT_EQ(draw_start(cold, {}, rng).source_bandwidth_bytes_per_second, 1'500'000'000);
  EXPECT_EQ(draw_start(cold, {1, 1, 1, 0}, rng).source_bandwidth_bytes_per_second, 3'000'000'000)
      << "what was given is the hub's bandwidth, not the NVMe's";
  cold.weights.from = WeightSource::kImage;
  EXPECT_EQ(draw_start(cold, {}, rng).weight_bytes, 0) << "baked into the image: nothing to load";
  cold.weights.time = spec::Spread{seconds(30), seconds(30), {}};
  StartDraw timed = draw_start(cold, {}, rng);
  EXPECT_EQ(timed.weights, seconds(30));
  EXPECT_EQ(timed.weight_bytes, 0) << "a measured time replaces bytes";
}

TEST(DrawStart, WhatANodeHasCachedDoesNotShiftLaterDraws) {
  spec::ColdStart cold = example();
  for (spec::Spread* s : {&cold.procurement, &cold.image, &cold.engine, &*cold.engine_cached}) {
    *s = {seconds(10), seconds(30), {}};
  }
  Rng bare(3, "cold"), warm(3, "cold");
  draw_start(cold, {0, 0, 0, 0}, bare);
  draw_start(cold, {1, 1, 1, 1}, warm);
  EXPECT_EQ(draw_start(cold, {}, bare).engine, draw_start(cold, {}, warm).engine);
}

TEST(DrawWake, AnEngineThatSleepsTakesItsTimeAndAMachineTheRestOfAStart) {
  struct Row {
    spec::PoolState state;
    Duration engine;
    std::int64_t bytes;
    WeightSource source;
  };
  spec::Variant variant;
  variant.cold_start = example();
  variant.cold_start.wake_level1 = spec::Spread{seconds(1), seconds(1), {}};
  using spec::PoolState;
  for (const Row& row : {
           Row{PoolState::kLevel1, seconds(1), 0, WeightSource::kNvme},
           Row{PoolState::kLevel2, Duration(0), 0, WeightSource::kNvme},  // nothing is said
           Row{PoolState::kCachedWeights, seconds(8), 27'000'000'000, WeightSource::kNvme},
           Row{PoolState::kCachedImage, seconds(25), 27'000'000'000, WeightSource::kHub},
       }) {
    SCOPED_TRACE(token(row.state));
    variant.warm_pool.state = row.state;
    Rng rng(1, "wake");
    const StartDraw wake = draw_wake(variant, rng);
    EXPECT_EQ(wake.procurement + wake.image, Duration(0));
    EXPECT_EQ(wake.engine, row.engine);
    EXPECT_EQ(wake.weight_bytes, row.bytes);
    if (row.bytes > 0) {
      EXPECT_EQ(wake.source, row.source);
    }
  }
}

TEST(CompiledEngineKey, EveryPartMustMatch) {
  CompiledEngineKey key{"h100", "12.4", "0.19.0"};
  EXPECT_EQ(key, (CompiledEngineKey{"h100", "12.4", "0.19.0"}));
  EXPECT_NE(key, (CompiledEngineKey{"h200", "12.4", "0.19.0"}));
  EXPECT_NE(key, (CompiledEngineKey{"h100", "12.6", "0.19.0"}));
  EXPECT_NE(key, (CompiledEngineKey{"h100", "12.4", "0.19.1"}));
}

Instant at(double s) { return Instant{} + seconds_f(s); }

TEST(SharedBandwidth, LoadsThatRunTogetherShareTheRate) {
  SharedBandwidth source(1'000'000'000);
  std::vector<ReplicaId> done;
  EXPECT_TRUE(source.next_event().is_never());
  source.start(ReplicaId(1), 10'000'000'000, at(0));
  EXPECT_EQ(source.next_event(), at(10)) << "alone: bytes over rate";
  source.start(ReplicaId(2), 10'000'000'000, at(5));
  EXPECT_EQ(source.next_event(), at(15)) << "half the rate for the 5 GB that are left";
  source.advance(at(14.9), done);
  EXPECT_TRUE(done.empty());
  source.advance(at(15), done);
  EXPECT_THAT(done, ElementsAre(ReplicaId(1)));
  EXPECT_EQ(source.next_event(), at(20)) << "the whole rate again";
  source.cancel(ReplicaId(2), at(16));
  EXPECT_TRUE(source.next_event().is_never());
}

TEST(SharedBandwidth, CompletionsComeInOrderOfTimeAndId) {
  SharedBandwidth source(1'000);
  std::vector<ReplicaId> done;
  source.start(ReplicaId(3), 1'000, at(0));
  source.start(ReplicaId(1), 1'000, at(0));
  source.start(ReplicaId(2), 500, at(0));
  source.start(ReplicaId(9), 0, at(0));
  EXPECT_EQ(source.next_event(), at(0)) << "nothing to load is done at once";
  source.advance(at(100), done);
  EXPECT_THAT(done, ElementsAre(ReplicaId(9), ReplicaId(2), ReplicaId(1), ReplicaId(3)));
}

TEST(SharedBandwidth, ACompletionThatWasNotAskedForIsNotLost) {
  SharedBandwidth source(1'000);
  std::vector<ReplicaId> done;
  source.start(ReplicaId(1), 1'000, at(0));
  source.start(ReplicaId(2), 1'000, at(5));
  EXPECT_EQ(source.next_event(), at(1));
  source.advance(at(7), done);
  EXPECT_THAT(done, ElementsAre(ReplicaId(1), ReplicaId(2)));
}

TEST(SharedBandwidth, NothingIsServedWithoutARate) {
  SharedBandwidth source(0);
  source.start(ReplicaId(1), 1, at(0));
  EXPECT_TRUE(source.next_event().is_never());
}

TEST(SharedBandwidth, ABusySourceMovesItsRateWhateverTheSharing) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Rng rng(seed, "loads");
    auto rate = static_cast<std::int64_t>(1 + rng.below(5'000'000'000));
    SharedBandwidth source(rate), polled(rate);
    std::vector<ReplicaId> done, done_polled;
    __int128 bytes = 0;
    std::uint64_t count = 1 + rng.below(20);
    // All start within the time that the first alone takes, so the source is never idle.
    std::int64_t now = 0, first = static_cast<std::int64_t>(1 + rng.below(100)) * rate;
    for (std::uint64_t i = 0; i < count; ++i) {
      auto size = i == 0 ? first : static_cast<std::int64_t>(1 + rng.below(100'000'000'000));
      now += i == 0 ? 0 : static_cast<std::int64_t>(rng.below(1'000'000'000 / count));
      bytes += size;
      polled.advance(Instant::from_nanos(now - now / 3), done_polled);
      source.start(ReplicaId(i + 1), size, Instant::from_nanos(now));
      polled.start(ReplicaId(i + 1), size, Instant::from_nanos(now));
    }
    Instant last;
    while (!source.next_event().is_never()) {
      last = source.next_event();
      source.advance(last, done);
    }
    while (!polled.next_event().is_never()) {
      auto step = static_cast<std::int64_t>(1 + rng.below(5'000'000'000));
      now = std::min(now + step, polled.next_event().nanos());
      polled.advance(Instant::from_nanos(now), done_polled);
    }
    EXPECT_EQ(done, done_polled) << "polling changes nothing, seed " << seed;
    EXPECT_EQ(now, last.nanos()) << "seed " << seed;
    ASSERT_EQ(done.size(), count);
    auto exact = static_cast<std::int64_t>((bytes * 1'000'000'000 + rate - 1) / rate);
    EXPECT_NEAR(static_cast<double>(last.nanos() - exact), 0, static_cast<double>(2 * count + 2))
        << "total bytes over rate to the nanosecond, seed " << seed;
  }
}

}  // namespace
}  // namespace tidegate::engine
