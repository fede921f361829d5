// The oracle against brute force, against what it was given, and against itself.
#include "sim/search/oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/search/timeline.h"
#include "sim/search/trial.h"
#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

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

OpenStream opener(Trace trace) {
  return [trace = std::move(trace)]() -> Result<std::unique_ptr<workload::Stream>> {
    return std::make_unique<Given>(trace);
  };
}

/// Poisson arrivals at each of these rates for a slot.
Trace steps(const std::vector<double>& rates, Duration slot, std::uint64_t seed) {
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
WorldOptions world(std::int64_t min, std::int64_t max, std::int64_t initial) {
  spec::Model model = model_with(min, max);
  model.queue.max_wait = seconds(30);
  model.slo.ttft = spec::LatencyBound{0.9, seconds(3)};
  model.variants[0].cold_start.engine = {.p50 = seconds(20), .p90 = seconds(20)};
  engine::Profile profile = one_at_a_time(millis(100));
  return world_of(model, profile, initial);
}

struct Least {
  double gpu_hours = std::numeric_limits<double>::infinity();
  std::int64_t tried = 0;
};

/// Every schedule with one of 0..most replicas in each slot.
Least brute_force(const OracleOptions& options, const Arrivals& arrivals, std::int64_t slots,
                  std::int64_t most) {
  Least out;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(slots), 0);
  for (;;) {
    WorldOptions one = options.world;
    Timeline line(options.world.initial);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      line.set(0, static_cast<std::int64_t>(i) * options.slot, counts[i]);
    }
    one.schedule = line.schedule();
    auto played = play(std::move(one), arrivals, {.end = options.end});
    ++out.tried;
    if (played->totals.score.attainment() >= options.attainment) {
      out.gpu_hours = std::min(out.gpu_hours, played->totals.gpu_hours);
    }
    std::size_t digit = 0;
    while (digit < counts.size() && counts[digit] == most) counts[digit++] = 0;
    if (digit == counts.size()) return out;
    ++counts[digit];
  }
}

TEST(Oracle, FindsOnASmallGridWhatTryingEverythingFinds) {
  const Duration slot = seconds(60);
  const std::vector<std::vector<double>> shapes = {
      {0.2, 1.5, 0.2}, {1, 0, 0, 1}, {0, 0.6, 1.2, 0.1}, {1.5, 0.3, 0.3, 1.5}, {0.1, 0.1, 1.6, 0}};
  for (const auto& rates : shapes) {
    for (double attainment : {0.7, 0.9, 0.99}) {
      for (std::int64_t initial : {0, 1}) {
        Trace trace = steps(rates, slot, 7);
        OracleOptions options{.world = world(0, 2, initial),
                              .open = opener(trace),
                              .attainment = attainment,
                              .end = Instant() + static_cast<std::int64_t>(rates.size()) * slot,
                              .slot = slot};
        auto arrivals = Arrivals::read(options.open);
        // One slot more: a fleet may leave while the last requests end.
        auto slots = static_cast<std::int64_t>(rates.size()) + 1;
        Least least = brute_force(options, *arrivals, slots, 2);
        auto found = oracle(options);
        ASSERT_TRUE(found.has_value());
        std::string label = testing::PrintToString(rates) + " at " + std::to_string(attainment) +
                            " from " + std::to_string(initial) + ", found by " + found->found_by +
                            " in " + std::to_string(found->evaluations);
        EXPECT_EQ(found->reached, std::isfinite(least.gpu_hours)) << label;
        if (!found->reached) continue;
        EXPECT_DOUBLE_EQ(found->totals.gpu_hours, least.gpu_hours) << label;
      }
    }
  }
}

}  // namespace
}  // namespace tidegate::sim
