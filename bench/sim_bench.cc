// How fast the simulator plays requests of 500 + 500 tokens: Poisson at 80 % of what the reference
// profile holds, maxNumSeqs 256, through the very router and controller of production.
//
//   build/sim_bench
//
// Paced is the same with a bound on TTFT and on ITL: prompts wait at the gateway for the pace of
// those who decode (docs/routing.md).
//
// items_per_second is requests/s of one core, all told: arrival, routing, engine, scoring, scrapes
// and decisions. peak_open says how much was in flight at most; the rest of memory does not grow.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>

#include "core/base/rng.h"
#include "core/spec/model.h"
#include "sim/world.h"

namespace tidegate::sim {
namespace {

constexpr double kCapacity = 7.8;  // requests/s at which one reference replica saturates

void world(benchmark::State& bench, spec::PolicyKind policy, const spec::Slo& slo = {}) {
  const std::int64_t replicas = bench.range(0);
  WorldOptions options;
  options.model.name = "m";
  options.model.slo = slo;
  options.model.scaling.policy = policy;
  options.model.scaling.policy_knob =
      policy == spec::PolicyKind::kStatic ? static_cast<double>(replicas) : 256;
  spec::Variant variant;
  variant.name = "v";
  variant.min_replicas = variant.max_replicas = Replicas(replicas);
  options.model.variants = {variant};
  options.initial = {replicas};
  World world(std::move(options));
  Rng rng(1, "arrivals");
  workload::TraceRequest request;
  request.prompt = request.output = Tokens(500);
  std::int64_t at = 0, peak = 0;
  const double mean_gap_ns = 1e9 / (0.8 * kCapacity * static_cast<double>(replicas));
  for (auto _ : bench) {
    at += static_cast<std::int64_t>(rng.exponential(mean_gap_ns));
    request.at = nanos(at);
    world.offer(request);
    peak = std::max(peak, world.in_flight());
  }
  bench.SetItemsProcessed(bench.iterations());
  bench.counters["peak_open"] = static_cast<double>(peak);
  bench.counters["completed"] = static_cast<double>(world.totals().score.completed);
}

BENCHMARK_CAPTURE(world, StaticFleet, spec::PolicyKind::kStatic)
    ->ArgName("replicas")
    ->Arg(1)
    ->Arg(9)
    ->Arg(100)
    ->MinTime(2);
BENCHMARK_CAPTURE(world, Paced, spec::PolicyKind::kStatic,
                  spec::Slo{.ttft = spec::LatencyBound{0.99, seconds(2)},
                            .itl = spec::LatencyBound{0.95, millis(60)}})
    ->ArgName("replicas")
    ->Arg(9)
    ->Arg(100)
    ->MinTime(2);
BENCHMARK_CAPTURE(world, ConcurrencyPolicy, spec::PolicyKind::kConcurrency)
    ->ArgName("replicas")
    ->Arg(1)
    ->Arg(100)
    ->MinTime(2);

}  // namespace
}  // namespace tidegate::sim
