#pragma once
// Test bench of the simulator: models, traces in memory, worlds played to their end.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/rng.h"
#include "core/engine/profile.h"
#include "sim/world.h"

namespace tidegate::sim {

inline spec::Model model_with(std::int64_t min, std::int64_t max) {
  spec::Model model;
  model.name = "m";
  model.served_names = {"m"};
  model.scaling.policy = spec::PolicyKind::kStatic;
  model.queue.max_requests = 1'000'000;
  model.queue.max_bytes = 1LL << 40;
  model.queue.max_wait = seconds(100'000'000);
  spec::Variant variant;
  variant.name = "v";
  variant.cost_per_hour_dollars = 2;
  variant.min_replicas = Replicas(min);
  variant.max_replicas = Replicas(max);
  variant.cold_start.engine = {.p50 = seconds(60), .p90 = seconds(60)};
  model.variants.push_back(variant);
  return model;
}

/// One request at a time, `service` long whatever its length: a server of queueing theory.
inline engine::Profile one_at_a_time(Duration service) {
  engine::Profile profile;
  profile.c0_fs = service.count() * 1'000'000;
  profile.c1_fs = profile.c2_fs = profile.c3_fs = profile.c4_fs = 0;
  profile.max_num_seqs = 1;
  return profile;
}

inline WorldOptions world_of(spec::Model model, const engine::Profile& profile,
                             std::int64_t replicas) {
  WorldOptions options;
  for (spec::Variant& variant : model.variants) variant.profile = profile;
  options.initial.assign(model.variants.size(), 0);
  options.initial.front() = replicas;
  options.model = std::move(model);
  return options;
}

inline workload::TraceRequest request_at(Duration at, std::int64_t prompt, std::int64_t output) {
  workload::TraceRequest request;
  request.at = at;
  request.prompt = Tokens(prompt);
  request.output = Tokens(output);
  return request;
}

inline std::vector<workload::TraceRequest> poisson(double rate, std::size_t count,
                                                   std::int64_t prompt, std::int64_t output,
                                                   std::uint64_t seed = 1) {
  Rng rng(seed, "arrivals");
  std::vector<workload::TraceRequest> trace;
  double at_seconds = 0;
  for (std::size_t i = 0; i < count; ++i) {
    at_seconds += rng.exponential(1 / rate);
    trace.push_back(request_at(seconds_f(at_seconds), prompt, output));
  }
  return trace;
}

/// Offers all, drains, bills to the last event.
inline World played(WorldOptions options, const std::vector<workload::TraceRequest>& trace) {
  World world(std::move(options));
  for (const auto& request : trace) world.offer(request);
  world.drain();
  world.finish(world.now());
  return world;
}

}  // namespace tidegate::sim
