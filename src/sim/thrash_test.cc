// Replicas whose KV is too small for what they are given: with a router that hears how often they
// preempt, and with one that does not.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "sim/machine.h"
#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

struct Outcome {
  double preempted = 0;   ///< a request
  double attainment = 0;  ///< ITL at most 30 ms
};

/// Two replicas of 40,000 KV tokens for half an hour at about all they can serve: short prompts,
/// answers spread exponentially about 800 tokens, of which the router learns the mean.
Outcome played(std::uint64_t seed, bool told) {
  spec::Model model = model_with(2, 2);
  model.slo.itl = spec::LatencyBound{0.95, millis(30)};
  engine::Profile small;
  small.kv_tokens = 40'000;
  WorldOptions options = world_of(std::move(model), small, 2);
  options.output_limit = OutputLimit::kUnsaid;
  std::array<std::int64_t, 2> preempted{};  // engines are read in turn
  std::size_t turn = 0;
  options.pages = [&, writer = PageWriter()](engine::Stats stats) mutable -> const signal::Page& {
    preempted[turn++ % 2] = stats.preemptions_total;
    if (!told) stats.preemptions_total = 0;
    return writer.write(stats);
  };
  World world(std::move(options));
  Rng rng(seed, "thrash");
  double at_seconds = 0;
  std::int64_t requests = 0;
  for (; at_seconds < 1'800; ++requests) {
    at_seconds += rng.exponential(1 / 5.0);
    const auto output = static_cast<std::int64_t>(1 + rng.exponential(800));
    world.offer(request_at(seconds_f(at_seconds), 200, std::min<std::int64_t>(output, 8'000)));
  }
  world.drain();
  return {static_cast<double>(preempted[0] + preempted[1]) / static_cast<double>(requests),
          world.totals().score.attainment()};
}

TEST(Thrashing, LessCreditMeansFewerPreemptionsAndMoreRequestsInTime) {
  for (std::uint64_t seed : {1, 2, 3}) {
    const Outcome deaf = played(seed, false), told = played(seed, true);
    EXPECT_GT(deaf.preempted, 0.2) << "seed " << seed << ": the case must thrash";
    EXPECT_LT(told.preempted, 0.75 * deaf.preempted) << "seed " << seed;
    EXPECT_GE(told.attainment, deaf.attainment) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tidegate::sim
