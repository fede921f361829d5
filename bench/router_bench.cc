// What one event costs the router. A request is three events: Arrived, FirstByte, Finished.
//
//   build/router_bench            # time per request; items_per_second counts events

#include <benchmark/benchmark.h>

#include <vector>

#include "core/route/router.h"

namespace {

using namespace tidegate;
using namespace tidegate::route;

/// `replicas` of 64 sequences, kept full, with `waiting` requests queued all the time.
void request(benchmark::State& state) {
  auto replicas = static_cast<std::uint64_t>(state.range(0));
  auto waiting = static_cast<std::uint64_t>(state.range(1));
  Router router(Options{.max_requests = 100'000, .max_wait = seconds(3600)});
  std::vector<Action> actions;
  actions.reserve(64);
  Instant now = Instant::from_nanos(0);
  for (std::uint64_t r = 1; r <= replicas; ++r) {
    router.handle(ReplicaUp{ReplicaId(r), 0, 64, 400'000, 0}, now, actions);
  }
  std::uint64_t id = 0;
  std::vector<RequestId> bound;
  std::size_t oldest = 0;
  auto handle = [&](const Event& event) {
    actions.clear();
    router.handle(event, now, actions);
    for (const Action& a : actions) {
      if (const auto* d = std::get_if<Dispatch>(&a)) bound.push_back(d->id);
    }
  };
  Arrived arrived;
  arrived.prompt = Tokens(500);
  arrived.max_output = Tokens(500);
  arrived.bytes = 2000;
  auto arrive = [&] {
    arrived.id = RequestId(++id);
    arrived.tenant = id % 16;
    handle(arrived);
  };
  for (std::uint64_t i = 0; i < replicas * 64 + waiting; ++i) arrive();
  bound.reserve(1 << 24);
  for (auto _ : state) {
    now += nanos(1000);
    arrive();
    RequestId done = bound[oldest++];
    handle(FirstByte{done});
    handle(Finished{done, Tokens(500), Tokens(0), Tokens(500)});
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 3);
}
BENCHMARK(request)
    ->ArgNames({"replicas", "waiting"})
    ->Args({1, 0})
    ->Args({1, 2000})
    ->Args({100, 0})
    ->Args({100, 2000})
    ->Args({1000, 2000});

}  // namespace
