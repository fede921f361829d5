// tide against worlds that lie: clocks that jump, totals that reset, replicas that report anything,
// absurd profiles and lead times. Whatever was said, the number is bounded, all that is remembered
// and shown is a number, lists stay short, and what is not known lowers nothing.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/policy/mix.h"
#include "core/policy/tide_bench_for_test.h"
#include "core/policy/tide_demand.h"

namespace tidegate::policy {
namespace {

constexpr int kHistories = 600, kDecisions = 150;

/// The first number that is none, or list that is too long.
template <class T>
void find_odd(const T& value, const std::string& path, std::string& odd) {
  if constexpr (std::is_same_v<T, double>) {
    if (!std::isfinite(value) && odd.empty()) odd = path;
  } else if constexpr (HasFields<T>) {
    std::apply(
        [&](const auto&... field) {
          (find_odd(value.*field.member, path + "." + std::string(field.name), odd), ...);
        },
        T::fields());
  } else if constexpr (requires { value.begin(), value.end(), value.size(); } &&
                       !std::is_same_v<T, std::string>) {
    if (value.size() > kTideSeasonSlots && odd.empty()) odd = path + " is long";
    for (const auto& one : value) find_odd(one, path + "[]", odd);
  }
}

/// A world that changes its mind about what is true.
class Liar {
 public:
  explicit Liar(std::uint64_t seed) : rng_(seed, "liar") {
    spec::Model& m = bench.model;
    if (one_in(2)) m.front.by = spec::Front::kProxy;
    if (one_in(4)) m.slo.itl.reset();
    if (one_in(4)) m.slo.ttft.reset();
    if (one_in(5)) m.slo.miss_cost_dollars = pow(10, rng_.uniform() * 12 - 6);
    if (one_in(3)) m.queue.order = spec::QueueOrder::kArrival;
    if (one_in(3)) m.variants.push_back(m.variants[0]), m.variants[1].name = "w";
    for (spec::Variant& v : m.variants) {
      v.min_replicas = Replicas(few(3));
      v.max_replicas = Replicas(v.min_replicas->value() + 1 + few(60));
      v.cost_per_hour_dollars = one_in(4) ? 0 : rng_.uniform() * 100;
      v.engine.data_parallel_size = 1 + few(8);
      if (one_in(4)) absurd(v.profile);
      if (one_in(3)) v.warm_pool.max_replicas = Replicas(few(5));
      v.warm_pool.holds_device = one_in(2);
    }
    bench.seen.variants.resize(m.variants.size());
    for (std::size_t i = 0; i < m.variants.size(); ++i) {
      bench.seen.variants[i].variant = m.variants[i].name;
    }
  }

  void speak() {
    bench.now += one_in(30) ? seconds_f(wild() / 1e9) : seconds(1);
    bench.seen.wall = one_in(40) ? WallTime::from_unix_nanos(static_cast<std::int64_t>(wild() / 10))
                                 : bench.seen.wall + seconds(1);
    signal::Observation& o = bench.seen;
    o.at = bench.now;
    const bool gateway = bench.model.front.by == spec::Front::kGateway;
    o.gateway = gateway ? said(1) : signal::Signal{};
    if (one_in(50)) rate_ = rng_.uniform() * pow(10, rng_.uniform() * 4);
    came_ += rate_;
    count(o.demand.arrived_total, came_);
    count(o.demand.finished_total, came_);
    count(o.demand.prompt_tokens_total, came_ * 500);
    count(o.demand.output_tokens_total, came_ * 200);
    count(o.demand.expected_output_tokens_total, came_ * 200);
    count(o.demand.expected_kv_token_steps_total, came_ * 120'000);
    count(o.demand.queued_tokens, rate_ * 500);
    count(o.demand.queued_output_tokens, rate_ * 200);
    count(o.demand.queued_kv_token_steps, rate_ * 120'000);
    count(o.demand.judged_total, came_);
    count(o.demand.met_total, came_ * 0.99);
    count(o.demand.queued_requests, rate_);
    count(o.demand.dispatched_requests, rate_ * 5);
    o.ttft_p99_seconds = said(rng_.uniform() * 3);
    for (signal::VariantObservation& v : o.variants) tell(v);
  }

  Bench bench;

 private:
  bool one_in(std::uint64_t n) { return rng_.below(n) == 0; }
  std::int64_t few(std::uint64_t n) { return static_cast<std::int64_t>(rng_.below(n)); }
  double wild() { return (rng_.uniform() - 0.4) * pow(10, rng_.uniform() * 18); }
  double lie(double truth) {
    if (!one_in(10)) return truth;
    const double lies[] = {0, -truth, truth * 100, truth * 1'000, -1, 1e300, 5e-324, wild()};
    return lies[rng_.below(std::size(lies))];
  }
  signal::Signal said(double truth) {
    if (one_in(20)) return {};
    signal::Signal out = fresh(lie(truth), bench.now);
    if (one_in(20)) out.freshness = signal::Freshness::kStale;
    if (one_in(20)) out.coverage = rng_.uniform();
    return out;
  }
  void count(std::int64_t& total, double truth) {
    total = static_cast<std::int64_t>(std::clamp(lie(truth), -4e18, 4e18));
  }
  void tell(signal::VariantObservation& v) {
    const double share = 1.0 / static_cast<double>(bench.seen.variants.size());
    if (one_in(20)) v.fleet.ready = Replicas(few(40));
    v.fleet.starting = Replicas(one_in(20) ? few(40) : v.fleet.starting.value());
    v.fleet.sleeping = Replicas(one_in(20) ? few(5) : v.fleet.sleeping.value());
    v.running_requests = said(rate_ * 5 * share);
    v.engine_waiting_requests = said(rate_ * share);
    v.kv_usage = said(rng_.uniform());
    v.prompt_tokens_per_second = said(rate_ * 500 * share);
    v.output_tokens_per_second = said(rate_ * 200 * share);
    v.finished_requests_per_second = said(rate_ * share);
    v.preemptions_per_second = said(0);
    v.prefix_query_tokens_per_second = said(rate_ * 500 * share);
    v.prefix_hit_tokens_per_second = said(rate_ * 100 * share);
    v.cold_starts = few(17);
    if (one_in(10)) v.cold_start_p90_seconds = lie(100);
    v.wakes = few(17);
    if (one_in(10)) v.wake_p90_seconds = lie(5);
  }
  void absurd(spec::Profile& p) {
    for (std::int64_t* c : {&p.c0_fs, &p.c1_fs, &p.c2_fs, &p.c3_fs, &p.c4_fs}) {
      if (one_in(2)) *c = one_in(2) ? 0 : 1'000'000'000'000'000'000;
    }
    if (one_in(2)) p.kv_tokens = few(2);
  }

  Rng rng_;
  double rate_ = 10, came_ = 0;
};

TEST(TideNonsense, WhateverIsSaidTheNumberIsBoundedAndWhatIsNotKnownLowersNothing) {
  for (int history = 0; history < kHistories; ++history) {
    Liar liar(static_cast<std::uint64_t>(history));
    for (int i = 0; i < kDecisions; ++i) {
      liar.speak();
      std::int64_t active = 0, asked = 0;
      for (const auto& v : liar.bench.seen.variants) active += v.fleet.active().value();
      const Recommendation answer = liar.bench.again();
      for (const auto& one : answer.replicas) {
        ASSERT_GE(one.replicas, Replicas(0)) << history;
        ASSERT_GE(one.asleep, Replicas(0)) << history;
        asked += one.replicas.value();
      }
      ASSERT_LE(asked, 2 * kMostReplicas) << history;
      const Input in{liar.bench.model, liar.bench.seen, liar.bench.now};
      if (!demand_known(in)) {
        ASSERT_FALSE(answer.complete) << history << ", decision " << i;
        ASSERT_GE(asked, active) << history << ", decision " << i;
      }
      std::string odd;
      find_odd(*liar.bench.state.tide, "state", odd);
      for (const Reason& reason : answer.reasons) {
        for (const Evidence& e : reason.evidence) {
          if (!std::isfinite(e.value) && odd.empty()) {
            odd = std::string(token(reason.code)) + "." + std::string(e.name.text());
          }
        }
      }
      ASSERT_EQ(odd, "") << history << ", decision " << i;
      const TideState& s = *liar.bench.state.tide;
      ASSERT_LE(s.orders.size(), kMostTideOrders) << history;
      ASSERT_LE(s.forecasts.size(), kMostTideForecasts) << history;
    }
  }
}

}  // namespace
}  // namespace tidegate::policy
