#pragma once
// Bench: a gateway that counts and a fleet that is what the test says, decided about by tide second
// by second. Tests of core/policy only.
//
//   Bench bench;
//   Recommendation r = bench.run(40, 600);   // 40 requests/s for ten minutes

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/policy/policy.h"

namespace tidegate::policy {

inline signal::Signal fresh(double value, Instant at) {
  return {value, at, signal::Source::kGateway, signal::Freshness::kFresh, 1};
}

/// One variant of 64 sequences, a cold start of 100 s, 500 + 200 tokens a request: about ten
/// requests a second each.
inline spec::Model tide_model() {
  spec::Model model;
  model.name = "m";
  model.scaling.policy = spec::PolicyKind::kTide;
  model.scaling.environment = spec::Environment::kCost;
  model.slo.ttft = spec::LatencyBound{0.99, seconds(2)};
  model.slo.itl = spec::LatencyBound{0.95, millis(60)};
  spec::Variant variant;
  variant.name = "v";
  variant.cost_per_hour_dollars = 4;
  variant.max_replicas = Replicas(100);
  variant.engine.max_num_seqs = 64;
  variant.cold_start.engine = {seconds(100), seconds(100), {}};
  model.variants.push_back(variant);
  return model;
}

/// A gateway that counts, and a fleet that does what it is told after a lead time.
struct Bench {
  spec::Model model = tide_model();
  State state;
  signal::Observation seen;
  Instant now = Instant::from_nanos(1'000'000'000'000);
  double arrived = 0;

  Bench() {
    seen.model = model.name;
    seen.variants.resize(1);
    seen.variants[0].variant = "v";
    seen.variants[0].fleet.ready = Replicas(1);
  }
  Recommendation step(double rate, double elapsed = 1) {
    now += seconds_f(elapsed);
    arrived += rate * elapsed;
    seen.at = now;
    seen.gateway = fresh(1, now);
    signal::Demand& d = seen.demand;
    d.arrived_total = d.finished_total = static_cast<std::int64_t>(arrived);
    d.prompt_tokens_total = d.arrived_total * 500;
    d.expected_output_tokens_total = d.output_tokens_total = d.arrived_total * 200;
    d.expected_kv_token_steps_total = d.arrived_total * (500 + 100) * 200;
    d.dispatched_requests = static_cast<std::int64_t>(rate * 5);
    return again();
  }
  Recommendation again() {
    auto [answer, next] = decide(model, seen, std::move(state), now);
    state = std::move(next);
    return answer;
  }
  Recommendation run(double rate, int steps) {
    Recommendation out;
    for (int i = 0; i < steps; ++i) out = step(rate);
    return out;
  }
};

inline std::int64_t asked(const Recommendation& r) { return r.replicas.at(0).replicas.value(); }
inline bool gives(const Recommendation& r, ReasonCode code) {
  return std::any_of(r.reasons.begin(), r.reasons.end(),
                     [&](const Reason& reason) { return reason.code == code; });
}

/// Of the first reason that has it, else -1.
inline double evidence_of(const Recommendation& r, std::string_view name) {
  for (const Reason& reason : r.reasons) {
    for (const Evidence& e : reason.evidence) {
      if (e.name == name) return e.value;
    }
  }
  return -1.0;
}

}  // namespace tidegate::policy
