// Trust: the world against queueing theory, and what holds whatever the load.

#include "sim/world.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

/// Probability that all of c servers are busy (Erlang C), offered `a` erlangs.
double erlang_c(int c, double a) {
  double term = 1, sum = 0;
  for (int k = 0; k < c; ++k) {
    sum += term;
    term *= a / (k + 1);
  }
  double all = term * c / (c - a);
  return all / (sum + all);
}

/// Mean wait of requests whose service takes exactly as long as it should.
double mean_wait_seconds(const World& world, Duration service) {
  return world.totals().score.e2e.mean() - to_seconds(service);
}

TEST(World, WaitsAsMD1) {
  for (double load : {0.3, 0.5, 0.8}) {
    const Duration service = seconds(1);
    WorldOptions options = world_of(model_with(1, 1), one_at_a_time(service), 1);
    World world = played(options, poisson(load, 60'000, 1, 1));
    double expected = load / (2 * (1 - load));  // Pollaczek and Khinchine, in service times
    EXPECT_NEAR(mean_wait_seconds(world, service), expected, 0.04 * expected + 0.003)
        << "load " << load;
    EXPECT_EQ(world.totals().score.completed, 60'000);
  }
}

TEST(World, WaitsAsMMcWhereServiceIsExponential) {
  // A request of n output tokens takes n steps of 1 ms: lengths drawn exponential are services.
  constexpr int kServers = 3;
  constexpr double kMeanTokens = 1000, kLoad = 0.8;
  Rng rng(5, "lengths");
  auto trace = poisson(kServers * kLoad, 60'000, 1, 1, 9);
  for (auto& request : trace) {
    request.output =
        Tokens(std::max<std::int64_t>(1, static_cast<std::int64_t>(rng.exponential(kMeanTokens))));
  }
  World world =
      played(world_of(model_with(kServers, kServers), one_at_a_time(millis(1)), kServers), trace);
  double service = 0;
  for (const auto& request : trace) service += static_cast<double>(request.output.value()) / 1000;
  service /= static_cast<double>(trace.size());
  double wait = world.totals().score.e2e.mean() - service;
  double a = kServers * kLoad * service;
  double expected = erlang_c(kServers, a) * service / (kServers - a);
  EXPECT_NEAR(wait, expected, 0.06 * expected);
}

TEST(World, KeepsLittlesLaw) {
  // L = lambda * W: the time-average number in the system, seen at random instants, against rate
  // times sojourn.
  auto trace = poisson(6, 20'000, 500, 500);
  World world(world_of(model_with(1, 1), engine::Profile{}, 1));
  double in_system = 0, samples = 0;
  for (const auto& request : trace) {
    world.offer(request);
    in_system += static_cast<double>(world.in_flight() - 1);  // arrivals see time averages
    ++samples;
  }
  Duration span = world.now() - Instant();
  world.drain();
  double rate = static_cast<double>(trace.size()) / to_seconds(span);
  double expected = rate * world.totals().score.e2e.mean();
  EXPECT_NEAR(in_system / samples, expected, 0.02 * expected);
}

TEST(World, EveryArrivalEndsInExactlyOneOutcome) {
  struct Row {
    const char* label;
    double rate;
    std::int64_t max_requests;
    Duration max_wait;
  };
  for (const Row& row :
       {Row{"light load: all are served", 1, 2000, seconds(120)},
        Row{"overload with a short queue: some are refused", 60, 50, seconds(120)},
        Row{"overload with short patience: some time out", 60, 5000, seconds(3)}}) {
    spec::Model model = model_with(1, 4);
    model.scaling.policy = spec::PolicyKind::kConcurrency;
    model.scaling.concurrency_target = 64;
    model.queue.max_requests = row.max_requests;
    model.queue.max_wait = row.max_wait;
    World world = played(world_of(model, engine::Profile{}, 1), poisson(row.rate, 3'000, 500, 100));
    const Totals t = world.totals();
    const auto& s = t.score;
    EXPECT_EQ(s.requests, 3'000) << row.label;
    EXPECT_EQ(s.completed + s.rejected + s.timed_out + s.lost, 3'000) << row.label;
    EXPECT_EQ(world.in_flight(), 0) << row.label;
    EXPECT_LE(to_seconds(t.busy) / 3600, t.replica_hours) << row.label;
    EXPECT_GT(t.busy, Duration(0)) << row.label;
    EXPECT_EQ(s.completed == 3'000, row.rate < 10) << row.label;
  }
}

TEST(World, MoreLoadNeverServesFewerTokens) {
  std::int64_t before = 0;
  for (double rate : {1.0, 2.0, 4.0, 8.0, 16.0, 32.0}) {
    spec::Model model = model_with(1, 1);
    model.queue.max_wait = seconds(10);
    // As long a trace at each rate.
    auto trace = poisson(rate, static_cast<std::size_t>(rate * 300), 500, 200);
    World world = played(world_of(model, engine::Profile{}, 1), trace);
    EXPECT_GE(world.totals().output_tokens, before) << "rate " << rate;
    before = world.totals().output_tokens;
  }
}

TEST(World, BillsFromGrantToGoneStartAndDrainIncluded) {
  // Two replicas asked, one there: the second is ordered at once and takes 60 s. Two hours at 2
  // dollars.
  spec::Model model = model_with(2, 2);
  World world(world_of(model, engine::Profile{}, 1));
  world.finish(Instant::from_nanos(0) + seconds(7200));
  Totals t = world.totals();
  EXPECT_EQ(t.cold_starts, 1);
  EXPECT_EQ(t.scale_ups, 1);
  EXPECT_EQ(t.replicas_peak, 2);
  EXPECT_DOUBLE_EQ(t.replica_hours, 4.0) << "the start is billed";
  EXPECT_DOUBLE_EQ(t.cost_dollars, 8.0);

  model.variants[0].cold_start.procurement = {.p50 = seconds(1800), .p90 = seconds(1800)};
  model.variants[0].hardware.count = 4;
  World late(world_of(model, engine::Profile{}, 1));
  late.finish(Instant::from_nanos(0) + seconds(7200));
  EXPECT_DOUBLE_EQ(late.totals().replica_hours, 3.5) << "a node that is not there yet is not";
  EXPECT_DOUBLE_EQ(late.totals().gpu_hours, 14.0);
}

TEST(World, ScaleDownDrainsBeforeItIsGone) {
  spec::Model model = model_with(1, 2);
  model.scaling.policy = spec::PolicyKind::kStatic;
  model.scaling.scale_down_delay = seconds(10);
  World world(world_of(model, engine::Profile{}, 2));
  // Both hold a long request when one is told to go.
  world.offer(request_at(seconds(1), 500, 5'000));
  world.offer(request_at(seconds(1), 500, 5'000));
  world.drain();
  world.finish(Instant::from_nanos(0) + seconds(3600));
  Totals t = world.totals();
  EXPECT_EQ(t.score.completed, 2);
  EXPECT_EQ(t.scale_downs, 1);
  double served_hours = t.score.e2e.quantile(1) / 3600;
  EXPECT_GT(t.replica_hours, 1 + served_hours * 0.98) << "it was billed while it drained";
  EXPECT_LT(t.replica_hours, 1 + served_hours * 1.1 + 2.0 / 3600) << "and not after";
}

TEST(World, ARequestThatNeverFitsIsRejectedAndCounted) {
  World world = played(world_of(model_with(1, 1), engine::Profile{}, 1),
                       {request_at(seconds(1), 500'000, 10), request_at(seconds(2), 100, 10)});
  EXPECT_EQ(world.totals().score.rejected, 1);
  EXPECT_EQ(world.totals().too_long, 1);
  EXPECT_EQ(world.totals().score.completed, 1);
}

TEST(World, FromZeroTheFirstRequestWaitsForTheColdStart) {
  spec::Model model = model_with(0, 1);
  model.scaling.policy = spec::PolicyKind::kConcurrency;
  World world = played(world_of(model, engine::Profile{}, 0), {request_at(millis(5'300), 100, 10)});
  EXPECT_EQ(world.totals().score.completed, 1);
  EXPECT_NEAR(world.totals().score.ttft.quantile(1), 60.0127, 0.5)
      << "ordered at once, not at the next tick";
}

TEST(World, TwoVariantsServeOneQueueAndEachIsBilledAtItsPrice) {
  spec::Model model = model_with(1, 1);
  model.variants.push_back(model.variants[0]);
  model.variants[1].name = "w";
  model.variants[1].cost_per_hour_dollars = 5;
  model.variants[1].hardware.count = 8;
  WorldOptions options = world_of(model, one_at_a_time(seconds(10)), 1);
  options.initial = {1, 1};
  // Two at once: one each, neither waits; a third waits for the first to end.
  World world(std::move(options));
  for (int i = 0; i < 3; ++i) world.offer(request_at(seconds(1), 1, 1));
  world.drain();
  EXPECT_EQ(world.now(), Instant::from_nanos(0) + seconds(21));
  world.finish(Instant::from_nanos(0) + seconds(3600));
  EXPECT_EQ(world.totals().score.completed, 3);
  EXPECT_EQ(world.totals().busy, seconds(30));
  EXPECT_DOUBLE_EQ(world.totals().cost_dollars, 7);
  EXPECT_DOUBLE_EQ(world.totals().gpu_hours, 9);
  EXPECT_EQ(world.totals().queue_peak, 1);
}

TEST(World, SharedPrefixesAreServedFromTheCache) {
  auto trace = poisson(0.5, 200, 4096, 10);
  for (std::size_t i = 0; i < trace.size(); ++i) {
    trace[i].prefix_block_tokens = 512;
    for (std::uint64_t block = 0; block < 8; ++block) trace[i].prefix.push_back(block + 1);
  }
  auto mean_ttft = [&](bool shared) {
    auto requests = trace;
    for (std::size_t i = 0; !shared && i < requests.size(); ++i) {
      for (auto& hash : requests[i].prefix) hash += (i + 1) << 32;
    }
    WorldOptions options = world_of(model_with(1, 1), engine::Profile{}, 1);
    options.prefix_block_tokens = 512;
    return played(std::move(options), requests).totals().score.ttft.mean();
  };
  EXPECT_LT(mean_ttft(true), 0.5 * mean_ttft(false));
}

TEST(World, AnOrderTakesItsActuationDelay) {
  spec::Model model = model_with(0, 1);
  model.scaling.policy = spec::PolicyKind::kConcurrency;
  WorldOptions options = world_of(model, engine::Profile{}, 0);
  options.faults.actuation_delay = seconds(30);
  World world = played(options, {request_at(seconds(5), 100, 10)});
  EXPECT_NEAR(world.totals().score.ttft.quantile(1), 90.01, 0.6);
}

}  // namespace
}  // namespace tidegate::sim
