// How fast core/engine plays one replica. Requests of 500 + 500 tokens, Poisson arrivals.
//
//   build/engine_bench --benchmark_filter=OneReplica
//
// items_per_second is requests/s of one core; plans and steps a request say how much work that was.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/base/rng.h"
#include "core/engine/engine.h"

namespace tidegate::engine {
namespace {

constexpr double kCapacity = 7.8;  // requests/s at which the reference profile saturates

struct Traffic {
  std::int64_t prompt = 500, output = 500;
  std::int64_t hashes = 0;  ///< distinct hashes of 16 tokens a prompt
  std::int64_t shared = 0;  ///< of them, how many come from one of ten common heads
};

void one_replica(benchmark::State& bench, double rate, const Traffic& traffic) {
  Engine engine{Options{}};
  Rng rng(1, "arrivals");
  std::vector<EngineEvent> events;
  events.reserve(4'096);
  EngineRequest request;
  request.prompt = Tokens(traffic.prompt);
  request.output = Tokens(traffic.output);
  std::int64_t now = 0, finished = 0;
  std::uint64_t id = 0;
  for (auto _ : bench) {
    now += static_cast<std::int64_t>(rng.exponential(1e9 / rate));
    while (engine.next_event().nanos() <= now) {
      events.clear();
      engine.advance(engine.next_event(), events);
      for (const EngineEvent& e : events) finished += e.kind == EventKind::kFinished;
    }
    request.id = RequestId(++id);
    request.prefix.clear();
    for (std::int64_t i = 0; i < traffic.hashes; ++i) {
      std::uint64_t chain = i < traffic.shared ? id % 10 : id;
      request.prefix.push_back((chain << 20) + static_cast<std::uint64_t>(i));
    }
    engine.submit(request, Instant::from_nanos(now));
  }
  Stats stats = engine.stats();
  auto requests = static_cast<double>(bench.iterations());
  bench.SetItemsProcessed(bench.iterations());
  bench.counters["finished"] = static_cast<double>(finished);
  bench.counters["plans_per_request"] = static_cast<double>(stats.plans_total) / requests;
  bench.counters["steps_per_request"] = static_cast<double>(stats.steps_total) / requests;
  bench.counters["hit_share"] =
      static_cast<double>(stats.prefix_hits_tokens_total) /
      static_cast<double>(std::max<std::int64_t>(1, stats.prefix_queries_tokens_total));
}

BENCHMARK_CAPTURE(one_replica, OneReplicaAt80Percent, 0.8 * kCapacity, Traffic{});
BENCHMARK_CAPTURE(one_replica, OneReplicaAt10Percent, 0.1 * kCapacity, Traffic{});
BENCHMARK_CAPTURE(one_replica, OneReplicaIdle, 0.1, Traffic{});
BENCHMARK_CAPTURE(one_replica, OneReplicaHashedPrompts, 0.8 * kCapacity,
                  Traffic{.hashes = 31, .shared = 16});
BENCHMARK_CAPTURE(one_replica, OneReplicaLongHashedPrompts, 0.4,
                  Traffic{.prompt = 12'000, .output = 340, .hashes = 750, .shared = 256});

}  // namespace
}  // namespace tidegate::engine
