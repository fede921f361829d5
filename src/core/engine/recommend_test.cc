// The recommended number of clients is the last one that keeps every bound.

#include "core/engine/recommend.h"

#include <gtest/gtest.h>

namespace tidegate::engine {
namespace {

RecommendAsk ask_of(double itl, double ttft, std::int64_t most = 96) {
  RecommendAsk ask;
  ask.itl_seconds = itl;
  ask.ttft_seconds = ttft;
  ask.most = most;
  return ask;
}

TEST(Recommend, ItIsWhatTryingEveryNumberOfClientsGives) {
  struct Row {
    const char* label;
    RecommendAsk ask;
    RecommendBinding binding;
  };
  const Row rows[] = {
      {"ITL binds", ask_of(0.030, 0), RecommendBinding::kItl},
      {"TTFT binds", ask_of(0.045, 0.060), RecommendBinding::kTtft},
      {"both are loose", ask_of(1, 10), RecommendBinding::kMost},
      {"neither can be kept", ask_of(0.001, 0), RecommendBinding::kInfeasible},
  };
  for (const Row& row : rows) {
    const Recommendation r = recommend(row.ask);
    EXPECT_EQ(token(r.binding), token(row.binding)) << row.label;
    std::int64_t itl_most = 1, both_most = 1;
    for (std::int64_t n = 1; n <= row.ask.most; ++n) {
      const AtClients at = at_clients(row.ask, n);
      const bool itl = at.itl_seconds <= row.ask.itl_seconds;
      if (itl) itl_most = n;
      if (itl && (row.ask.ttft_seconds <= 0 || at.ttft_seconds <= row.ask.ttft_seconds))
        both_most = n;
    }
    EXPECT_EQ(r.max_num_seqs, itl_most) << row.label;
    EXPECT_EQ(r.concurrency_target, both_most) << row.label;
    EXPECT_EQ(r.here.clients, r.concurrency_target) << row.label;
  }
}

TEST(Recommend, WithoutABoundItIsTheKnee) {
  RecommendAsk ask = ask_of(0, 0, 256);
  ask.prompt = 1;  // decoding alone: throughput rises and flattens
  const Recommendation r = recommend(ask);
  EXPECT_EQ(r.binding, RecommendBinding::kKnee);
  const double most = at_clients(ask, 256).output_tokens_per_second;
  EXPECT_GE(r.here.output_tokens_per_second, 0.9 * most);
  EXPECT_LT(at_clients(ask, r.concurrency_target - 1).output_tokens_per_second, 0.9 * most);
  EXPECT_EQ(r.max_num_seqs, 256);
}

TEST(Recommend, KvThatIsKnownIsALimitAndKvThatIsNotIsNone) {
  RecommendAsk ask = ask_of(1, 100);
  ask.options.profile.kv_tokens = 20 * (ask.prompt + ask.output);
  ask.kv_known = true;
  EXPECT_EQ(recommend(ask).concurrency_target, 20);
  EXPECT_EQ(recommend(ask).binding, RecommendBinding::kKv);
  ask.kv_known = false;
  EXPECT_EQ(recommend(ask).max_num_seqs, 96);
}

TEST(Recommend, ATighterBoundNeverGivesMore) {
  std::int64_t before = 0;
  for (double itl : {0.011, 0.014, 0.02, 0.03, 0.05}) {
    const Recommendation r = recommend(ask_of(itl, 0));
    EXPECT_GE(r.concurrency_target, before) << itl;
    before = r.concurrency_target;
  }
}

}  // namespace
}  // namespace tidegate::engine
