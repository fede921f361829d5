// tide in the virtual world: noise alone moves nothing, nothing costs nothing, and a rise that is
// slower than a cold start is met before it comes.

#include <gtest/gtest.h>

#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

spec::Model tide_model(std::int64_t min, std::int64_t max) {
  spec::Model model = model_with(min, max);
  model.scaling.policy = spec::PolicyKind::kTide;
  model.scaling.scale_down_delay = seconds(300);
  model.slo.ttft = spec::LatencyBound{0.99, seconds(2)};
  model.slo.itl = spec::LatencyBound{0.95, millis(60)};
  model.queue.max_requests = 2'000;
  model.queue.max_wait = seconds(120);
  model.variants[0].engine.max_num_seqs = 64;
  model.variants[0].cold_start.engine = {.p50 = seconds(120), .p90 = seconds(150)};
  return model;
}

TEST(TideInTheWorld, PoissonArrivalsMoveItAtMostOnceAnHourOnceItIsWarm) {
  for (std::uint64_t seed : {1, 2, 3}) {
    constexpr double kRate = 12, kHours = 4;
    WorldOptions options = world_of(tide_model(1, 30), {}, 2);
    options.seed = seed;
    World world(std::move(options));
    std::int64_t changes = 0;
    bool warm = false;
    for (const auto& request :
         poisson(kRate, static_cast<std::size_t>(kRate * kHours * 3'600), 500, 300, seed)) {
      if (!warm && request.at > seconds(3'600)) {
        warm = true;
        changes = -(world.totals().scale_ups + world.totals().scale_downs);
      }
      world.offer(request);
    }
    world.drain();
    world.finish(world.now());
    changes += world.totals().scale_ups + world.totals().scale_downs;
    EXPECT_LE(changes, kHours - 1) << "seed " << seed;
    EXPECT_GE(world.totals().score.attainment(), 0.99) << "seed " << seed;
  }
}

TEST(TideInTheWorld, ADayWithNothingRestsAtTheFloor) {
  for (std::int64_t floor : {0, 1}) {
    World world(world_of(tide_model(floor, 30), {}, 3));
    world.offer(request_at(seconds(1), 500, 300));
    world.finish(Instant() + seconds(86'400));
    EXPECT_EQ(world.view().desired.at(0).replicas.value(), floor);
    EXPECT_EQ(world.totals().scale_ups, 0) << "floor " << floor;
    EXPECT_EQ(world.totals().score.met, 1) << "floor " << floor;
  }
}

TEST(TideInTheWorld, MeetsARiseThatIsSlowerThanAColdStartWithFewReplicas) {
  // From 2 to 30 requests a second within an hour, then an hour of that.
  Rng rng(5, "rise");
  std::vector<workload::TraceRequest> trace;
  for (double t = 0; t < 7'200;) {
    const double rate = 2 + 28 * std::min(1.0, t / 3'600);
    t += rng.exponential(1 / rate);
    trace.push_back(request_at(seconds_f(t), 500, 300));
  }
  const Totals tide = played(world_of(tide_model(1, 30), {}, 1), trace).totals();
  EXPECT_GE(tide.score.attainment(), 0.99);
  EXPECT_LT(tide.gpu_hours, 0.9 * 2 * static_cast<double>(tide.replicas_peak));
  EXPECT_LE(tide.replicas_peak, 8) << "thirty a second are four replicas' work";
}

}  // namespace
}  // namespace tidegate::sim
