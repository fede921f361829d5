#pragma once
// Test bench of the controller: sends events, keeps the actions, answers questions about them.

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/control/controller.h"

namespace tidegate::control {

inline Instant at(double s) { return Instant::from_nanos(1'000'000'000'000) + seconds_f(s); }

inline spec::Model model_with(std::int64_t min, std::int64_t max, std::size_t variants = 1) {
  spec::Model model;
  model.name = "m";
  model.scaling.concurrency_target = 10;
  model.scaling.scale_down_delay = seconds(60);
  for (std::size_t i = 0; i < variants; ++i) {
    spec::Variant variant;
    variant.name = "v" + std::to_string(i);
    variant.cost_per_hour_dollars = 1.0 + static_cast<double>(i);
    variant.min_replicas = Replicas(min);
    variant.max_replicas = Replicas(max);
    model.variants.push_back(variant);
  }
  return model;
}

inline signal::Signal fresh(double value) {
  return {value, {}, signal::Source::kGateway, signal::Freshness::kFresh, 1};
}

inline Observed observed(const spec::Model& model, Instant now, std::int64_t queued,
                         std::int64_t dispatched) {
  Observed out;
  out.observation.model = model.name;
  out.observation.at = now;
  out.observation.gateway = fresh(0);
  out.observation.demand.queued_requests = queued;
  out.observation.demand.dispatched_requests = dispatched;
  for (const spec::Variant& variant : model.variants) {
    out.observation.variants.push_back({});
    out.observation.variants.back().variant = variant.name;
  }
  return out;
}

struct Bench {
  Controller controller;
  std::vector<Action> actions;

  explicit Bench(spec::Model model, Start start = {})
      : controller(std::move(model), 1, std::move(start)) {}

  void send(const Event& event, double t) { controller.handle(event, at(t), actions); }
  void observe(double t, std::int64_t queued, std::int64_t dispatched) {
    send(observed(controller.model(), at(t), queued, dispatched), t);
  }
  void observe_nothing(double t) {
    Observed nothing = observed(controller.model(), at(t), 0, 0);
    nothing.observation.gateway = {};
    send(nothing, t);
  }
  void ready(std::uint64_t count, double t) {
    for (std::uint64_t id = 1; id <= count; ++id) {
      send(ReplicaChanged{ReplicaId(id), "v0", ReplicaState::kReady, {}, 0}, t);
    }
  }

  template <class T>
  std::vector<T> all() const {
    std::vector<T> out;
    for (const Action& action : actions) {
      if (const T* one = std::get_if<T>(&action)) out.push_back(*one);
    }
    return out;
  }
  std::vector<std::int64_t> applied() const {
    std::vector<std::int64_t> out;
    for (const Apply& apply : all<Apply>()) out.push_back(apply.replicas.value());
    return out;
  }
  Apply last_apply_action() const { return all<Apply>().back(); }
  std::int64_t last_apply(const std::string& variant) const {
    std::int64_t out = -1;
    for (const Apply& apply : all<Apply>()) {
      if (apply.variant == variant) out = apply.replicas.value();
    }
    return out;
  }
  std::vector<Record> records() const { return all<Record>(); }
  Decision last_record() const { return records().back().decision; }
  /// Requests in flight that the last decision saw (the concurrency law's evidence).
  std::int64_t decided_on() const {
    for (const Reason& reason : controller.view().reasons) {
      for (const Evidence& evidence : reason.evidence) {
        if (evidence.name == "in_flight_requests") return static_cast<std::int64_t>(evidence.value);
      }
    }
    return -1;
  }
  bool announced(ReasonCode code) const {
    for (const Announce& announce : all<Announce>()) {
      if (announce.reason.code == code) return true;
    }
    return false;
  }
};

}  // namespace tidegate::control
