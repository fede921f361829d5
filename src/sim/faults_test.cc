#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/cluster.h"
#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

using control::ReplicaState;

/// Every change of every replica, with its time.
struct Life : Recorder {
  struct Line {
    std::int64_t at_seconds;
    std::uint64_t id;
    ReplicaState state;
    bool operator==(const Line&) const = default;
  };
  std::vector<Line> lines;
  std::int64_t lost = 0, completed = 0;
  void replica(Instant at, const Change& c) override {
    lines.push_back({(at - Instant()).count() / seconds(1).count(), c.id.value(), c.state});
  }
  void request(const RequestRecord& r) override {
    lost += r.ending == workload::Ending::kLost ? 1 : 0;
    completed += r.ending == workload::Ending::kCompleted ? 1 : 0;
  }
  std::vector<std::int64_t> times_of(ReplicaState state) const {
    std::vector<std::int64_t> out;
    for (const Line& line : lines) {
      if (line.state == state) out.push_back(line.at_seconds);
    }
    return out;
  }
};

/// Static: as many as ordered, so that only faults move the fleet.
WorldOptions held_at(std::int64_t replicas, Life& life, std::int64_t initial) {
  spec::Model model = model_with(replicas, replicas);
  model.scaling.policy_knob = static_cast<double>(replicas);
  WorldOptions options = world_of(model, engine::Profile{}, initial);
  options.recorder = &life;
  return options;
}

std::vector<workload::TraceRequest> steady(std::int64_t for_seconds) {
  return poisson(2, static_cast<std::size_t>(2 * for_seconds), 500, 200);
}

void expect_conserved(const World& world) {
  const workload::Score& s = world.totals().score;
  EXPECT_EQ(s.requests, s.completed + s.rejected + s.timed_out + s.lost);
  EXPECT_EQ(world.in_flight(), 0);
  EXPECT_LE(to_seconds(world.totals().busy) / 3600, world.totals().replica_hours + 1e-9);
}

using testing::ElementsAre;

TEST(Faults, AReclaimedReplicaDrainsWithinItsNoticeAndIsOrderedAgain) {
  Life life;
  WorldOptions options = held_at(2, life, 2);
  options.faults.reclaims = {{.at = seconds(100), .count = 1, .notice = seconds(30)}};
  World world = played(std::move(options), steady(300));
  EXPECT_THAT(life.times_of(ReplicaState::kOrdered), ElementsAre(100));
  EXPECT_THAT(life.times_of(ReplicaState::kDraining), ElementsAre(100));
  EXPECT_THAT(life.times_of(ReplicaState::kReady), ElementsAre(0, 0, 160)) << "60 s of cold start";
  EXPECT_EQ(life.lost, 0) << "200 tokens end within 30 s";
  expect_conserved(world);
}

TEST(Faults, WithoutNoticeWhatHadBegunIsLostAndTheRestIsPlacedAgain) {
  Life life;
  WorldOptions options = held_at(2, life, 2);
  options.faults.reclaims = {{.at = seconds(100), .count = 2}};
  World world = played(std::move(options), steady(300));
  EXPECT_GT(life.lost, 0);
  EXPECT_LT(life.lost, 20);
  EXPECT_THAT(life.times_of(ReplicaState::kGone), ElementsAre(100, 100));
  EXPECT_THAT(life.times_of(ReplicaState::kReady), ElementsAre(0, 0, 160, 160));
  expect_conserved(world);
}

TEST(Faults, SpotReplicasLiveAboutTheirMeanLife) {
  Life life;
  WorldOptions options = held_at(4, life, 4);
  options.faults.spot = {{.mean_life = seconds(600), .notice = seconds(120)}};
  World world = played(std::move(options), steady(8 * 3600));
  // 4 replicas, each 600 s of life and 60 s of start: 8 h / 660 s * 4 = 175.
  EXPECT_NEAR(static_cast<double>(life.times_of(ReplicaState::kDraining).size()), 175, 40);
  EXPECT_EQ(life.lost, 0);
  expect_conserved(world);
}

TEST(Faults, AStockOutHoldsStartsBackUntilItEnds) {
  Life life;
  WorldOptions options = held_at(3, life, 1);
  options.faults.stock_outs = {{.until = seconds(200), .replicas = 2}};
  World world = played(std::move(options), steady(400));
  const auto started = life.times_of(ReplicaState::kStarting);
  ASSERT_EQ(started.size(), 2u);
  EXPECT_EQ(started[0], 0);
  // The controller hears of it and asks again each 30 s; the one that finds stock is granted.
  EXPECT_GE(started[1], 200);
  EXPECT_LE(started[1], 231);
  expect_conserved(world);
}

TEST(Faults, AScheduleWaitsForStockInProcurement) {
  Life life;
  WorldOptions options = held_at(3, life, 1);
  options.schedule = Schedule{{seconds(10), 0, 3}};
  options.faults.stock_outs = {{.from = seconds(5), .until = seconds(200), .replicas = 1}};
  World world = played(std::move(options), steady(400));
  EXPECT_THAT(life.times_of(ReplicaState::kStarting), ElementsAre(200, 200));
  EXPECT_THAT(life.times_of(ReplicaState::kReady), ElementsAre(0, 260, 260));
}

TEST(Faults, AFailedStartIsOrderedAgain) {
  Life life;
  WorldOptions options = held_at(3, life, 1);
  options.faults.start_failure = 0.5;
  World world = played(std::move(options), steady(3000));
  const auto failed = life.times_of(ReplicaState::kFailed).size();
  EXPECT_GT(failed, 0u);
  EXPECT_EQ(life.times_of(ReplicaState::kReady).size(), 3u);
  EXPECT_EQ(life.times_of(ReplicaState::kOrdered).size(), 2 + failed);
  expect_conserved(world);
}

TEST(Faults, ASlowReplicaIsSlowForAsLongAsItIsSaid) {
  Life life;
  WorldOptions options = held_at(1, life, 1);
  options.faults.slowdowns = {{.until = seconds(150), .count = 1, .factor = 3}};
  const auto one_in_each = {request_at(seconds(10), 500, 200), request_at(seconds(200), 500, 200)};
  const workload::Sketch itl = played(std::move(options), one_in_each).totals().score.itl;
  EXPECT_NEAR(itl.quantile(1) / itl.quantile(0), 3, 0.05);
}

/// Elastic, and what its decisions saw.
struct Eyes : Recorder {
  std::int64_t stale = 0, decisions = 0, refused = 0;
  void decision(const control::Decision& d, std::int64_t) override {
    ++decisions;
    stale += d.observation.variants[0].running_requests.complete() ? 0 : 1;
  }
};

WorldOptions elastic(Eyes& eyes) {
  spec::Model model = model_with(1, 6);
  model.scaling.policy = spec::PolicyKind::kConcurrency;
  model.scaling.concurrency_target = 16;
  model.scaling.scale_down_delay = seconds(60);
  WorldOptions options = world_of(model, engine::Profile{}, 1);
  options.recorder = &eyes;
  return options;
}

TEST(Faults, InAScrapeOutageSignalsGrowStaleAndTheGatewayCarriesOn) {
  Eyes eyes;
  WorldOptions options = elastic(eyes);
  options.faults.scrape_outages = {{.from = seconds(50)}};
  World world = played(std::move(options), poisson(12, 3000, 500, 200));
  EXPECT_GT(eyes.stale, 0);
  EXPECT_GT(world.totals().scale_ups, 0);
  expect_conserved(world);
}

TEST(Faults, LostPagesAreAShareOfThem) {
  struct Kv : Recorder {
    std::int64_t changes = 0;
    double last = -1;
    void sample(const Sample& s) override {
      changes += s.kv_usage != last ? 1 : 0;
      last = s.kv_usage;
    }
  };
  auto changes = [](double loss) {
    Kv kv;
    WorldOptions options = world_of(model_with(1, 1), engine::Profile{}, 1);
    options.recorder = &kv;
    options.faults.scrape_loss = loss;
    played(std::move(options), steady(1000));
    return static_cast<double>(kv.changes);
  };
  EXPECT_NEAR(changes(0.75) / changes(0), 0.25, 0.05);
}

TEST(Faults, ARefusedOrderIsGivenAgain) {
  Eyes eyes;
  WorldOptions options = elastic(eyes);
  options.faults.actuation_failure = 0.7;
  World world = played(std::move(options), poisson(12, 3000, 500, 200));
  EXPECT_GT(world.totals().scale_ups, 0);
  EXPECT_GT(world.totals().replicas_peak, 1);
  expect_conserved(world);
}

TEST(Cluster, ADeviceThatOneModelFreesIsGrantedToTheOther) {
  Life a, b;
  workload::Faults faults;
  faults.pools = {{.accelerator = "h100", .devices = 4}};
  auto options = [&](const std::string& name, Life& life, Schedule schedule) {
    spec::Model model = model_with(0, 4);
    model.name = name;
    model.variants[0].hardware = {.accelerator = "h100", .count = 2};
    WorldOptions out = world_of(model, engine::Profile{}, 1);
    out.recorder = &life;
    out.faults = faults;
    out.schedule = std::move(schedule);
    return out;
  };
  Cluster cluster(faults);
  cluster.add(options("a", a, {{seconds(100), 0, 0}}));
  cluster.add(options("b", b, {{seconds(10), 0, 2}}));
  for (const auto& request : steady(300)) cluster.offer(1, request);
  cluster.drain();
  EXPECT_THAT(a.times_of(ReplicaState::kGone), ElementsAre(100));
  EXPECT_THAT(b.times_of(ReplicaState::kStarting), ElementsAre(100));
  EXPECT_THAT(b.times_of(ReplicaState::kReady), ElementsAre(0, 160));
}

TEST(Supply, TheFirstToAskIsServedFirstAndSmallOnesDoNotStarveLargeOnes) {
  workload::Faults faults;
  faults.pools = {{.accelerator = "h100", .devices = 4}};
  Supply supply(faults);
  auto join = [&](std::int64_t devices) {
    spec::Model model = model_with(0, 4);
    model.variants[0].hardware = {.accelerator = "h100", .count = devices};
    return supply.join(model);
  };
  const std::size_t small = join(1), large = join(4);
  const Instant now = Instant() + seconds(1), later = Instant() + seconds(2);
  EXPECT_TRUE(supply.claim(small, ReplicaId(1), 0, now));
  EXPECT_FALSE(supply.claim(large, ReplicaId(1), 0, now));
  EXPECT_FALSE(supply.claim(small, ReplicaId(2), 0, now)) << "behind the large one";
  supply.free(small, ReplicaId(1), later);
  EXPECT_EQ(supply.next_event(large), later);
  std::vector<ReplicaId> granted;
  supply.advance(large, later, granted);
  EXPECT_THAT(granted, ElementsAre(ReplicaId(1)));
  EXPECT_TRUE(supply.next_event(small).is_never());
  supply.free(large, ReplicaId(1), later);
  EXPECT_EQ(supply.next_event(small), later);
}

}  // namespace
}  // namespace tidegate::sim
