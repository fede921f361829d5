#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/rng.h"
#include "core/policy/planner_model.h"
#include "core/policy/policy.h"

namespace tidegate::policy {
namespace {

Instant at(double s) { return Instant::from_nanos(1'000'000'000'000) + seconds_f(s); }

spec::Model planner_model() {
  spec::Model model;
  model.name = "m";
  model.scaling.policy = spec::PolicyKind::kPlanner;
  spec::Variant variant;
  variant.name = "v";
  variant.max_replicas = Replicas(50);
  model.variants.push_back(variant);
  return model;
}

struct World {
  std::int64_t ready = 1, booting = 0;
  double kv_min = 0.1, kv_max = 0.1, waiting_min = 0, waiting_max = 0;
  double rate = 1;  ///< requests/s of 500 + 500 tokens, all answered
  std::int64_t queued = 0;
  double running = 10;  ///< a replica
};

class Player {
 public:
  spec::Model model = planner_model();
  State state;

  Recommendation step(double t, const World& w) {
    arrived_ += w.rate * (t - last_);
    last_ = t;
    signal::Observation seen;
    auto fresh = [&](double value) {
      return signal::Signal{value, at(t), signal::Source::kEngine, signal::Freshness::kFresh, 1};
    };
    seen.gateway = fresh(1);
    auto total = static_cast<std::int64_t>(std::floor(arrived_ + 1e-6));
    seen.demand.arrived_total = seen.demand.finished_total = total;
    seen.demand.prompt_tokens_total = seen.demand.output_tokens_total = total * 500;
    seen.demand.queued_tokens = w.queued * 500;
    signal::VariantObservation v;
    v.variant = "v";
    v.fleet.ready = Replicas(w.ready);
    v.fleet.starting = Replicas(w.booting);
    v.running_requests = fresh(w.running * static_cast<double>(w.ready));
    v.kv_usage_min = fresh(w.kv_min), v.kv_usage_max = fresh(w.kv_max);
    v.engine_waiting_min = fresh(w.waiting_min), v.engine_waiting_max = fresh(w.waiting_max);
    seen.variants.push_back(v);
    Recommendation out;
    std::tie(out, state) = decide(model, seen, state, at(t));
    return out;
  }
  /// Each second in the same world; what was said last.
  Recommendation until(double t, const World& w) {
    Recommendation out;
    while (last_ + 1 <= t) out = step(last_ + 1, w);
    return out;
  }
  void from(double t) { last_ = t; }

 private:
  double arrived_ = 0, last_ = -1;
};

std::int64_t count(const Recommendation& r) { return r.replicas.front().replicas.value(); }
bool says(const Recommendation& r, ReasonCode code) {
  return std::any_of(r.reasons.begin(), r.reasons.end(),
                     [&](const Reason& reason) { return reason.code == code; });
}

TEST(StepModel, GivesTheReferenceProfilesFiguresByHand) {
  // 500 + 500: context 750; 10 ms + (25 us + 0.05 us) a prompt token + (0.12 us + 0.1333 us) a KV
  // token.
  StepModel step(planner_model().variants[0], {500, 500});
  EXPECT_NEAR(step.step_seconds(100, 30'000), 0.010 + 0.002505 + 0.0076, 1e-9);
  // 500 queued before 500 of its own: one step of 1,000 tokens; 1,600 before it: two.
  EXPECT_NEAR(step.ttft_seconds(500, 0), 0.010 + 0.02505, 1e-9);
  EXPECT_NEAR(step.ttft_seconds(1'600, 0), 0.020 + 0.0526050, 1e-9);
  // Running 100, each prefilling one token a step, and one sequence more.
  EXPECT_NEAR(step.itl_seconds(75'000, 100), 0.010 + 0.002505 + 75'750 * 0.12e-6 + 10.1e-3, 1e-9);
}

/// Upstream's sweep, batch by batch.
double swept(const StepModel& s, const spec::Profile& p, MeanLengths l, LatencyBounds b) {
  const double context = l.prompt + l.output / 2,
               budget = static_cast<double>(p.max_num_batched_tokens);
  double cap = std::min({std::max(1.0, std::floor(static_cast<double>(p.kv_tokens) / context)),
                         static_cast<double>(p.max_num_seqs), budget - 1});
  double best = 0;
  for (double n = 1; n <= cap && (n == 1 || l.prompt / (budget - n) <= l.output); ++n) {
    double prefill = std::min(n * l.prompt / std::max(1.0, l.output), budget);
    double time = s.step_seconds(prefill, n * context);
    bool slow =
        time > b.itl_seconds || s.ttft_seconds(std::floor(prefill), n * context) > b.ttft_seconds;
    if (slow && n > 1) break;
    best = n / (l.output * time);
    if (slow) break;
  }
  return best;
}

TEST(StepModel, FindsWhatTheSweepFinds) {
  Rng rng(5, "sweep");
  for (int round = 0; round < 400; ++round) {
    spec::Model model = planner_model();
    spec::Profile& p = model.variants[0].profile;
    p.kv_tokens = 20'000 + static_cast<std::int64_t>(rng.below(400'000));
    p.max_num_batched_tokens = 64 << rng.below(8);
    p.max_num_seqs = 1 + static_cast<std::int64_t>(rng.below(300));
    MeanLengths lengths{1 + rng.uniform() * 6'000, 1 + rng.uniform() * 1'500};
    LatencyBounds bounds{0.02 + rng.uniform(), 0.011 + rng.uniform() * 0.1};
    StepModel step(model.variants[0], lengths);
    EXPECT_DOUBLE_EQ(step.best_requests_per_second(bounds), swept(step, p, lengths, bounds))
        << round;
  }
}

TEST(Planner, TheBoundIsTheForecastOverWhatAnEngineSustains) {
  Player player;
  LatencyBounds upstream;
  EXPECT_EQ(upstream.ttft_seconds, 0.5);
  EXPECT_EQ(upstream.itl_seconds, 0.05);
  double each = StepModel(player.model.variants[0], {500, 500}).best_requests_per_second(upstream);
  EXPECT_NEAR(each, 7.4, 0.2);
  World busy{.rate = 30};
  EXPECT_EQ(count(player.until(179, busy)), 1) << "before the interval has passed";
  player.until(180, busy);
  EXPECT_EQ(player.state.planner->lower_bound, static_cast<std::int64_t>(std::ceil(30 / each)));
  Recommendation raised = player.until(185, busy);
  EXPECT_EQ(count(raised), static_cast<std::int64_t>(std::ceil(30 / each))) << "a jump of any size";
  EXPECT_EQ(raised.reasons.back().code, ReasonCode::kPredictedLoad);
}

TEST(Planner, TheForecastIsAKalmanFilterOfLevelAndTrend) {
  // Textbook matrices, F = [1 1; 0 1], H = [1 0], Q = diag(1, 0.1), R = 10, P = 1000 I at first.
  struct Matrix {
    double a, b, c, d;
  };
  double level = 0, trend = 0;
  Matrix p{1000, 0, 0, 1000};
  bool began = false;
  Player player;
  Rng rng(2, "kalman");
  for (int interval = 1; interval <= 12; ++interval) {
    double rate = interval == 1 ? 0 : std::floor(rng.uniform() * 20);
    player.until(180.0 * interval, {.ready = 3, .rate = rate});
    double seen = rate * 180;
    if (!began && seen == 0) continue;
    if (began) {
      double s = p.a + 10, k0 = p.a / s, k1 = p.c / s, y = seen - level;
      level += k0 * y, trend += k1 * y;
      p = {(1 - k0) * p.a, (1 - k0) * p.b, p.c - k1 * p.a, p.d - k1 * p.b};
    } else {
      level = seen, began = true;
    }
    level += trend;
    p = {p.a + p.b + p.c + p.d + 1, p.b + p.d, p.c + p.d, p.d + 0.1};
    EXPECT_NEAR(player.state.planner->requests.level, level, 1e-6 * (1 + std::abs(level)))
        << interval;
    EXPECT_NEAR(player.state.planner->requests.var_level, p.a, 1e-6 * p.a) << interval;
  }
}

TEST(Planner, TheLoadLoopMovesByOne) {
  struct Row {
    const char* says;
    World world;
    std::int64_t replicas;
    ReasonCode why;
  };
  const Row rows[] = {
      {"calm engines: one fewer would do", {.ready = 3}, 2, ReasonCode::kConsolidation},
      {"one engine has nobody to take over", {.ready = 1}, 1, ReasonCode::kWithinTolerance},
      {"every engine over ITL: 10 ms + 0.9 * 400,000 * 0.2533 us",
       {.ready = 3, .kv_min = 0.9, .kv_max = 0.9},
       4,
       ReasonCode::kPredictedLatency},
      {"a single hot engine is not every engine",
       {.ready = 3, .kv_min = 0.1, .kv_max = 0.9},
       3,
       ReasonCode::kWithinTolerance},
      {"every engine over TTFT: 40 prompts queued",
       {.ready = 3, .waiting_min = 40, .waiting_max = 40},
       4,
       ReasonCode::kPredictedLatency},
      {"what waits at the gateway counts as if it had been sent on",
       {.ready = 3, .queued = 120},
       4,
       ReasonCode::kPredictedLatency},
      {"within the bound, but two engines would not be: ITL 37 ms, then 50",
       {.ready = 3, .kv_min = 0.25, .kv_max = 0.25},
       3,
       ReasonCode::kWithinTolerance},
      {"nothing is decided while one boots",
       {.ready = 3, .booting = 1, .kv_min = 0.9, .kv_max = 0.9},
       4,
       ReasonCode::kScalingInProgress},
  };
  for (const Row& row : rows) {
    Player player;
    player.until(20, World{.ready = row.world.ready});
    Recommendation got = player.until(25, row.world);
    EXPECT_EQ(count(got), row.replicas) << row.says;
    EXPECT_TRUE(says(got, row.why)) << row.says << ": " << token(got.reasons.front().code);
  }
}

TEST(Planner, StandsByItsAnswerForFiveSeconds) {
  Player player;
  player.until(20, World{.ready = 1});
  World hot{.ready = 1, .kv_min = 0.9, .kv_max = 0.9};
  EXPECT_EQ(count(player.until(24, hot)), 1);
  EXPECT_EQ(count(player.until(25, hot)), 2);
  EXPECT_EQ(count(player.until(29, World{.ready = 1})), 2);
}

TEST(Planner, TheKnobIsHowFullOneFewerMayBe) {
  World middling{.ready = 3, .kv_min = 0.15, .kv_max = 0.15};
  for (auto [knob, replicas] : {std::pair(0.8, 2), {0.5, 3}}) {
    Player player;
    player.model.scaling.policy_knob = knob;
    player.until(20, World{.ready = 3, .booting = 1});
    EXPECT_EQ(count(player.until(25, middling)), replicas) << knob;
  }
}

TEST(Planner, WithoutDataItHoldsAndNeverGoesToZero) {
  Player player;
  World silent{.ready = 3, .rate = 0};
  Recommendation got = player.until(30, silent);
  EXPECT_EQ(count(got), 3) << "no request has shown how long they are";
  EXPECT_EQ(count(player.step(31, World{.ready = 0, .rate = 0})), 1) << "min_endpoint is 1";
}

TEST(PlannerProperty, MoreLoadNeverRecommendsFewer) {
  Rng rng(9, "planner");
  int differ = 0;
  for (int round = 0; round < 2'000; ++round) {
    Player calm;
    World world{.ready = 1 + static_cast<std::int64_t>(rng.below(6))};
    world.kv_min = rng.uniform() * 0.5;
    world.kv_max = world.kv_min + rng.uniform() * 0.3;
    world.waiting_min = static_cast<double>(rng.below(10));
    world.waiting_max = world.waiting_min + static_cast<double>(rng.below(20));
    calm.until(20, World{.ready = world.ready, .booting = 1});
    Player busy = calm;
    World more = world;
    more.kv_min += rng.uniform() * 0.2;
    more.kv_max = std::max(more.kv_max + rng.uniform() * 0.2, more.kv_min);
    more.waiting_min += 5, more.waiting_max += 5;
    more.running += 5, more.queued += static_cast<std::int64_t>(rng.below(60));
    std::int64_t a = count(calm.until(25, world)), b = count(busy.until(25, more));
    ASSERT_GE(b, a) << round;
    differ += b > a ? 1 : 0;
  }
  EXPECT_GT(differ, 200);
}

}  // namespace
}  // namespace tidegate::policy
