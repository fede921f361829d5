// Grids made by the engine with known coefficients are explained again, on held-out points too.

#include "core/engine/grid.h"

#include <gtest/gtest.h>

#include "core/engine/coefficients.h"

namespace tidegate::engine {
namespace {

Options made(double c1_seconds) {
  Options o;
  Coefficients x = Coefficients::typical(c1_seconds);
  x.log_fs[0] -= 0.4;
  x.log_fs[3] += 0.5;
  x.apply(o.profile);
  o.max_num_batched_tokens = 8'192;
  o.profile.kv_tokens = 2'000'000;
  return o;
}

std::vector<GridPoint> table(const Options& options, GridKind kind) {
  const GridClient client{0.1, 0.02};
  std::vector<GridPoint> points;
  for (std::int64_t prompt : {512, 2'048, 4'096}) {
    for (std::int64_t output : {64, 256}) {
      for (std::int64_t clients : {2, 8, 24}) {
        GridPoint p{kind, prompt, output, clients};
        GridPrediction truth = predict(options, p, client);
        p.ttft_seconds = truth.ttft_seconds;
        p.tpot_seconds = truth.tpot_seconds;
        points.push_back(p);
      }
    }
  }
  return points;
}

TEST(Grid, KnownEnginesAreExplainedOnPointsTheFitNeverSaw) {
  struct Row {
    const char* label;
    GridKind kind;
    std::int64_t ranks;
  };
  const Row rows[] = {{"clients in a closed loop", GridKind::kClosedLoop, 1},
                      {"two data-parallel ranks", GridKind::kClosedLoop, 2},
                      {"static batches", GridKind::kStaticBatch, 1}};
  for (const Row& row : rows) {
    Options options = made(60e-6);
    options.data_parallel_size = row.ranks;
    auto points = table(options, row.kind);
    GridFit fit = fit_grid(points, options, {.evaluations = 1'200, .kv_recorded = true});
    EXPECT_EQ(fit.held_out.points, 4) << row.label;
    EXPECT_EQ(fit.fitted.points, 14) << row.label;
    EXPECT_LT(fit.held_out.tpot, 0.03) << row.label;
    EXPECT_LT(fit.held_out.ttft, 0.08) << row.label;
    const auto c1 = static_cast<double>(fit.options.profile.c1_fs);
    EXPECT_NEAR(c1 / static_cast<double>(options.profile.c1_fs), 1, 0.2) << row.label;
  }
}

TEST(Grid, KvThatBindsIsFound) {
  Options options = made(60e-6);
  options.profile.kv_tokens = 40'000;
  auto points = table(options, GridKind::kClosedLoop);
  GridFit fit = fit_grid(points, options, {.evaluations = 1'200});
  EXPECT_EQ(fit.kv, KvKnowledge::kFitted);
  EXPECT_NEAR(static_cast<double>(fit.options.profile.kv_tokens) / 40'000, 1, 0.1);
}

TEST(Grid, SettingsThatNobodyToldAreFoundOut) {
  struct Row {
    const char* label;
    std::int64_t tokens;
    std::uint8_t async;
  };
  for (const Row& row : {Row{"as was assumed", 8'192, 0}, Row{"smaller steps", 1'024, 0},
                         Row{"steps chosen ahead", 8'192, 1}}) {
    Options truth = made(60e-6);
    truth.max_num_batched_tokens = truth.profile.max_num_batched_tokens = row.tokens;
    truth.profile.async_scheduling = row.async;
    std::vector<GridPoint> points;
    for (std::int64_t prompt : {256, 6'144}) {
      for (std::int64_t clients : {1, 4, 16, 48}) {
        GridPoint p{GridKind::kClosedLoop, prompt, 64, clients};
        const GridPrediction t = predict(truth, p, {0, 0.004});
        p.ttft_seconds = t.ttft_seconds;
        p.tpot_seconds = t.tpot_seconds;
        points.push_back(p);
      }
    }
    Options assumed = truth;
    assumed.max_num_batched_tokens = assumed.profile.max_num_batched_tokens = 8'192;
    assumed.profile.async_scheduling = 0;
    GridSettings settings{.holdout = 0, .evaluations = 1'200, .kv_recorded = true, .ramp_cut = 1};
    settings.trials = {{.async_scheduling = 1}, {1'024}, {32'768}};
    const GridFit fit = fit_grid(points, assumed, settings);
    EXPECT_EQ(fit.options.max_num_batched_tokens, row.tokens) << row.label;
    EXPECT_EQ(fit.options.profile.max_num_batched_tokens, row.tokens) << row.label;
    EXPECT_EQ(fit.options.profile.async_scheduling, row.async) << row.label;
    EXPECT_EQ(fit.client.opening_share, 0) << row.label;
    EXPECT_LT(fit.fitted.tpot, 0.02) << row.label;
    EXPECT_LT(fit.fitted.ttft, 0.05) << row.label;
  }
}

TEST(Grid, AStaticBatchIsArithmeticAndRanksShareTheClients) {
  Options o;
  GridPrediction p = predict(o, {GridKind::kStaticBatch, 100, 20, 4}, {});
  // 10 ms + 400 * 25 us + 0.2 ns * 4 * 5050; 10 ms + 4 * 100 us + 0.12 us * 4 * 110.
  EXPECT_DOUBLE_EQ(p.ttft_seconds, 0.02000404);
  EXPECT_DOUBLE_EQ(p.tpot_seconds, 0.0104528);
  GridPoint eight{GridKind::kClosedLoop, 500, 100, 8}, four = eight;
  four.concurrency = 4;
  Options ranks = o;
  ranks.data_parallel_size = 2;
  const double one = predict(o, eight, {}).tpot_seconds,
               two = predict(ranks, eight, {}).tpot_seconds;
  EXPECT_LT(two, one) << "half the batch on each rank";
  EXPECT_NEAR(two / predict(o, four, {}).tpot_seconds, 1, 0.05);
}

}  // namespace
}  // namespace tidegate::engine
