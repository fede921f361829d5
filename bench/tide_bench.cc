// What `tide` costs: 10,000 variants decided once a second, with state warm from fifteen minutes of
// varying load. The time shown is for all of them, on one core; the making of observations is not
// in it, nor what else the machine does. decide is the policy alone, control the controller around
// it (plan, reasons, records).
//
//   tide_bench                                     // ms for 10,000 x 1 and for 1,000 x 10 variants
//   perf record -g tide_bench --benchmark_filter=decide/10000

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "core/base/rng.h"
#include "core/control/controller.h"

namespace tidegate {
namespace {

constexpr int kWarmSeconds = 900;
constexpr Instant kBegin = Instant::from_nanos(1'000'000'000'000);
constexpr std::int64_t kPromptTokens = 500, kOutputTokens = 200;

spec::Model model_of(std::size_t index, std::size_t variants) {
  spec::Model model;
  model.name = "model-" + std::to_string(index);
  model.scaling.policy = spec::PolicyKind::kTide;
  model.slo.ttft = spec::LatencyBound{0.99, seconds(2)};
  model.slo.itl = spec::LatencyBound{0.95, millis(60)};
  for (std::size_t i = 0; i < variants; ++i) {
    spec::Variant v;
    v.name = "variant-" + std::to_string(i);
    v.cost_per_hour_dollars = 4 + 0.1 * static_cast<double>(i);
    v.min_replicas = Replicas(variants == 1 ? 1 : 0);
    v.max_replicas = Replicas(variants == 1 ? 32 : 3);
    v.engine.max_num_seqs = 64;
    v.cold_start.engine = {seconds(120), seconds(180), {}};
    model.variants.push_back(std::move(v));
  }
  return model;
}

/// One model, its gateway and its fleet: a load that wanders between 10 and 40 requests a second
/// with jumps, and replicas that are there the second after they were asked for.
struct World {
  spec::Model model;
  signal::Observation seen;
  Rng chance;
  double rate = 20, running = 0;

  World(std::size_t index, std::size_t variants)
      : model(model_of(index, variants)), chance(index, "bench") {
    seen.model = model.name;
    for (const spec::Variant& v : model.variants) seen.variants.emplace_back().variant = v.name;
    seen.variants[0].fleet.ready = Replicas(3);
  }
  void second(Instant now) {
    const auto fresh = [now](double value) {
      return signal::Signal{value, now, signal::Source::kEngine, signal::Freshness::kFresh, 1};
    };
    rate += chance.normal(0, 0.3);
    if (chance.below(600) == 0) rate *= 1.5;
    rate = std::min(40.0, std::max(10.0, rate));
    const double came = std::max(0.0, chance.normal(rate, std::sqrt(rate)));
    const auto requests = static_cast<std::int64_t>(came);
    seen.at = now;
    seen.gateway = fresh(1);
    signal::Demand& d = seen.demand;
    d.arrived_total += requests;
    d.finished_total = d.arrived_total;
    d.prompt_tokens_total += requests * kPromptTokens;
    d.output_tokens_total += requests * kOutputTokens;
    d.expected_output_tokens_total = d.output_tokens_total;
    d.expected_kv_token_steps_total +=
        requests * (kPromptTokens + kOutputTokens / 2) * kOutputTokens;
    d.dispatched_requests = static_cast<std::int64_t>(rate * 5);
    seen.ttft_p99_seconds = fresh(0.4);
    std::int64_t ready = 0;
    for (const auto& v : seen.variants) ready += v.fleet.ready.value();
    for (auto& v : seen.variants) {
      const double share = static_cast<double>(v.fleet.ready.value()) /
                           static_cast<double>(std::max<std::int64_t>(ready, 1));
      v.running_requests = fresh(rate * 5 * share);
      v.engine_waiting_requests = v.preemptions_per_second = fresh(0);
      v.kv_usage = v.kv_usage_max = fresh(0.3);
      v.prompt_tokens_per_second = fresh(rate * share * kPromptTokens);
      v.output_tokens_per_second = fresh(rate * share * kOutputTokens);
      v.finished_requests_per_second = fresh(rate * share);
    }
  }
};

/// CPU time of this thread: what else runs on the machine is not in it.
double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// A model, and what decides for it.
struct Law {
  World world;
  policy::State state;
  void decide(Instant now) {
    auto [answer, next] = policy::decide(world.model, world.seen, std::move(state), now);
    state = std::move(next);
    for (std::size_t v = 0; v < answer.replicas.size(); ++v) {
      world.seen.variants[v].fleet.ready = answer.replicas[v].replicas;
    }
    benchmark::DoNotOptimize(answer);
  }
};
struct Control {
  World world;
  control::Controller controller{world.model, 1, control::Start{}};
  std::vector<control::Action> actions{};
  void decide(Instant now) {
    actions.clear();
    controller.handle(control::Observed{world.seen, {}}, now, actions);
    benchmark::DoNotOptimize(actions.data());
  }
};

/// One iteration is one second of all models. A hundred different ones are played until they are
/// warm, then copied: ten thousand states that lie apart in memory, as in a process that runs.
template <typename Decider>
void play(benchmark::State& state) {
  constexpr std::int64_t kDistinct = 100;
  std::vector<Decider> deciders;
  for (std::int64_t i = 0; i < kDistinct; ++i) {
    deciders.push_back(
        {World(static_cast<std::size_t>(i), static_cast<std::size_t>(state.range(1)))});
  }
  Instant now = kBegin;
  const auto second = [&] {
    now += seconds(1);
    for (Decider& d : deciders) d.world.second(now);
    const double begin = cpu_seconds();
    for (Decider& d : deciders) d.decide(now);
    return cpu_seconds() - begin;
  };
  for (int i = 0; i < kWarmSeconds; ++i) second();
  deciders.reserve(static_cast<std::size_t>(state.range(0)));
  for (std::size_t i = kDistinct; i < static_cast<std::size_t>(state.range(0)); ++i) {
    deciders.push_back(deciders[i % kDistinct]);
  }
  for (auto _ : state) state.SetIterationTime(second());
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(1));
}
void decide(benchmark::State& state) { play<Law>(state); }
void control(benchmark::State& state) { play<Control>(state); }

void sizes(benchmark::internal::Benchmark* b) {
  b->Args({10'000, 1})->Args({1'000, 10})->UseManualTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK(decide)->Apply(sizes);
BENCHMARK(control)->Apply(sizes);

}  // namespace
}  // namespace tidegate
