// Thousands of random histories: a toy fleet that is late, crashes, is written to by others and
// refuses; signals that are lost, stale or partial; an operator who interferes; restarts.
// Invariants after each event.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/base/rng.h"
#include "core/control/control_test_world.h"

namespace tidegate::control {
namespace {

constexpr std::uint64_t kSeeds = 1500;
constexpr int kEvents = 120;

spec::Model random_model(Rng& rng) {
  spec::Model model = model_with(static_cast<std::int64_t>(rng.below(3)),
                                 static_cast<std::int64_t>(3 + rng.below(10)), 1 + rng.below(2));
  do {
    model.scaling.policy =
        static_cast<spec::PolicyKind>(rng.below(std::size(EnumTokens<spec::PolicyKind>::kTokens)));
  } while (!policy::is_built(model.scaling.policy));
  model.scaling.scale_down_delay = seconds(static_cast<std::int64_t>(rng.below(4) * 10));
  model.scaling.window = seconds(10);
  for (spec::Variant& variant : model.variants) {
    const auto most = static_cast<std::int64_t>(rng.below(4));
    const auto least = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most) + 1));
    variant.warm_pool = {.min_replicas = Replicas(least),
                         .max_replicas = Replicas(most),
                         .holds_device = rng.below(2) == 0};
  }
  if (rng.below(3) == 0) model.scaling.prewarm = spec::Prewarm{0.02, seconds(20)};
  if (rng.below(3) == 0) {
    model.scaling.scale_up.policies = {{spec::ScalePolicyType::kPods, 2, seconds(15)}};
  }
  return model;
}

signal::Signal spoiled(signal::Signal signal, Rng& rng) {
  if (rng.below(12) == 0) return {};
  if (rng.below(12) == 0) signal.freshness = signal::Freshness::kStale;
  if (rng.below(12) == 0) signal.coverage = rng.uniform();
  return signal;
}

/// Draws the events of one history; knows replicas so that its changes make sense, mostly.
class Chaos {
 public:
  Chaos(spec::Model model, std::uint64_t seed) : model_(std::move(model)), rng_(seed, "chaos") {}

  Event next(Instant now) {
    switch (rng_.below(16)) {
      case 0:
        return OperatorSaid{Said::kScale, variant(), count() * 2, {}};
      case 1:
        return OperatorSaid{Said::kPause, "", 0, {}};
      case 2:
        return OperatorSaid{Said::kResume, "", 0, seconds(small() * 4)};
      case 3:
        return CapacityFailed{variant(), small() - 1, seconds(1 + small()), "no device"};
      case 4:
        return LeadershipChanged{small() == 0 ? std::uint8_t{0} : std::uint8_t{1}};
      case 5:
        return Applied{variant(), count(), small() == 0 ? std::uint8_t{0} : std::uint8_t{1}, ""};
      case 6:
      case 7:
      case 8:
        return change();
      case 9:
        return Tick{};
      default:
        return observe(now);
    }
  }
  std::string variant() { return model_.variants[rng_.below(model_.variants.size())].name; }

 private:
  std::int64_t small() { return static_cast<std::int64_t>(rng_.below(5)); }
  std::int64_t count() { return static_cast<std::int64_t>(rng_.below(10)); }

  Event change() {
    std::uint64_t id = 1 + rng_.below(12);  // an id keeps its variant
    const spec::Variant& variant = model_.variants[id % model_.variants.size()];
    return ReplicaChanged{ReplicaId(id),
                          variant.name,
                          static_cast<ReplicaState>(rng_.below(7)),
                          {},
                          rng_.below(8) == 0 ? std::uint8_t{1} : std::uint8_t{0}};
  }

  Event observe(Instant now) {
    load_ = std::max<std::int64_t>(0, load_ + static_cast<std::int64_t>(rng_.below(41)) - 20);
    if (rng_.below(10) == 0) load_ = 0;
    Observed out = observed(model_, now, load_ / 2, load_ - load_ / 2);
    out.observation.gateway = spoiled(out.observation.gateway, rng_);
    out.observation.ttft_p99_seconds = spoiled(fresh(rng_.uniform() * 4), rng_);
    for (signal::VariantObservation& variant : out.observation.variants) {
      variant.fleet.ready = Replicas(small());
      variant.kv_usage = spoiled(fresh(rng_.uniform()), rng_);
      variant.running_requests = spoiled(fresh(static_cast<double>(load_)), rng_);
      variant.engine_waiting_requests = spoiled(fresh(0), rng_);
      variant.kv_usage_min = spoiled(fresh(rng_.uniform() / 2), rng_);
      variant.kv_usage_max = spoiled(fresh(0.5 + rng_.uniform() / 2), rng_);
      variant.engine_waiting_min = spoiled(fresh(0), rng_);
      variant.engine_waiting_max = spoiled(fresh(static_cast<double>(small())), rng_);
      variant.unsaturated_replicas = spoiled(fresh(static_cast<double>(small())), rng_);
      variant.spare_kv_usage = spoiled(fresh(rng_.uniform()), rng_);
      variant.spare_waiting = spoiled(fresh(static_cast<double>(count())), rng_);
    }
    arrived_ += load_;
    out.observation.demand.arrived_total = arrived_;
    out.observation.demand.finished_total = arrived_ - load_;
    out.observation.demand.prompt_tokens_total = arrived_ * 500;
    out.observation.demand.output_tokens_total = (arrived_ - load_) * 100;
    return out;
  }

  spec::Model model_;
  Rng rng_;
  std::int64_t load_ = 10, arrived_ = 0;
};

struct Watch {
  const spec::Model& model;
  std::map<std::string, Apply> applied;  ///< last Apply that nothing has put in question
  std::map<std::string, Instant> failed_until;
  std::map<ReplicaId, std::pair<plan::Rest, Instant>> orders;  ///< since it last changed

  const spec::Variant& variant(const std::string& name) const {
    return *std::find_if(model.variants.begin(), model.variants.end(),
                         [&](const spec::Variant& one) { return one.name == name; });
  }

  void check_apply(const Apply& apply, bool by_operator, bool acts, const char* where) {
    const spec::Variant& spec = variant(apply.variant);
    EXPECT_LE(apply.replicas, spec.max_replicas) << where;
    EXPECT_LE(apply.asleep, spec.warm_pool.max_replicas) << where;
    EXPECT_GE(apply.asleep, Replicas(0)) << where;
    if (!by_operator) {
      EXPECT_GE(apply.awake(), spec::min_replicas(model, spec)) << where;
      EXPECT_TRUE(acts) << where;
    }
    auto last = applied.find(apply.variant);
    bool repeated = last != applied.end() && last->second.replicas == apply.replicas &&
                    last->second.asleep == apply.asleep;
    EXPECT_FALSE(repeated) << where << " applied " << apply.replicas.value() << " twice";
    applied[apply.variant] = apply;
  }

  /// Of one event: nobody is told two things, and nobody to wake or sleep who was just told so.
  void check_orders(const std::vector<Action>& actions, bool may, Instant now, const char* where) {
    std::set<ReplicaId> told;
    auto once = [&](ReplicaId id, plan::Rest rest) {
      EXPECT_TRUE(told.insert(id).second) << where << ": two orders for one replica";
      EXPECT_TRUE(may) << where;
      auto before = orders.find(id);
      bool again = before != orders.end() && before->second.first == rest &&
                   now - before->second.second < kToldLasts;
      EXPECT_FALSE(again) << where << ": told again";
      orders[id] = {rest, now};
    };
    for (const Action& action : actions) {
      if (const auto* wake = std::get_if<Wake>(&action)) once(wake->id, plan::Rest::kWaking);
      if (const auto* sleep = std::get_if<Sleep>(&action)) {
        once(sleep->id, plan::Rest::kFallingAsleep);
      }
      const auto* apply = std::get_if<Apply>(&action);
      for (ReplicaId id : apply != nullptr ? apply->victims : std::vector<ReplicaId>()) {
        EXPECT_TRUE(told.insert(id).second) << where << ": a victim is told something else";
        orders.erase(id);
      }
    }
  }

  void check_record(const Record& record, const char* where) {
    const Decision& decision = record.decision;
    auto [recommended, planned] = rerun(model, decision);
    EXPECT_EQ(recommended, decision.recommendation) << where;
    EXPECT_EQ(planned, decision.plan) << where;
    std::map<std::string, std::int64_t> chain;
    for (const Reason& reason : decision.reasons) {
      if (reason.variant.empty()) continue;
      auto known = chain.find(reason.variant);
      if (known != chain.end()) {
        EXPECT_EQ(known->second, reason.before) << where << " " << token(reason.code);
      }
      chain[reason.variant] = reason.after;
    }
    for (std::size_t i = 0; i < decision.plan.variants.size(); ++i) {
      const plan::VariantPlan& one = decision.plan.variants[i];
      EXPECT_EQ(chain[one.variant], one.replicas.value()) << where;
      bool excused = decision.at < failed_until[one.variant];
      std::int64_t target = std::min(decision.plan_before.variants[i].target,
                                     variant(one.variant).max_replicas.value());
      if (!decision.recommendation.complete && !excused) {
        EXPECT_GE(one.replicas.value(), target) << where << ": down on missing data";
      }
    }
  }

  /// What may be said again: refused, written by others, of an earlier leader, or only shown.
  void doubt(const Action& action) {
    const auto* announce = std::get_if<Announce>(&action);
    if (announce == nullptr) return;
    ReasonCode code = announce->reason.code;
    if (code == ReasonCode::kForeignWrite || code == ReasonCode::kRefused) {
      applied.erase(announce->reason.variant);
    }
  }
};

Start start_of(const Controller& controller, const Watch& watch) {
  Start start;
  start.mode = controller.view().mode;
  start.timed_until = controller.view().timed_until;
  start.paused = controller.view().paused ? 1 : 0;
  for (const auto& [variant, apply] : watch.applied) {
    start.targets.push_back({variant, apply.awake(), apply.asleep});
  }
  return start;
}

void run_history(std::uint64_t seed) {
  Rng rng(seed, "model");
  spec::Model model = random_model(rng);
  Controller controller(model, 1, {}), twin(model, 1, {});
  Chaos chaos(model, seed);
  Watch watch{model, {}, {}, {}};
  Instant now = at(0);
  bool acted = true;
  for (int i = 0; i < kEvents && !testing::Test::HasFailure(); ++i) {
    std::string where = "seed " + std::to_string(seed) + " event " + std::to_string(i);
    now += millis(static_cast<std::int64_t>(rng.below(4000)));
    Event event = chaos.next(now);
    if (const auto* failed = std::get_if<CapacityFailed>(&event)) {
      watch.failed_until[failed->variant] = now + failed->retry_after;
    }
    const auto* changed = std::get_if<ReplicaChanged>(&event);
    if (changed != nullptr) watch.orders.erase(changed->id);
    std::vector<Action> actions, same;
    controller.handle(event, now, actions);
    twin.handle(event, now, same);
    EXPECT_EQ(actions, same) << where << ": the same events gave other actions";
    EXPECT_GT(controller.next_wake(), now) << where << ": wakes in the past";
    View view = controller.view();
    bool acts = view.leader && !view.paused && view.mode != spec::Mode::kObserve;
    if (!acts) acted = false;
    if (acts && !acted) {
      watch.applied.clear();  // may tell the actuator once more
      acted = true;
    }
    const auto* said = std::get_if<OperatorSaid>(&event);
    bool scaled = said != nullptr && said->said == Said::kScale && view.leader;
    // By hand and by the policy's next word: two deciders in one event.
    if (scaled) watch.orders.clear();
    if (!scaled) watch.check_orders(actions, acts, now, where.c_str());
    for (const Action& action : actions) {
      watch.doubt(action);
      if (const auto* apply = std::get_if<Apply>(&action)) {
        watch.check_apply(*apply, scaled && apply->variant == said->variant, acts, where.c_str());
      } else if (const auto* record = std::get_if<Record>(&action)) {
        watch.check_record(*record, where.c_str());
      }
    }
    if (rng.below(60) == 0) {
      Start start = start_of(controller, watch);
      controller = Controller(model, 1, start);
      twin = Controller(model, 1, start);
      watch.applied.clear();
      watch.orders.clear();
      watch.failed_until.clear();
    }
  }
}

TEST(ControllerProperty, InvariantsHoldInThousandsOfRandomHistories) {
  for (std::uint64_t seed = 0; seed < kSeeds && !HasFailure(); ++seed) run_history(seed);
}

/// A fleet that does as told after a cold start, and a load that it sees.
struct Fleet {
  Bench bench;
  std::int64_t target = 0;
  int changes_up = 0, changes_down = 0;
  std::uint64_t ids = 0;
  std::vector<std::pair<std::uint64_t, double>> running;  ///< id, ready at

  void step(double t, std::int64_t load) {
    std::int64_t ready = 0;
    std::size_t before = bench.actions.size();
    for (auto& [id, when] : running) {
      if (when == t)
        bench.send(ReplicaChanged{ReplicaId(id), "v0", ReplicaState::kReady, {}, 0}, t);
      ready += when <= t ? 1 : 0;
    }
    std::int64_t dispatched = std::min(load, ready * 10);
    Observed seen = observed(bench.controller.model(), at(t), load - dispatched, dispatched);
    if (ready > 0) {
      double share = static_cast<double>(dispatched) / static_cast<double>(ready * 10);
      seen.observation.variants[0].kv_usage = fresh(share);
      seen.observation.variants[0].engine_waiting_requests = fresh(0);
    }
    bench.send(seen, t);
    for (std::size_t i = before; i < bench.actions.size(); ++i) {
      if (const auto* apply = std::get_if<Apply>(&bench.actions[i])) follow(Apply(*apply), t);
    }
  }

  void follow(const Apply& apply, double t) {
    std::int64_t wanted = apply.replicas.value();
    changes_up += wanted > target ? 1 : 0;
    changes_down += wanted < target ? 1 : 0;
    target = wanted;
    while (static_cast<std::int64_t>(running.size()) < wanted) {
      running.emplace_back(++ids, t + 30);
      bench.send(ReplicaChanged{ReplicaId(ids), "v0", ReplicaState::kStarting, {}, 0}, t);
    }
    for (ReplicaId victim : apply.victims) {
      std::erase_if(running, [&](auto& one) { return one.first == victim.value(); });
      bench.send(ReplicaChanged{victim, "v0", ReplicaState::kGone, {}, 0}, t);
    }
  }
};

TEST(ControllerProperty, FollowsALoadUpSettlesUnderItAndComesBackToRest) {
  for (spec::PolicyKind kind :
       {spec::PolicyKind::kConcurrency, spec::PolicyKind::kHpa, spec::PolicyKind::kKeda,
        spec::PolicyKind::kKpa, spec::PolicyKind::kTargetTracking}) {
    spec::Model model = model_with(0, 20);
    model.scaling.policy = kind;
    Fleet fleet{Bench(model)};
    double t = 0;
    for (; t < 60; ++t) fleet.step(t, 0);
    EXPECT_EQ(fleet.target, 0) << token(kind);
    for (; t < 1500; ++t) fleet.step(t, 60);
    int up = fleet.changes_up, down = fleet.changes_down;
    std::int64_t settled = fleet.target;
    if (kind != spec::PolicyKind::kKeda) {
      EXPECT_GE(settled, 6) << token(kind);  // a queue law rests once its queue is gone
    }
    for (; t < 3000; ++t) fleet.step(t, 60);
    if (kind != spec::PolicyKind::kKeda) {
      EXPECT_EQ(fleet.changes_up, up) << token(kind) << " oscillates";
      EXPECT_EQ(fleet.changes_down, down) << token(kind) << " oscillates";
    }
    for (; t < 5400; ++t) fleet.step(t, 0);
    EXPECT_EQ(fleet.target, 0) << token(kind);
    EXPECT_TRUE(fleet.running.empty()) << token(kind);
    EXPECT_FALSE(fleet.bench.announced(ReasonCode::kForeignWrite)) << token(kind);
  }
}

}  // namespace
}  // namespace tidegate::control
