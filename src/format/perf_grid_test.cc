#include "format/perf_grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace tidegate::format {
namespace {

using testing::HasSubstr;

const std::string kSiliconHeader =
    "model_path,system,backend,backend_version,mode,isl,osl,batch_size,tp_size,attention_dp_size,"
    "silicon_ttft_ms,silicon_tpot_ms\n";

TEST(PerfGrid, RowsOfOnePointAreTakenTogether) {
  auto grid = parse_perf_grid(kSiliconHeader +
                                  "m,h100,vllm,1,agg,1024,128,8,2,4,100,10\n"
                                  "m,h100,vllm,1,agg,1024,128,8,2,4,300,30\n"
                                  "m,h100,vllm,1,agg,1024,128,16,2,4,400,40\n"
                                  "m,h100,vllm,1,disagg,1024,128,16,2,4,,\n"
                                  "other,h100,vllm,1,agg,1,1,1,1,1,1,1\n",
                              "g.csv", {{"model", "m"}});
  ASSERT_TRUE(grid.has_value()) << grid.error().message;
  EXPECT_EQ(grid->rows, 3);
  EXPECT_EQ(grid->data_parallel_size, 4);
  ASSERT_EQ(grid->points.size(), 2u);
  EXPECT_DOUBLE_EQ(grid->points[0].ttft_seconds, 0.2) << "median";
  EXPECT_DOUBLE_EQ(grid->points[0].tpot_seconds, 0.02);
  EXPECT_EQ(grid->points[1].concurrency, 64) << "16 clients for each of 4 ranks";
  EXPECT_EQ(grid->points[0].kind, engine::GridKind::kClosedLoop);
}

TEST(PerfGrid, ATableOfStaticBatchesIsKnownByItsHeader) {
  auto grid = parse_perf_grid(
      "model,hardware,prompt_size,batch_size,token_size,prompt_time,token_time,tensor_parallel\n"
      "l,a100,512,4,128,500,50,8\n",
      "s.csv", {{"system", "a100"}, {"tp", "8"}});
  ASSERT_TRUE(grid.has_value()) << grid.error().message;
  EXPECT_EQ(grid->points[0].kind, engine::GridKind::kStaticBatch);
  EXPECT_DOUBLE_EQ(grid->points[0].ttft_seconds, 0.5);
}

TEST(PerfGrid, FaultsSayWhatToDo) {
  struct Row {
    const char* label;
    std::string text;
    Selection selection;
    const char* message;
  };
  const Row rows[] = {
      {"another table", "a,b\n1,2\n", {}, "g.csv:1: is no grid; expected the columns isl, osl"},
      {"an unknown word", kSiliconHeader, {{"gpu", "h100"}}, "there is no \"gpu\"; this table has"},
      {"nothing selected", kSiliconHeader, {{"tp", "3"}}, "g.csv: no row matches"},
      {"two configurations",
       kSiliconHeader + "m,h100,vllm,1,agg,1,1,1,2,1,1,1\nm,h100,vllm,2,agg,1,1,1,2,1,1,1\n",
       {},
       "leaves 2 configurations; add one of these to --select:\n  version=1  (1 rows)\n  "
       "version=2"},
      {"a time that is none",
       kSiliconHeader + "m,h,v,1,agg,1,1,1,2,1,0,1\n",
       {},
       "g.csv:2: lengths"},
      {"a length that is none",
       kSiliconHeader + "m,h,v,1,agg,x,1,1,2,1,1,1\n",
       {},
       "g.csv:2: len"}};
  for (const Row& row : rows) {
    auto grid = parse_perf_grid(row.text, "g.csv", row.selection);
    ASSERT_FALSE(grid.has_value()) << row.label;
    EXPECT_THAT(grid.error().message, HasSubstr(row.message)) << row.label;
  }
  EXPECT_THAT(read_perf_grid("/nowhere.csv", {}).error().message,
              HasSubstr("cannot be read: No such file"));
}

/// Measured grids, where they are at hand: the bounds on points held out.
TEST(PerfGridFidelity, HeldOutPointsArePredicted) {
  const char* runs = std::getenv("TIDEGATE_ENGINE_RUNS");
  if (runs == nullptr) GTEST_SKIP() << "TIDEGATE_ENGINE_RUNS is not set";
  auto grid = read_perf_grid(std::string(runs) + "/silicon_sample.csv",
                             {{"model", "meta-llama/Llama-3.1-70B"},
                              {"system", "h100_sxm"},
                              {"backend", "vllm"},
                              {"tp", "4"}});
  if (!grid) GTEST_SKIP() << grid.error().message;
  engine::Options options;
  options.max_num_batched_tokens = 8'192;
  options.profile.async_scheduling = options.profile.reserve_full_prompt = 1;
  auto fit = engine::fit_grid(grid->points, options, {.evaluations = 1'000});
  EXPECT_LE(fit.held_out.tpot, 0.05);
  EXPECT_LE(fit.held_out.ttft, 0.15);
  EXPECT_GE(fit.held_out.points, 3);
}

}  // namespace
}  // namespace tidegate::format
