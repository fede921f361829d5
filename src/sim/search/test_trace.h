#pragma once
// Traces in memory for tests of the searches.

#include <memory>
#include <utility>
#include <vector>

#include "core/base/rng.h"
#include "sim/search/arrivals.h"
#include "sim/test_world.h"

namespace tidegate::sim {

using Trace = std::vector<workload::TraceRequest>;

class Given : public workload::Stream {
 public:
  explicit Given(Trace all) : all_(std::move(all)) {}
  bool next(workload::TraceRequest& out) override {
    if (at_ == all_.size()) return false;
    out = all_[at_++];
    return true;
  }
  double progress() const override { return 0; }

 private:
  Trace all_;
  std::size_t at_ = 0;
};

inline OpenStream opener(Trace trace) {
  return [trace = std::move(trace)]() -> Result<std::unique_ptr<workload::Stream>> {
    return std::make_unique<Given>(trace);
  };
}

/// Poisson arrivals at each of these rates for a slot.
inline Trace steps(const std::vector<double>& rates, Duration slot, std::uint64_t seed) {
  Trace out;
  Rng rng(seed, "arrivals");
  for (std::size_t i = 0; i < rates.size(); ++i) {
    double from = to_seconds(slot) * static_cast<double>(i), until = from + to_seconds(slot);
    if (rates[i] <= 0) continue;
    for (double at = from + rng.exponential(1 / rates[i]); at < until;
         at += rng.exponential(1 / rates[i])) {
      out.push_back(request_at(seconds_f(at), 100, 10));
    }
  }
  return out;
}

/// One request a second a replica; a wait of 3 s is met; a cold start takes 20 s.
inline WorldOptions slow_world(std::int64_t min, std::int64_t max, std::int64_t initial) {
  spec::Model model = model_with(min, max);
  model.queue.max_wait = seconds(30);
  model.slo.ttft = spec::LatencyBound{0.9, seconds(3)};
  model.variants[0].cold_start.engine = {.p50 = seconds(20), .p90 = seconds(20)};
  return world_of(model, one_at_a_time(millis(100)), initial);
}

}  // namespace tidegate::sim
