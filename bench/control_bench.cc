// What one decision costs: 10,000 controllers, one variant of ten ready replicas each, an
// observation a second; policy, plan, reasons, journal records once a minute. Items are decisions.
//
//   control_bench --benchmark_filter=decide

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "core/control/controller.h"

namespace tidegate::control {
namespace {

constexpr std::size_t kModels = 10'000;
constexpr std::uint64_t kReplicas = 10;

spec::Model model_with(spec::PolicyKind policy, std::size_t index) {
  spec::Model model;
  model.name = "model-" + std::to_string(index);
  model.scaling.policy = policy;
  model.scaling.concurrency_target = 64;
  spec::Variant variant;
  variant.name = "h100-fp8";
  variant.cost_per_hour_dollars = 3.9;
  variant.max_replicas = Replicas(32);
  model.variants.push_back(variant);
  return model;
}

signal::Signal fresh(double value) {
  return {value, {}, signal::Source::kGateway, signal::Freshness::kFresh, 1};
}

Observed observed(const spec::Model& model, Instant now, std::int64_t in_flight) {
  Observed out;
  out.observation.model = model.name;
  out.observation.at = now;
  out.observation.gateway = fresh(0);
  out.observation.demand.dispatched_requests = in_flight;
  out.observation.variants.resize(1);
  out.observation.variants[0].variant = model.variants[0].name;
  out.observation.variants[0].kv_usage = fresh(0.5);
  out.observation.variants[0].engine_waiting_requests = fresh(0);
  for (std::uint64_t id = 1; id <= kReplicas; ++id) {
    plan::ReplicaRow row;
    row.id = ReplicaId(id);
    row.in_flight = in_flight / static_cast<std::int64_t>(kReplicas);
    out.replicas.push_back(row);
  }
  return out;
}

void decide(benchmark::State& state) {
  auto policy = static_cast<spec::PolicyKind>(state.range(0));
  state.SetLabel(std::string(token(policy)));
  std::vector<Controller> controllers;
  std::vector<Action> actions;
  Instant now = Instant::from_nanos(0) + seconds(1000);
  for (std::size_t i = 0; i < kModels; ++i) {
    controllers.emplace_back(model_with(policy, i), 1, Start{});
    for (std::uint64_t id = 1; id <= kReplicas; ++id) {
      controllers[i].handle(ReplicaChanged{ReplicaId(id), "h100-fp8", ReplicaState::kReady, {}, 0},
                            now, actions);
    }
  }
  std::int64_t load = 400;
  for (auto _ : state) {
    now += seconds(1);
    load = load == 400 ? 420 : 400;
    for (Controller& controller : controllers) {
      actions.clear();
      controller.handle(observed(controller.model(), now, load), now, actions);
      benchmark::DoNotOptimize(actions.data());
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kModels));
}
BENCHMARK(decide)->DenseRange(0, 5)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidegate::control
