#pragma once
// For tests: a small world drawn from a seed: spec, knobs, fleet, faults and requests. Everything
// that goes wrong is over when the requests end, but for pools, spot replicas, failing starts,
// refused orders and a few lost pages.
//
//   RandomWorld w = random_world(seed);
//   World world(w.options);
//   workload::Generator requests(w.load, seed);

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/rng.h"
#include "core/policy/policy.h"
#include "core/workload/generator.h"
#include "sim/world.h"

namespace tidegate::sim {

struct RandomWorld {
  WorldOptions options;
  workload::Workload load;
};

class WorldDice {
 public:
  explicit WorldDice(std::uint64_t seed) : rng_(seed, "random world") {}

  RandomWorld roll() {
    RandomWorld out;
    until_ = seconds(one_of({60, 120, 200}));
    out.options.model = model();
    out.load = load();
    out.options.faults = faults();
    out.options.seed = rng_.next();
    out.options.front = half() ? Front::kGateway : Front::kProxy;
    out.options.tick = millis(one_of({500, 1'000, 1'000, 2'000}));
    out.options.scrape_period = millis(one_of({500, 1'000, 1'000, 2'000}));
    for (const spec::Variant& variant : out.options.model.variants) {
      out.options.initial.push_back(upto(variant.max_replicas.value()));
    }
    return out;
  }

 private:
  std::int64_t upto(std::int64_t n) {
    return static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(n) + 1));
  }
  bool half() { return rng_.below(2) == 0; }
  bool seldom() { return rng_.below(5) == 0; }
  std::int64_t one_of(std::initializer_list<std::int64_t> values) {
    return values.begin()[rng_.below(values.size())];
  }
  double share(double most) { return rng_.uniform() * most; }
  Duration within(Duration most) { return seconds_f(share(to_seconds(most))); }

  spec::PolicyKind policy() {
    for (;;) {
      auto kind = static_cast<spec::PolicyKind>(
          rng_.below(std::size(EnumTokens<spec::PolicyKind>::kTokens)));
      if (policy::is_built(kind)) return kind;
    }
  }

  spec::Model model() {
    spec::Model out;
    out.name = "m";
    out.served_names = {"m"};
    const std::size_t variants = seldom() ? 2 : 1;
    for (std::size_t i = 0; i < variants; ++i) out.variants.push_back(variant(i));
    scaling(out.scaling);
    out.queue.max_requests = one_of({3, 50, 2'000});
    out.queue.max_wait = seconds(one_of({2, 30, 120}));
    if (seldom()) out.priority_classes = {{"high", 4}, {"low", 1}};
    if (half()) out.slo.ttft = {{0.9, seconds(one_of({1, 2, 5}))}};
    if (half()) out.slo.itl = {{0.9, millis(one_of({30, 60}))}};
    return out;
  }

  void scaling(spec::Scaling& out) {
    out.policy = policy();
    if (out.policy == spec::PolicyKind::kStatic) {
      out.policy_knob = static_cast<double>(upto(8));
    }
    out.environment = static_cast<spec::Environment>(rng_.below(3));
    out.window = seconds(one_of({10, 30, 60}));
    out.scale_down_delay = seconds(one_of({0, 15, 60}));
    if (half()) out.concurrency_target = one_of({1, 4, 16});
    out.target_utilization = 0.5 + share(0.5);
    if (seldom()) out.prewarm = spec::Prewarm{0.02 + share(0.5), seconds(20)};
    if (seldom()) out.scale_up.policies = {{spec::ScalePolicyType::kPods, 1, seconds(15)}};
    if (seldom()) out.scale_down.policies = {{spec::ScalePolicyType::kPercent, 50, seconds(15)}};
    if (seldom()) out.scale_down.stabilization_window = seconds(30);
    if (seldom()) out.metrics = {{.signal = spec::SignalName::kWaiting, .target = 2 + share(4)}};
  }

  spec::Variant variant(std::size_t index) {
    spec::Variant out;
    out.name = "v" + std::to_string(index);
    out.cost_per_hour_dollars = 1 + static_cast<double>(index);
    out.max_replicas = Replicas(one_of({1, 3, 8}));
    if (half()) out.min_replicas = Replicas(upto(std::min<std::int64_t>(2, most(out))));
    out.hardware.accelerator = "gpu";
    out.hardware.count = one_of({1, 2});
    out.profile.max_num_seqs = one_of({4, 16, 64});
    out.profile.kv_tokens = one_of({6'000, 30'000, 400'000});
    out.profile.max_model_len = one_of({1'500, 131'072});
    out.profile.async_scheduling = static_cast<std::uint8_t>(upto(1));
    out.profile.reserve_full_prompt = static_cast<std::uint8_t>(upto(1));
    out.engine.data_parallel_size = seldom() ? 2 : 1;
    if (seldom()) out.engine.batching = static_cast<spec::BatchingKind>(upto(2));
    cold_start(out.cold_start);
    return out;
  }
  static std::int64_t most(const spec::Variant& variant) { return variant.max_replicas.value(); }

  void cold_start(spec::ColdStart& out) {
    out.engine = {.p50 = seconds(one_of({0, 5, 30})), .p90 = {}};
    out.engine.p90 = out.engine.p50 * one_of({1, 3});
    if (seldom()) out.procurement = {.p50 = seconds(10), .p90 = seconds(30)};
    if (half()) out.image = {.p50 = seconds(5), .p90 = seconds(5)};
    if (half()) {
      out.weights.bytes = 20'000'000'000;
      out.weights.from = static_cast<spec::WeightSource>(
          rng_.below(std::size(EnumTokens<spec::WeightSource>::kTokens)));
      out.weights.bandwidth_bytes_per_second = 2'000'000'000;
    }
  }

  workload::Workload load() {
    workload::Part part{.name = "all", .shape = workload::Steady{0.3 + share(3)}};
    if (half()) {
      part.shape = workload::FlashCrowd{
          .rate = 0.2 + share(0.5), .factor = 8, .at = until_ / 3, .hold = until_ / 4};
    } else if (half()) {
      part.shape = workload::OnOff{.rate = 4, .on = seconds(20), .off = seconds(20)};
    }
    part.cv = static_cast<double>(one_of({0, 1, 3}));
    part.lengths.prompt = {.p50 = 300, .p90 = 1'200, .max = {}};
    part.lengths.output = {.p50 = 80, .p90 = 300, .max = {}};
    if (seldom()) part.prefixes = workload::PrefixGroups{.share = 0.7, .groups = 5, .tokens = 256};
    if (seldom()) part.tenants = {{"a", 0.5}, {"b", 0.3}};
    if (seldom()) part.priorities = {{"low", 0.5}};
    return {.duration = until_, .parts = {part}, .priority_classes = {"high", "low"}};
  }

  workload::Faults faults() {
    workload::Faults out;
    out.scrape_delay = millis(one_of({0, 200, 500}));
    if (seldom()) out.scrape_loss = 0.05;
    if (seldom()) out.scrape_outages = {{.from = within(until_), .until = until_}};
    if (half()) out.actuation_delay = millis(one_of({300, 5'000}));
    if (seldom()) out.actuation_failure = 0.3;
    if (seldom()) out.start_failure = 0.3;
    if (seldom()) {
      out.stock_outs = {{.from = within(until_), .until = until_, .replicas = upto(2)}};
    }
    if (seldom()) out.pools = {{.accelerator = "gpu", .devices = one_of({1, 4})}};
    for (int i = 0; i < 2 && half(); ++i) {
      out.reclaims.push_back(
          {.at = within(until_), .count = one_of({1, 9}), .notice = seconds(one_of({0, 10}))});
    }
    if (seldom()) out.spot = {{.mean_life = seconds(60), .notice = seconds(one_of({0, 5}))}};
    if (seldom()) out.slowdowns = {{.from = within(until_), .until = until_, .factor = 4}};
    return out;
  }

  Rng rng_;
  Duration until_{0};
};

inline RandomWorld random_world(std::uint64_t seed) { return WorldDice(seed).roll(); }

}  // namespace tidegate::sim
