// An emulated engine of a known profile is measured over HTTP, and the fit gives its times again.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "core/engine/grid.h"
#include "live/emulator/emulator.h"
#include "live/load/sweep_run.h"
#include "live/net/http_server.h"

namespace tidegate::live {
namespace {

constexpr Duration kPatience = seconds(20);  // never waited for when the code is right

/// Something that serves, on a thread of its own until it is destroyed.
class Served {
 public:
  explicit Served(EmulatorOptions options) {
    options.listen.port = 0;
    engine_ = std::make_unique<Emulator>(*loop_, std::move(options), [](int) {});
    EXPECT_TRUE(engine_->start());
    access.url = {engine_->address(), "/"};
    thread_ = std::thread([this] { loop_->run(); });
  }
  explicit Served(net::HttpServer::Handler handler) {
    server_ = std::make_unique<net::HttpServer>(*loop_, net::Limits{}, std::move(handler));
    access.url = {server_->listen({"127.0.0.1", 0}).value(), "/"};
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~Served() {
    loop_->stop();
    thread_.join();
  }
  EndpointAccess access;

 private:
  std::unique_ptr<net::Loop> loop_ = net::Loop::create().value();
  std::unique_ptr<Emulator> engine_;
  std::unique_ptr<net::HttpServer> server_;
  std::thread thread_;
};

SweepResult sweep(SweepConfig config) {
  auto loop = net::Loop::create().value();
  SweepRun run(*loop, std::move(config));
  bool done = false;
  run.start([&] { done = true; });
  EXPECT_FALSE(done) << "never from inside start()";
  EXPECT_TRUE(loop->run_until([&] { return done; }, kPatience));
  return run.result();
}

/// Asks it and sweeps it.
SweepResult measured(EndpointAccess access, engine::SweepAsk ask, double time_scale,
                     std::uint64_t unique = 1) {
  auto facts = ask_endpoint(access, unique << 40, kPatience);
  EXPECT_TRUE(facts) << facts.error().message;
  if (!facts) return {};
  access.model = facts->model;
  return sweep({access, *facts, ask, time_scale, (unique << 40) + 1'000});
}

/// Its steps take long even where time is pressed: what this machine adds to them must not count.
EmulatorOptions slow_engine(double time_scale) {
  EmulatorOptions options;
  options.time_scale = time_scale;
  options.profile.c0_fs = 40'000'000'000'000;
  options.profile.c1_fs = 200'000'000'000;
  options.profile.c2_fs = 1'500'000'000'000;
  options.profile.c3_fs = 2'000'000'000;
  options.profile.c4_fs = 10'000'000;
  return options;
}

TEST(CalibrationTest, AKnownEngineIsMeasuredAndItsTimesAreGivenAgain) {
  const EmulatorOptions options = slow_engine(20);
  Served engine(options);
  const SweepResult result =
      measured(engine.access, {.max_concurrency = 8, .max_model_len = 2'100, .output = 32}, 20);
  EXPECT_EQ(result.failure, "");
  EXPECT_EQ(result.measured.size(), result.points);
  EXPECT_LT(result.cached_share, 0.001);
  std::vector<engine::GridPoint> points;
  for (const auto& m : result.measured) points.push_back(m.grid());
  ASSERT_GE(points.size(), 4u);
  engine::Options assumed;
  assumed.profile.kv_tokens = options.profile.kv_tokens;
  const engine::GridFit fit = engine::fit_grid(
      points, assumed, {.holdout = 0, .evaluations = 1'500, .kv_recorded = true, .ramp_cut = 1});
  engine::Options truth;
  truth.profile = options.profile;
  // Wide, for the machine may be busy; core/engine/grid_test.cc has the fit without a wall clock.
  for (std::int64_t clients : {1, 4, 8}) {
    const engine::GridPoint p{engine::GridKind::kClosedLoop, 700, 60, clients};
    const auto real = predict(truth, p, {0, 0});
    const auto told = predict(fit.options, p, {0, 0});
    EXPECT_NEAR(told.tpot_seconds / real.tpot_seconds, 1, 0.25) << clients;
    EXPECT_NEAR(told.ttft_seconds / real.ttft_seconds, 1, 0.5) << clients;
  }
}

TEST(CalibrationTest, WhatIsNoMeasurementIsLeftOutWithTheCause) {
  struct Row {
    const char* label;
    std::function<void(EmulatorOptions&)> change;
    const char* expect;
    std::int64_t limit;
    bool gives_up;
  };
  const Row rows[] = {
      {"more clients than the engine runs at once", [](EmulatorOptions& o) { o.max_num_seqs = 3; },
       "that is its maxNumSeqs", 3, false},
      {"a queue that is full", [](EmulatorOptions& o) { o.max_num_queued_reqs = 2; },
       "requests failed: 3 x 503", 0, false},
      {"an engine that dies", [](EmulatorOptions& o) { o.faults.crash_after = 12; },
       "requests failed: ", 0, true},
  };
  for (const Row& row : rows) {
    EmulatorOptions options = slow_engine(40);
    row.change(options);
    Served engine(options);
    const SweepResult result =
        measured(engine.access,
                 {.max_concurrency = 8, .max_model_len = 600, .prompt = 64, .output = 128}, 40);
    ASSERT_FALSE(result.dropped.empty()) << row.label;
    EXPECT_NE(result.dropped.front().words.find(row.expect), std::string::npos)
        << row.label << ": " << result.dropped.front().words;
    EXPECT_EQ(result.sequence_limit, row.limit) << row.label;
    if (row.gives_up) {
      EXPECT_NE(result.failure, "") << row.label;
    }
    for (const auto& m : result.measured) {
      EXPECT_TRUE(row.limit == 0 || m.point.concurrency <= row.limit) << row.label;
    }
  }
}

TEST(CalibrationTest, PromptsThatTheEngineKnowsAreNotMeasured) {
  EmulatorOptions options = slow_engine(80);
  Served engine(options);
  const engine::SweepAsk ask{
      .max_concurrency = 2, .max_model_len = 600, .prompt = 256, .output = 16};
  // A busy machine may drop a point for its noise, never for this.
  auto none_known = [](const SweepResult& r) {
    return std::none_of(r.dropped.begin(), r.dropped.end(),
                        [](const auto& d) { return d.drop == engine::SweepDrop::kCached; });
  };
  const SweepResult fresh = measured(engine.access, ask, 80);
  EXPECT_FALSE(fresh.measured.empty());
  EXPECT_TRUE(none_known(fresh));
  EXPECT_LT(fresh.cached_share, 0.01);
  const SweepResult again = measured(engine.access, ask, 80);
  ASSERT_FALSE(again.dropped.empty());
  EXPECT_EQ(again.dropped.front().drop, engine::SweepDrop::kCached);
  EXPECT_GT(again.cached_share, 0.5);
  const SweepResult other = measured(engine.access, ask, 80, 2);
  EXPECT_FALSE(other.measured.empty());
  EXPECT_TRUE(none_known(other)) << "other texts";
}

TEST(CalibrationTest, StoppedItKeepsWhatItHas) {
  EmulatorOptions options = slow_engine(80);
  Served engine(options);
  EndpointAccess access = engine.access;
  auto facts = ask_endpoint(access, 1, kPatience);
  ASSERT_TRUE(facts);
  access.model = facts->model;
  auto loop = net::Loop::create().value();
  SweepRun run(
      *loop,
      {access, *facts, {.max_concurrency = 4, .max_model_len = 600, .prompt = 256}, 80, 1'000});
  int done = 0;
  run.start([&] { ++done; });
  ASSERT_TRUE(loop->run_until([&] { return run.result().measured.size() == 2; }, kPatience));
  run.stop();
  run.stop();
  EXPECT_EQ(done, 0) << "never from inside stop()";
  ASSERT_TRUE(loop->run_until([&] { return done > 0; }, kPatience));
  EXPECT_EQ(done, 1);
  EXPECT_TRUE(run.result().interrupted);
  EXPECT_EQ(run.result().measured.size(), 2u);
}

TEST(CalibrationTest, TheBudgetEndsASweepThatCannotBePaid) {
  EmulatorOptions options = slow_engine(80);
  Served engine(options);
  const SweepResult time = measured(
      engine.access,
      {.max_concurrency = 8, .max_model_len = 600, .prompt = 256, .budget_seconds = 20}, 80);
  EXPECT_GT(time.left_out, 0u);
  const SweepResult tokens = measured(
      engine.access,
      {.max_concurrency = 8, .max_model_len = 600, .prompt = 256, .budget_tokens = 5'000}, 80, 2);
  EXPECT_GT(tokens.left_out, 0u);
  EXPECT_LE(tokens.tokens, 5'000);
  EXPECT_EQ(tokens.measured.size() + tokens.dropped.size() + tokens.left_out, tokens.points);
}

}  // namespace
}  // namespace tidegate::live
