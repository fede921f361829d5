#include <gtest/gtest.h>

#include "core/engine/capacity.h"

namespace tidegate::engine {
namespace {

TEST(CapacityArithmetic, NamesTheLimitThatBinds) {
  struct Row {
    const char* label;
    CapacityLimits limits;
    Lengths lengths;
    Binding binding;
    double sequences;
  };
  for (const Row& row : {
           Row{"500 + 500: as many sequences as allowed", {}, {500, 500}, Binding::kSequences, 256},
           Row{"long contexts: KV", {}, {8'000, 2'000}, Binding::kKv, 400'000 / 9'000.0},
           Row{"long prompts, short answers: the step's tokens",
               {},
               {4'000, 50},
               Binding::kBatchedTokens,
               2'048 / 81.0},
           Row{"an ITL bound: fewer sequences",
               {.itl = millis(30)},
               {500, 500},
               Binding::kItl,
               92.9},
           Row{"an ITL no batch can keep: one", {.itl = millis(1)}, {500, 500}, Binding::kItl, 1},
           Row{"two ranks hold twice as many",
               {.data_parallel_size = 2},
               {500, 500},
               Binding::kSequences,
               512},
       }) {
    Capacity c = capacity(Profile{}, row.limits, row.lengths);
    EXPECT_EQ(c.binding, row.binding) << row.label << ": " << token(c.binding);
    EXPECT_NEAR(c.sequences, row.sequences, 0.01 * row.sequences) << row.label;
  }
}

TEST(CapacityArithmetic, GivesTheReferenceProfilesPublishedFigures) {
  Capacity c = capacity(Profile{}, {}, {500, 500});
  EXPECT_NEAR(c.requests_per_second, 7.8, 0.1);
  EXPECT_NEAR(c.step_seconds, 0.0652, 0.0005);
  EXPECT_DOUBLE_EQ(c.requests_per_second * 500 * c.step_seconds, c.sequences) << "Little's law";
}

TEST(CapacityArithmetic, LongerRequestsAndSlowerStepsNeverHoldMore) {
  double before = 1e9;
  for (double length : {1.0, 10.0, 100.0, 1'000.0, 10'000.0, 100'000.0}) {
    Capacity c = capacity(Profile{}, {}, {length, length});
    EXPECT_LT(c.requests_per_second, before) << length;
    EXPECT_GT(c.requests_per_second, 0) << length;
    before = c.requests_per_second;
    EXPECT_LT(capacity(Profile{}, {.step_factor = 1.5}, {length, length}).requests_per_second,
              c.requests_per_second);
  }
}

}  // namespace
}  // namespace tidegate::engine
