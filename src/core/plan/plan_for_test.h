#pragma once
// What tests of core/plan share: a model, what is seen and recommended of it, and a fleet that
// follows its plan at once.

#include <gtest/gtest.h>

#include "core/plan/plan.h"

namespace tidegate::plan {

inline Instant at(double s) { return Instant::from_nanos(1'000'000'000'000) + seconds_f(s); }

inline spec::Model model_with(std::size_t variants = 1) {
  spec::Model model;
  model.name = "m";
  model.scaling.environment = spec::Environment::kCost;
  model.scaling.scale_down_delay = Duration(0);
  model.scaling.concurrency_target = 10;
  for (std::size_t i = 0; i < variants; ++i) {
    spec::Variant variant;
    variant.name = "v" + std::to_string(i);
    variant.cost_per_hour_dollars = 1.0 + static_cast<double>(i);
    variant.max_replicas = Replicas(20);
    model.variants.push_back(variant);
  }
  return model;
}

inline signal::Observation observe(const spec::Model& model, std::vector<std::int64_t> ready,
                                   std::int64_t waiting = 0) {
  signal::Observation seen;
  seen.gateway = {0, {}, signal::Source::kGateway, signal::Freshness::kFresh, 1};
  seen.demand.queued_requests = waiting;
  for (std::size_t i = 0; i < model.variants.size(); ++i) {
    signal::VariantObservation variant;
    variant.variant = model.variants[i].name;
    variant.fleet.ready = Replicas(ready[i]);
    seen.variants.push_back(variant);
  }
  return seen;
}

inline policy::Recommendation want(const spec::Model& model, std::vector<std::int64_t> each,
                                   bool complete = true) {
  policy::Recommendation out;
  for (std::size_t i = 0; i < each.size(); ++i) {
    out.replicas.push_back({model.variants[i].name, Replicas(each[i])});
  }
  out.complete = complete;
  return out;
}

/// A fleet that follows its plan at once: runs the pipeline and remembers.
struct Follower {
  spec::Model model;
  Memory memory;
  std::vector<std::int64_t> now_running;
  Plan last;
  std::vector<std::int64_t> step(double t, std::vector<std::int64_t> wanted, bool complete = true,
                                 std::int64_t waiting = 0) {
    signal::Observation seen = observe(model, now_running, waiting);
    std::tie(last, memory) =
        run(model, seen, want(model, std::move(wanted), complete), {}, std::move(memory), at(t));
    now_running.clear();
    for (const VariantPlan& one : last.variants) now_running.push_back(one.replicas.value());
    return now_running;
  }
  std::int64_t one(double t, std::int64_t wanted, bool complete = true, std::int64_t waiting = 0) {
    return step(t, {wanted}, complete, waiting)[0];
  }
  bool says(ReasonCode code) const {
    for (const Reason& reason : last.reasons) {
      if (reason.code == code) return true;
    }
    return false;
  }
};

}  // namespace tidegate::plan
