#include "core/route/output_estimate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/base/rng.h"

namespace tidegate::route {
namespace {

using Ask = OutputEstimate::Ask;

TEST(OutputEstimate, ExpectsBeforeAnythingIsKnown) {
  struct Row {
    const char* label;
    Ask ask;
    std::int64_t tokens;
  };
  const Row rows[] = {
      {"no limit: the usual length", {}, 256},
      {"a small limit is believed", {.max_output = 40}, 40},
      {"the largest that is believed", {.max_output = 1024}, 1024},
      {"a huge limit says nothing", {.max_output = 1025}, 256},
      {"nonsense is no limit", {.prompt = -5, .max_output = -1}, 256},
  };
  const OutputEstimate fresh;
  OutputEstimate almost;
  for (int i = 0; i < OutputEstimate::kEnough - 1; ++i) {
    almost.learn({.tenant = 1, .prompt = 10}, 9'000);
    almost.learn({.tenant = 1, .prompt = 10, .max_output = 100}, 1);
    almost.learn({.tenant = 1, .prompt = 10}, 0);  // teaches nothing
  }
  for (const Row& row : rows) {
    EXPECT_EQ(fresh.expect(row.ask), row.tokens) << row.label;
    EXPECT_EQ(almost.expect(row.ask), row.tokens) << row.label << ", one short of enough";
  }
}

/// Answers a stream of requests and then asks.
struct Learned {
  OutputEstimate outputs;
  Learned& hear(const Ask& ask, std::int64_t output, int times = 2'000) {
    for (int i = 0; i < times; ++i) outputs.learn(ask, output);
    return *this;
  }
};

TEST(OutputEstimate, LearnsByTenantAndPromptSize) {
  Learned l;
  for (int round = 0; round < 500; ++round) {
    l.hear({.tenant = 7, .prompt = 100}, 50, 1).hear({.tenant = 7, .prompt = 4'000}, 800, 1);
    l.hear({.tenant = 9, .prompt = 100}, 400, 1).hear({.tenant = 0, .prompt = 100}, 225, 1);
  }
  struct Row {
    const char* label;
    Ask ask;
    double tokens;
  };
  const Row rows[] = {
      {"a tenant's short prompts, a little drawn to those of others",
       {.tenant = 7, .prompt = 110},
       60},
      {"the same tenant's long prompts", {.tenant = 7, .prompt = 3'000}, 800},
      {"another tenant's short prompts", {.tenant = 9, .prompt = 90}, 400},
      {"a stranger falls back on the prompt size", {.tenant = 5, .prompt = 100}, 225},
      {"no tenant: the prompt size", {.prompt = 100}, 225},
      {"an unseen size falls back on the model's mean", {.prompt = 100'000}, 369},
  };
  for (const Row& row : rows) {
    EXPECT_NEAR(static_cast<double>(l.outputs.expect(row.ask)), row.tokens, 0.1 * row.tokens)
        << row.label;
  }
}

TEST(OutputEstimate, ATenantSeenOnceChangesLittle) {
  Learned l;
  l.hear({.prompt = 100}, 200).hear({.tenant = 3, .prompt = 100}, 10'000, 1);
  // The one value in 257 of the model and of the size, then 1 to kPrior.
  EXPECT_LT(l.outputs.expect({.tenant = 3, .prompt = 100}), 900);
  EXPECT_LT(l.outputs.expect({.tenant = 4, .prompt = 100}), 250);
}

TEST(OutputEstimate, TakesTheReadingOfALimitThatErrsLess) {
  Rng rng(5, "limits");
  OutputEstimate exact, idle;
  for (int i = 0; i < 2'000; ++i) {
    auto output = static_cast<std::int64_t>(1 + rng.below(600));
    exact.learn({.prompt = 100, .max_output = output}, output);
    // A client that allows 512 or 8192 for answers of the same kind.
    idle.learn({.prompt = 100, .max_output = rng.below(2) == 0 ? 512 : 8'192},
               static_cast<std::int64_t>(90 + rng.below(20)));
  }
  for (std::int64_t limit : {1, 17, 600, 5'000}) {
    EXPECT_EQ(exact.expect({.prompt = 100, .max_output = limit}), limit) << "exact limits";
  }
  for (std::int64_t limit : {512, 8'192}) {
    EXPECT_NEAR(static_cast<double>(idle.expect({.prompt = 100, .max_output = limit})), 100, 10)
        << "idle limits";
  }
  EXPECT_EQ(idle.expect({.prompt = 100, .max_output = 30}), 30) << "never over the limit";
}

TEST(OutputEstimate, ManySmallTenantsDoNotPushOutALargeOne) {
  Learned l;
  std::uint64_t stranger = 1'000;
  for (int i = 0; i < 2'000; ++i) {
    l.hear({.tenant = 1, .prompt = 100}, 900, 1);
    for (int k = 0; k < 20; ++k) l.hear({.tenant = ++stranger, .prompt = 100}, 100, 1);
  }
  EXPECT_GT(l.outputs.expect({.tenant = 1, .prompt = 100}), 700);
  EXPECT_LT(l.outputs.expect({.tenant = 2, .prompt = 100}), 250);
}

TEST(OutputEstimate, SumsOverTenantsComeOutRight) {
  // Log-normal lengths of 40 tenants with means far apart: what was expected adds up to what came.
  Rng rng(11, "sums");
  OutputEstimate outputs;
  double expected = 0, came = 0, mean_error = 0, error = 0, mean = 0;
  for (int i = 0; i < 40'000; ++i) {
    const Ask ask{.tenant = 1 + rng.below(40),
                  .prompt = static_cast<std::int64_t>(rng.below(4'000))};
    const auto output = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(rng.exponential(20.0 * static_cast<double>(ask.tenant))));
    const auto guess = static_cast<double>(outputs.expect(ask));
    const auto truth = static_cast<double>(output);
    if (i > 4'000) {
      expected += guess;
      came += truth;
      error += (guess - truth) * (guess - truth);
      mean_error += (mean - truth) * (mean - truth);
    }
    mean += (truth - mean) / (i + 1);
    outputs.learn(ask, output);
  }
  EXPECT_NEAR(expected / came, 1, 0.02);
  EXPECT_LT(error, 0.9 * mean_error) << "knowing the tenant must tell more than the model's mean";
}

TEST(OutputEstimate, AnythingIsExpectedWithinBounds) {
  Rng rng(3, "wild");
  OutputEstimate outputs;
  auto wild = [&rng] {
    return static_cast<std::int64_t>(rng.below(1ULL << 63) >> rng.below(63)) *
           (rng.below(4) == 0 ? -1 : 1);
  };
  for (int i = 0; i < 50'000; ++i) {
    const Ask ask{.tenant = rng.below(3'000), .prompt = wild(), .max_output = wild()};
    const std::int64_t tokens = outputs.expect(ask);
    ASSERT_GE(tokens, 1);
    ASSERT_LE(tokens, ask.max_output > 0 ? ask.max_output : 1LL << 40);
    outputs.learn(ask, wild());
  }
}

}  // namespace
}  // namespace tidegate::route
