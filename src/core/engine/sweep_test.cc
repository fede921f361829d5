// Which points a sweep measures, within its budget, and what is made of a point's requests.

#include "core/engine/sweep.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace tidegate::engine {
namespace {

TEST(SweepPoints, AreWithinAllLimitsDistinctAndCheapestFirst) {
  struct Row {
    const char* label;
    SweepAsk ask;
    std::size_t least;
  };
  const Row rows[] = {
      {"as it comes", {}, 14},
      {"one client", {.max_concurrency = 1}, 4},
      {"a number of clients that is no power of two", {.max_concurrency = 48}, 12},
      {"a short context", {.max_model_len = 1'024}, 9},
      {"little KV", {.kv_tokens = 4'000}, 4},
  };
  for (const Row& row : rows) {
    const auto points = sweep_points(row.ask);
    EXPECT_GE(points.size(), row.least) << row.label;
    std::int64_t before = 0, most = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const SweepPoint& p = points[i];
      EXPECT_LE(p.prompt + p.output, row.ask.max_model_len) << row.label;
      EXPECT_LE(p.concurrency, row.ask.max_concurrency) << row.label;
      if (row.ask.kv_tokens > 0) {
        EXPECT_LE(p.concurrency * (p.prompt + p.output), row.ask.kv_tokens);
      }
      EXPECT_GE(p.tokens(), before) << row.label;
      before = p.tokens();
      most = std::max(most, p.concurrency);
      for (std::size_t j = 0; j < i; ++j) {
        EXPECT_FALSE(points[j].prompt == p.prompt && points[j].output == p.output &&
                     points[j].concurrency == p.concurrency)
            << row.label;
      }
    }
    if (row.ask.kv_tokens == 0) {
      EXPECT_EQ(most, row.ask.max_concurrency) << row.label;
    }
  }
}

TEST(Sweep, NeverSpendsMoreThanItsBudgetByItsOwnEstimate) {
  // An engine as the estimate fears it: twice the clients, twice the time.
  for (double budget : {0.0, 5.0, 60.0, 1e6}) {
    Sweep sweep({.budget_seconds = budget});
    double spent = 0;
    std::int64_t tokens = 0;
    std::size_t given = 0;
    while (auto p = sweep.next(spent, tokens)) {
      ++given;
      const double estimate = sweep.estimate_seconds(*p);
      EXPECT_LE(spent + estimate, budget);
      SweepMeasured m;
      m.point = *p;
      m.tpot_seconds = 0.01 * static_cast<double>(p->concurrency);
      m.ttft_seconds = 1e-4 * static_cast<double>(p->prompt * p->concurrency);
      sweep.measured(m);
      spent += std::max(estimate, 1e-3);
      tokens += p->tokens();
    }
    EXPECT_EQ(sweep.given(), given);
    EXPECT_EQ(sweep.given() + sweep.left_out(), sweep.points());
    EXPECT_EQ(given == 0, budget == 0) << budget;
    EXPECT_EQ(sweep.left_out() == 0, budget == 1e6) << budget;
    EXPECT_LE(tokens, SweepAsk{}.budget_tokens);
  }
}

TEST(Sweep, ALimitThatWasFoundEndsTheSeriesThere) {
  Sweep sweep(SweepAsk{});
  sweep.limit(8);
  std::int64_t most = 0;
  while (auto p = sweep.next(0, 0)) most = std::max(most, p->concurrency);
  EXPECT_EQ(most, 8);
  EXPECT_GT(sweep.left_out(), 0u);
}

TEST(Judge, APointIsTheMeanOfItsRequestsOrIsDroppedWithACause) {
  const SweepRequest good{500, 11, 0.2, 1.2};
  const SweepSample calm{4, 0, 0.1};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  struct Row {
    const char* label;
    SweepDrop expect;
    std::vector<SweepRequest> requests;
    std::vector<SweepSample> samples;
    SweepCache cache;
  };
  const Row rows[] = {
      {"four alike", SweepDrop::kNone, {good, good, good, good}, {calm, calm}, {}},
      {"no page of metrics", SweepDrop::kNone, {good, good, good, good}, {}, {}},
      {"a passing prefill", SweepDrop::kNone, {good, good}, {calm, {4, 1, 0.1}}, {}},
      {"one of four", SweepDrop::kFewRequests, {good}, {}, {}},
      {"none", SweepDrop::kFewRequests, {}, {}, {}},
      {"no time to the first token", SweepDrop::kNonsense, {good, {500, 11, 0, 1}}, {}, {}},
      {"the end before the start", SweepDrop::kNonsense, {good, {500, 11, 0.2, 0.1}}, {}, {}},
      {"a time that is no number", SweepDrop::kNonsense, {good, {500, 11, nan, 1}}, {}, {}},
      {"fewer than no tokens", SweepDrop::kNonsense, {good, {500, -1, 0.2, 1}}, {}, {}},
      {"a prompt of nothing", SweepDrop::kNonsense, {good, {0, 11, 0.2, 1}}, {}, {}},
      {"all at once", SweepDrop::kOnePiece, {{500, 11, 1, 1}, {500, 11, 1, 1}}, {}, {}},
      {"single tokens", SweepDrop::kShortAnswers, {{500, 1, 1, 1}, {500, 0, 1, 1}}, {}, {}},
      {"a queue", SweepDrop::kQueued, {good, good}, {{3, 1, 0.1}, {3, 1, 0.1}, calm}, {}},
      {"prompts that were known", SweepDrop::kCached, {good, good}, {calm}, {1'000, 900}},
      {"a template that is shared", SweepDrop::kNone, {good, good}, {calm}, {1'000, 16}},
  };
  for (const Row& row : rows) {
    const Judged j = judge({.prompt = 512, .output = 16, .concurrency = 4}, row.requests,
                           row.samples, row.cache);
    EXPECT_EQ(token(j.drop), token(row.expect)) << row.label;
    if (row.expect != SweepDrop::kNone) continue;
    EXPECT_EQ(j.measured.point.prompt, 500) << row.label << ": as the engine counted";
    EXPECT_EQ(j.measured.point.output, 11) << row.label;
    EXPECT_DOUBLE_EQ(j.measured.ttft_seconds, 0.2) << row.label;
    EXPECT_DOUBLE_EQ(j.measured.tpot_seconds, 0.1) << row.label;
    EXPECT_DOUBLE_EQ(j.measured.output_tokens_per_second, 4 * 11 / 1.2) << row.label;
  }
}

TEST(Judge, AQueueWithKvToSpareShowsTheLimitOfSequences) {
  struct Row {
    const char* label;
    std::vector<SweepSample> samples;
    std::int64_t expect;  ///< 0: none
  };
  const Row rows[] = {
      {"always as many", {{64, 36, 0.3}, {64, 36, 0.3}, {63, 36, 0.3}}, 64},
      {"KV is full", {{64, 36, 0.95}, {64, 36, 0.96}}, 0},
      {"as many as fit, now more and now fewer", {{64, 36, 0.5}, {50, 50, 0.5}}, 0},
      {"the engine does not tell who runs", {{-1, 36, -1}, {-1, 36, -1}}, 0},
  };
  const std::vector<SweepRequest> requests(100, {500, 11, 0.2, 1.2});
  for (const Row& row : rows) {
    const Judged j =
        judge({.prompt = 500, .output = 11, .concurrency = 100}, requests, row.samples, {});
    EXPECT_EQ(j.drop, SweepDrop::kQueued) << row.label;
    EXPECT_EQ(j.sequence_limit.value_or(0), row.expect) << row.label;
  }
}

}  // namespace
}  // namespace tidegate::engine
