// Hundreds of small worlds drawn from seeds, with every policy and everything going wrong: what
// must hold in each of them. A failure names its seed.

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "core/control/replicas.h"
#include "sim/test_random_world.h"

namespace tidegate::sim {
namespace {

using control::ReplicaState;

constexpr std::uint64_t kSeeds = 800;
constexpr std::uint64_t kTwinEvery = 8;  ///< seeds that are played twice
constexpr Duration kRestWithin = seconds(3'600);
constexpr Duration kRestLasts = seconds(120);

/// Holds what a world tells of itself against the invariants, as it happens.
class Watch : public Recorder {
 public:
  explicit Watch(const WorldOptions& options)
      : model_(options.model), active_(options.model.variants.size()) {}

  std::int64_t ended = 0;

  void request(const RequestRecord& r) override {
    auto number = static_cast<std::size_t>(r.number);
    if (ended_.size() <= number) ended_.resize(number + 1);
    EXPECT_FALSE(ended_[number]) << "request " << number << " ended twice";
    ended_[number] = true;
    ++ended;
    EXPECT_LE(r.arrived, r.ended);
    if (r.ending != workload::Ending::kCompleted) return;
    EXPECT_LE(r.arrived, r.dispatched);
    EXPECT_LT(r.dispatched, r.first);
    EXPECT_LE(r.first, r.ended);
  }

  void replica(Instant, const Change& c) override {
    auto known = states_.find(c.id);
    std::optional<ReplicaState> before;
    if (known != states_.end()) before = known->second;
    EXPECT_TRUE(c.adopted || follows(before, c.state))
        << "replica " << c.id.value() << " became " << token(c.state);
    std::int64_t& active = active_[c.variant];
    active -= before && control::is_active(*before) ? 1 : 0;
    active += control::is_active(c.state) ? 1 : 0;
    EXPECT_LE(active, model_.variants[c.variant].max_replicas.value());
    states_[c.id] = c.state;
  }

  void decision(const control::Decision& d, std::int64_t) override {
    for (std::size_t i = 0; i < d.plan.variants.size(); ++i) {
      const spec::Variant& variant = model_.variants[i];
      const plan::VariantMemory& before = d.plan_before.variants[i];
      const std::int64_t planned = d.plan.variants[i].replicas.value();
      EXPECT_LE(planned, variant.max_replicas.value());
      EXPECT_GE(planned, spec::min_replicas(model_, variant).value());
      bool none_there = before.capacity_failed_until > d.at;
      if (!d.recommendation.complete && !none_there) {
        EXPECT_GE(planned, before.target) << "down on missing data";
      }
    }
    for (const Reason& reason : d.reasons) {
      EXPECT_NE(token(reason.code), token(ReasonCode::kForeignWrite)) << "nobody else writes here";
    }
  }

  void sample(const Sample& s) override {
    EXPECT_EQ(s.ordered + s.starting + s.ready, s.desired) << "what is on its way counts";
    EXPECT_GE(s.queued, 0);
    EXPECT_LE(s.ended_total + s.queued, s.arrived_total);
  }

  std::int64_t active() const {
    std::int64_t sum = 0;
    for (std::int64_t n : active_) sum += n;
    return sum;
  }

 private:
  static bool follows(std::optional<ReplicaState> before, ReplicaState now) {
    if (!before) return now == ReplicaState::kOrdered;
    switch (now) {
      case ReplicaState::kOrdered:
      case ReplicaState::kSleeping:
        return false;
      case ReplicaState::kStarting:
        return *before == ReplicaState::kOrdered;
      case ReplicaState::kReady:
      case ReplicaState::kFailed:
        return *before == ReplicaState::kStarting;
      case ReplicaState::kDraining:
        return control::is_active(*before);
      case ReplicaState::kGone:  // a lost one does not drain
        return *before != ReplicaState::kGone;
    }
    return false;
  }

  spec::Model model_;
  std::vector<std::int64_t> active_;
  std::map<ReplicaId, ReplicaState> states_;
  std::vector<bool> ended_;
};

std::int64_t desired(const World& world) {
  std::int64_t sum = 0;
  for (const auto& variant : world.view().desired) sum += variant.replicas.value();
  return sum;
}

/// The most replicas that a policy wants for ever without demand. None: that is no question of
/// demand (static), it holds what there is where it saw too few requests (planner), its quarter of
/// an hour of complete data never comes (targettracking, with replicas that come and go), or
/// something is always on its way (saturation, with those or with too few devices).
std::optional<std::int64_t> rest(const RandomWorld& w, std::int64_t floor) {
  const workload::Faults& faults = w.options.faults;
  const bool proxy = w.options.front == Front::kProxy;
  // A page that is missing holds, and the scale-down delay begins again.
  if (proxy && faults.scrape_loss > 0) return std::nullopt;
  switch (w.options.model.scaling.policy) {
    case spec::PolicyKind::kStatic:
    case spec::PolicyKind::kPlanner:
      return std::nullopt;
    case spec::PolicyKind::kTargetTracking:
      if (!faults.spot.empty() || faults.scrape_loss > 0) return std::nullopt;
      break;
    case spec::PolicyKind::kSaturation:
      if (!faults.spot.empty() || !faults.pools.empty()) return std::nullopt;
      // From the pages alone each variant keeps its last
      return proxy ? floor + static_cast<std::int64_t>(w.options.model.variants.size()) : floor;
    default:
      break;
  }
  // Behind a proxy nobody would hold the request that ends a zero.
  return proxy ? std::max<std::int64_t>(1, floor) : floor;
}

/// Without demand the fleet comes to rest, and stays there.
void expect_rest(World& world, const RandomWorld& w, const Watch& watch) {
  const spec::Model& model = w.options.model;
  std::int64_t floor = 0;
  for (const spec::Variant& variant : model.variants) {
    floor += spec::min_replicas(model, variant).value();
  }
  EXPECT_GE(desired(world), floor);
  const std::optional<std::int64_t> most = rest(w, floor);
  if (!most) return;
  auto rests = [&] { return desired(world) <= *most && watch.active() == desired(world); };
  const Instant latest = world.now() + kRestWithin;
  // Windows still hold demand, and what a stock-out held back is asked for once more.
  world.run_until(world.now() + model.scaling.window + spec::scale_down_delay(model.scaling) +
                  seconds(60));
  while (!rests() && world.now() < latest) world.run_until(world.now() + seconds(20));
  EXPECT_LE(desired(world), *most) << "no rest after " << to_seconds(kRestWithin) << " s";
  EXPECT_EQ(watch.active(), desired(world));
  if (!w.options.faults.pools.empty()) return;  // who cannot have a device asks again and again
  const Instant until = world.now() + kRestLasts;
  while (world.now() < until && !testing::Test::HasFailure()) {
    world.run_until(world.now() + seconds(10));
    EXPECT_LE(desired(world), *most) << "rises without demand";
  }
}

/// Behind a plain proxy all a policy knows are pages: while none comes nothing goes down.
void expect_no_order_down_in_an_outage(const World& world, const RandomWorld& w) {
  const workload::Faults& faults = w.options.faults;
  if (w.options.front == Front::kGateway || faults.actuation_failure > 0 || !faults.pools.empty() ||
      !faults.stock_outs.empty() || w.options.model.scaling.policy == spec::PolicyKind::kStatic) {
    return;
  }
  // What was read last is stale by then, and what was decided on it is done: hpa and keda decide
  // each 15 s, saturation each minute.
  const Duration settled =
      seconds(w.options.model.scaling.policy == spec::PolicyKind::kSaturation ? 65 : 20);
  std::vector<std::int64_t> last = w.options.initial;
  for (const ScheduleStep& order : world.realised()) {
    for (const auto& outage : faults.scrape_outages) {
      bool blind =
          order.at > outage.from + settled + faults.actuation_delay && order.at < outage.until;
      if (blind) {
        EXPECT_GE(order.replicas, last[order.variant])
            << "down at " << to_seconds(order.at) << " s, blind since " << to_seconds(outage.from);
      }
    }
    last[order.variant] = order.replicas;
  }
}

struct Played {
  Schedule realised;
  workload::Score score;
  double gpu_hours = 0;
};

Played play(std::uint64_t seed) {
  RandomWorld w = random_world(seed);
  Watch watch(w.options);
  w.options.recorder = &watch;
  World world(w.options);
  workload::Generator requests(w.load, seed);
  std::int64_t offered = 0;
  for (workload::TraceRequest r; requests.next(r); ++offered) world.offer(r);
  world.drain();
  world.run_until(std::max(world.now(), Instant() + w.load.duration));
  expect_rest(world, w, watch);
  world.finish(world.now());

  const Totals totals = world.totals();
  const workload::Score& s = totals.score;
  EXPECT_EQ(s.requests, offered);
  EXPECT_EQ(s.completed + s.rejected + s.timed_out + s.lost, offered);
  EXPECT_EQ(watch.ended, offered) << "every arrival ends in exactly one outcome";
  EXPECT_LE(s.met, s.completed);
  EXPECT_EQ(world.in_flight(), 0);
  EXPECT_LE(to_seconds(totals.busy) / 3'600, totals.replica_hours + 1e-9) << "busy <= billed";
  expect_no_order_down_in_an_outage(world, w);
  if (w.options.faults.actuation_failure == 0) {
    std::map<std::size_t, std::int64_t> last;
    for (const ScheduleStep& order : world.realised()) {
      auto known = last.find(order.variant);
      EXPECT_TRUE(known == last.end() || known->second != order.replicas) << "ordered twice";
      last[order.variant] = order.replicas;
    }
  }
  return {world.realised(), s, totals.gpu_hours};
}

TEST(WorldProperty, InvariantsHoldInHundredsOfRandomWorlds) {
  for (std::uint64_t seed = 0; seed < kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", policy " +
                 std::string(token(random_world(seed).options.model.scaling.policy)));
    Played once = play(seed);
    if (seed % kTwinEvery != 0) continue;
    Played again = play(seed);
    EXPECT_EQ(once.realised, again.realised);
    EXPECT_EQ(once.score.ttft.sum(), again.score.ttft.sum());
    EXPECT_EQ(once.score.e2e.sum(), again.score.e2e.sum());
    EXPECT_EQ(once.score.met, again.score.met);
    EXPECT_EQ(once.gpu_hours, again.gpu_hours);
  }
}

}  // namespace
}  // namespace tidegate::sim
