// What a fit promises: runs that the engine made with known coefficients are explained again, from
// part of their measured times too; the same seed gives the same profile.

#include "core/engine/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/base/rng.h"
#include "core/engine/coefficients.h"

namespace tidegate::engine {
namespace {

struct Case {
  std::string label;
  Options options;
  double rate = 4;  ///< requests per second
  std::int64_t requests = 80;
  std::int64_t first = 0;
  bool kv_recorded = true;
};

Options engine_with(double c1_seconds, std::int64_t seqs, std::int64_t kv) {
  Options o;
  Coefficients x = Coefficients::typical(c1_seconds);
  x.log_fs[0] += 0.3;  // not quite what a fit believes beforehand
  x.log_fs[2] += 0.6;
  x.apply(o.profile);
  o.max_num_seqs = seqs;
  o.profile.kv_tokens = kv;
  return o;
}

RunRequests made_run(const Case& c) {
  Rng rng(7, c.label);
  RunRequests run;
  double at = 0;
  for (std::int64_t i = 0; i < c.requests; ++i) {
    RunRequest r;
    at += rng.exponential(1 / c.rate);
    r.arrival = seconds_f(at);
    r.prompt = 1 + static_cast<std::int64_t>(rng.lognormal_p50_p90(500, 2000));
    r.output = 1 + static_cast<std::int64_t>(rng.lognormal_p50_p90(120, 300));
    run.push_back(r);
  }
  return replay(run, c.options).requests;
}

double worst_error(const RunRequests& measured, const RunFit& fit) {
  double worst = 0;
  for (const Comparison& c : compare(measured, replay(measured, fit.options).requests)) {
    for (std::size_t i = 0; i < Figures::kNames.size(); ++i)
      worst = std::max(worst, std::abs(c.error(i)));
  }
  return worst;
}

FitSettings settings_of(const Case& c) {
  FitSettings s;
  s.first = c.first;
  s.evaluations = 1'500;
  s.kv_recorded = c.kv_recorded;
  return s;
}

TEST(Fit, RunsOfKnownEnginesAreExplainedAgain) {
  Options ahead = engine_with(80e-6, 64, 200'000);
  ahead.profile.async_scheduling = ahead.profile.reserve_full_prompt = 1;
  Options ranks = engine_with(100e-6, 16, 200'000);
  ranks.data_parallel_size = 2;
  const Case rows[] = {
      {"an engine with room to spare", engine_with(60e-6, 256, 400'000), 3, 80, 0, true},
      {"sequences bind, only the first measured times count", engine_with(90e-6, 16, 400'000), 6,
       90, 40, true},
      {"steps are chosen ahead", ahead, 4, 80, 0, true},
      {"two data-parallel ranks", ranks, 8, 80, 0, true},
      {"a short run", engine_with(60e-6, 256, 400'000), 3, 12, 0, true},
  };
  for (const Case& c : rows) {
    RunRequests measured = made_run(c);
    RunFit fit = fit_run(measured, c.options, settings_of(c));
    EXPECT_LT(worst_error(measured, fit), 0.03) << c.label;
    const double ratio = static_cast<double>(fit.options.profile.c1_fs) /
                         static_cast<double>(c.options.profile.c1_fs);
    EXPECT_NEAR(ratio, 1, 0.25) << c.label << ": a prefill token";
    EXPECT_EQ(fit.options.profile.kv_tokens, c.options.profile.kv_tokens) << c.label;
  }
}

TEST(Fit, AKvSizeThatWasNotRecordedIsFoundWhereItBinds) {
  Case c{"KV binds", engine_with(60e-6, 256, 12'000), 8, 80, 0, false};
  RunRequests measured = made_run(c);
  ASSERT_GT(replay(measured, c.options).preemptions, 0);
  Options unknown = c.options;
  unknown.profile.kv_tokens = 1;
  RunFit fit = fit_run(measured, unknown, settings_of(c));
  EXPECT_EQ(fit.kv, KvKnowledge::kFitted);
  EXPECT_NEAR(static_cast<double>(fit.options.profile.kv_tokens) / 12'000, 1, 0.05);
}

TEST(Fit, AKvSizeThatNeverBoundStaysUnknown) {
  Case c{"KV ample", engine_with(60e-6, 256, 500'000), 3, 60, 0, false};
  RunRequests measured = made_run(c);
  RunFit fit = fit_run(measured, c.options, settings_of(c));
  EXPECT_EQ(fit.kv, KvKnowledge::kNotReached);
  EXPECT_GT(fit.kv_held_tokens, 0);
  EXPECT_LT(fit.kv_held_tokens, 100'000);
}

TEST(Fit, TheSameSeedGivesTheSameProfileAndRequestsWithoutTimesDoNotCount) {
  Case c{"repeatable", engine_with(60e-6, 32, 400'000), 4, 40, 0, true};
  RunRequests measured = made_run(c);
  measured[3].finished = 0;
  measured[3].last = measured[3].first = Duration(0);
  FitSettings s = settings_of(c);
  s.evaluations = 300;
  RunFit a = fit_run(measured, c.options, s), b = fit_run(measured, c.options, s);
  EXPECT_EQ(a.options.profile, b.options.profile);
  EXPECT_EQ(a.error, b.error);
  EXPECT_EQ(a.evaluations, b.evaluations);
}

TEST(Coefficients, TypicalOnesAreNotStrangeAndOthersAreTheMoreTheFarther) {
  Coefficients x = Coefficients::typical(50e-6);
  EXPECT_NEAR(x.strangeness(), 0, 1e-9);
  double before = 0;
  for (int i = 0; i < 8; ++i) {
    x.log_fs[2] += 0.7;
    EXPECT_GT(x.strangeness(), before);
    before = x.strangeness();
  }
  Profile p;
  Coefficients::of(p).apply(p);
  EXPECT_EQ(p, Profile{}) << "there and back";
}

TEST(Replay, FiguresAreThoseOfTheLatencies) {
  RunRequests measured;
  for (std::int64_t i = 1; i <= 5; ++i) {
    RunRequest r;
    r.queued = seconds(10);
    r.first = seconds(10 + i);
    r.last = r.first + seconds(4);
    r.output = i == 5 ? 1 : 5;
    measured.push_back(r);
  }
  RunRequests predicted = measured;
  for (RunRequest& r : predicted) r.first += seconds(1);
  auto all = compare(measured, predicted);
  EXPECT_THAT(all[0].measured.values, testing::ElementsAre(3, 3, 4.8, 4.96)) << "linear ranks";
  EXPECT_DOUBLE_EQ(all[0].error(0), 1.0 / 3);
  EXPECT_EQ(all[1].measured.count, 4) << "one token has no TPOT";
  EXPECT_DOUBLE_EQ(all[1].measured.values[0], 1);
  EXPECT_DOUBLE_EQ(all[1].predicted.values[0], 0.75);
  EXPECT_DOUBLE_EQ(all[2].error(3), 0);
}

}  // namespace
}  // namespace tidegate::engine
