// What the laws amount to: the reference profile's published figures, by simulation and by
// arithmetic.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/base/rng.h"
#include "core/engine/engine.h"

namespace tidegate::engine {
namespace {

struct Outcome {
  double itl_seconds = 0;   ///< mean over tokens
  double ttft_seconds = 0;  ///< mean over requests
  double running = 0;       ///< mean at arrivals
  std::int64_t waiting_most = 0;
  Stats stats;
};

enum class Arrivals : std::uint8_t { kPoisson, kEven };

/// `count` requests of 500 + 500 tokens to the reference profile with 256 sequences.
Outcome offer(double rate, int count, Arrivals arrivals = Arrivals::kPoisson) {
  Engine engine{Options{}};
  Rng rng(7, "arrivals");
  std::vector<EngineEvent> events;
  std::vector<Instant> arrived{Instant{}}, first{Instant{}};
  Outcome out;
  double itl = 0, ttft = 0;
  int finished = 0;
  auto take = [&](const EngineEvent& e) {
    std::size_t i = e.id.value();
    if (e.kind == EventKind::kFirstToken) {
      first[i] = e.at;
      ttft += to_seconds(e.at - arrived[i]);
    } else if (e.kind == EventKind::kFinished) {
      itl += to_seconds(e.at - first[i]) / 499;
      ++finished;
    }
  };
  Instant now;
  for (int i = 1; i <= count; ++i) {
    now += seconds_f(arrivals == Arrivals::kEven ? 1 / rate : rng.exponential(1 / rate));
    events.clear();
    engine.advance(now, events);
    for (const EngineEvent& e : events) take(e);
    out.stats = engine.stats();
    out.running += static_cast<double>(out.stats.running) / count;
    out.waiting_most = std::max(out.waiting_most, out.stats.waiting);
    arrived.push_back(now);
    first.push_back({});
    EngineRequest request;
    request.id = RequestId(static_cast<std::uint64_t>(i));
    request.prompt = request.output = Tokens(500);
    engine.submit(request, now);
  }
  out.itl_seconds = itl / finished;
  out.ttft_seconds = ttft / finished;
  return out;
}

/// Mean step time at which `rate` requests/s of 500 + 500 tokens are in balance: each step prefills
/// what arrived during the one before, and rate * 499 steps' worth of sequences decode.
double balanced_step_seconds(double rate) {
  double step = 0.010;
  for (int i = 0; i < 2'000; ++i) {
    double decoding = rate * 499 * step;
    double context = decoding * (500 + 250);
    step = 0.010 + 25e-6 * rate * 500 * step + 100e-6 * decoding + 0.12e-6 * context +
           0.2e-9 * rate * 125'250 * step;
  }
  return step;
}

TEST(Capacity, TheReferenceProfileHoldsSevenAndAHalfRequestsASecond) {
  Outcome held = offer(7.5, 30'000);
  EXPECT_NEAR(held.itl_seconds, 0.050, 0.003);
  EXPECT_LT(held.ttft_seconds, 0.5);
  EXPECT_EQ(held.stats.preemptions_total, 0);
  EXPECT_LT(held.running, 256);
}

TEST(Capacity, AtEightRequestsASecondItFallsBehindWithoutEnd) {
  Outcome half = offer(8.0, 15'000);
  Outcome whole = offer(8.0, 30'000);
  EXPECT_GT(half.ttft_seconds, 2);
  EXPECT_GT(whole.waiting_most, half.waiting_most + 50);
}

TEST(Capacity, SimulatedInterTokenTimeIsTheFixedPointOfTheLaw) {
  for (double rate : {1.0, 3.0, 5.0, 6.5, 7.5}) {
    double expected = balanced_step_seconds(rate);
    Outcome even = offer(rate, 15'000, Arrivals::kEven);
    EXPECT_NEAR(even.itl_seconds / expected, 1, 0.015) << rate << " requests/s, evenly";
    // A token sees the step it is in, and long steps hold more tokens.
    Outcome poisson = offer(rate, 15'000);
    EXPECT_NEAR(poisson.itl_seconds / expected, 1.025, 0.025) << rate << " requests/s, Poisson";
  }
}

TEST(Capacity, LittlesLawHoldsOverTheRun) {
  for (double rate : {2.0, 6.0}) {
    Outcome out = offer(rate, 20'000);
    double stay = out.ttft_seconds + 499 * out.itl_seconds;
    EXPECT_NEAR(out.running / (rate * stay), 1, 0.03) << rate << " requests/s";
  }
}

}  // namespace
}  // namespace tidegate::engine
