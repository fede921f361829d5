#include "core/engine/size.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace tidegate::engine {
namespace {

TEST(Little, HoldsWhatFlowsThrough) {
  struct Row {
    const char* label;
    LittleAsk ask;
    double concurrency, per_replica, replicas;
    bool kv_binds;
  };
  for (const Row& row : {
           Row{"12/s for 8 s in 64 slots at 70 %", {12, 8, 64}, 96, 64, 3, false},
           Row{"exactly full is not one more", {8, 7, 10, 0, 0, 0.7}, 56, 10, 8, false},
           Row{"KV holds fewer than the slots", {12, 8, 64, 40'000, 1'000}, 96, 40, 4, true},
           Row{"KV holds more than the slots", {12, 8, 64, 400'000, 1'000}, 96, 64, 3, false},
           Row{"a request larger than the KV still gets one",
               {1, 1, 64, 100, 1'000},
               1,
               1,
               2,
               true},
           Row{"hardly any load is one replica", {0.001, 1, 64}, 0.001, 64, 1, false},
       }) {
    LittleAnswer l = little(row.ask);
    EXPECT_DOUBLE_EQ(l.concurrency, row.concurrency) << row.label;
    EXPECT_DOUBLE_EQ(l.per_replica, row.per_replica) << row.label;
    EXPECT_EQ(l.replicas, row.replicas) << row.label;
    EXPECT_EQ(l.kv_binds, row.kv_binds) << row.label;
    EXPECT_LE(l.utilization, row.ask.target_utilization + 1e-9) << row.label;
  }
}

TEST(LengthMix, IsTheMeanOverTheBatchNotOverTheRequests) {
  LengthMix alike = LengthMix::of({{500, 500}, {500, 500}});
  LengthMix mixed = LengthMix::of({{500, 100}, {500, 900}});
  EXPECT_DOUBLE_EQ(alike.moments.output, mixed.moments.output);
  // A step sees the long answer nine times as often: (100 * 550 + 900 * 950) / 1000.
  EXPECT_DOUBLE_EQ(step_law(Profile{}, 1, mixed.moments).held_tokens, 910);
  EXPECT_DOUBLE_EQ(step_law(Profile{}, 1, alike.moments).held_tokens, 750);
  EXPECT_LT(capacity_of(Profile{}, {}, mixed.moments).requests_per_second,
            capacity_of(Profile{}, {}, alike.moments).requests_per_second);
}

TEST(LengthMix, KeepsThePromptsQuantiles) {
  std::vector<Lengths> samples;
  for (int i = 100'000; i > 0; --i) samples.push_back({static_cast<double>(i), 1});
  LengthMix mix = LengthMix::of(samples);
  ASSERT_EQ(mix.prompts.size(), LengthMix::kPrompts);
  for (std::size_t i = 0; i < mix.prompts.size(); ++i) {
    EXPECT_NEAR(mix.prompts[i], 100 * static_cast<double>(i) + 50, 1);
  }
  EXPECT_EQ(LengthMix::of({}).prompts, std::vector<double>{1});
}

/// c0 alone: a step takes a second whatever it holds, an answer is one token, so a replica with one
/// slot is a single server.
Profile one_second() {
  Profile p;
  p.c0_fs = 1'000'000'000'000'000;
  p.c1_fs = p.c2_fs = p.c3_fs = p.c4_fs = 0;
  return p;
}

TEST(Size, FillsToTheTargetAndNamesWhatBinds) {
  struct Row {
    const char* label;
    SizeAsk ask;
    Lengths lengths;
    SizeBinding binding;
    std::int64_t replicas;
  };
  for (const Row& row : {
           Row{"7.86/s a replica at 256 sequences, 70 % of it",
               {.requests_per_second = 12},
               {500, 500},
               SizeBinding::kSequences,
               3},
           Row{"half the slots hold less",
               {.requests_per_second = 12, .max_num_seqs = 64},
               {500, 500},
               SizeBinding::kSequences,
               4},
           Row{"long contexts: KV",
               {.requests_per_second = 1},
               {8'000, 2'000},
               SizeBinding::kKv,
               5},
           Row{"long prompts: the step's tokens",
               {.requests_per_second = 10},
               {4'000, 50},
               SizeBinding::kBatchedTokens,
               3},
           Row{"an ITL bound",
               {.requests_per_second = 12, .itl_seconds = 0.03},
               {500, 500},
               SizeBinding::kItl,
               3},
           Row{"a TTFT bound that is tight at this load",
               {.requests_per_second = 10, .ttft_seconds = 0.5},
               {4'000, 50},
               SizeBinding::kTtft,
               4},
       }) {
    SizeAnswer s = size(Profile{}, row.ask, LengthMix::of({row.lengths}));
    EXPECT_EQ(s.infeasible, Infeasible::kNot) << row.label;
    EXPECT_EQ(s.binding, row.binding) << row.label << ": " << token(s.binding);
    EXPECT_EQ(s.replicas, row.replicas) << row.label;
    EXPECT_GT(s.headroom, 0) << row.label;
    EXPECT_NEAR(s.running,
                row.ask.requests_per_second / static_cast<double>(s.replicas) *
                    row.lengths.output_tokens * s.itl_seconds,
                1e-6)
        << row.label << ": Little's Law at the load";
    // Little's coarse answer, with the latency at full slots, is what the sequences alone ask for.
    LittleAnswer l = little({.requests_per_second = row.ask.requests_per_second,
                             .latency_seconds = s.latency_at_slots_seconds,
                             .max_num_seqs = static_cast<std::int64_t>(s.slots)});
    EXPECT_LE(static_cast<std::int64_t>(l.replicas), s.replicas + 1) << row.label;
    if (s.binding == SizeBinding::kSequences) {
      EXPECT_EQ(l.replicas, s.replicas) << row.label;
    }
  }
}

TEST(Size, SaysWhatNoNumberOfReplicasCanKeep) {
  struct Row {
    const char* label;
    SizeAsk ask;
    Lengths lengths;
    Infeasible infeasible;
  };
  for (const Row& row : {
           Row{"a step is slower than the ITL bound",
               {.requests_per_second = 1, .itl_seconds = 0.01},
               {500, 500},
               Infeasible::kItl},
           Row{"the prompt alone takes longer than the TTFT bound",
               {.requests_per_second = 1, .ttft_seconds = 0.3},
               {20'000, 500},
               Infeasible::kTtft},
           Row{"the sequence does not fit",
               {.requests_per_second = 1},
               {500'000, 500},
               Infeasible::kKv},
           Row{"more than a million replicas",
               {.requests_per_second = 1e9},
               {500, 500},
               Infeasible::kLoad},
       }) {
    EXPECT_EQ(size(Profile{}, row.ask, LengthMix::of({row.lengths})).infeasible, row.infeasible)
        << row.label;
  }
}

TEST(Size, OneSlotAndOneStepWaitAsTheClosedFormSays) {
  // Service 1 s, one server. Answers all alike: M/D/1, mean wait half of M/M/1's; the tail is
  // rho * e^(-2 (1 - rho) t). With no batch to share, prompts add nothing.
  SizeAsk ask{.requests_per_second = 0.5, .max_num_seqs = 1, .target_utilization = 0.9};
  SizeAnswer s = size(one_second(), ask, LengthMix::of({{1, 1}}));
  ASSERT_EQ(s.replicas, 1);
  EXPECT_DOUBLE_EQ(s.utilization, 0.5);
  EXPECT_DOUBLE_EQ(s.itl_seconds, 1);
  EXPECT_DOUBLE_EQ(s.running, 0.5);
  // Half a step to the next, the step itself, and the wait whose tail is 0.5 e^(-t) = 1 %.
  EXPECT_NEAR(s.ttft_seconds, 1.5 + std::log(50), 0.01);
  EXPECT_NEAR(s.ttft_alone_seconds, 1.5, 1e-6);
}

TEST(Size, MoreLoadTighterBoundsAndLongerRequestsNeverNeedFewer) {
  auto replicas = [](const SizeAsk& ask, Lengths lengths) {
    return size(Profile{}, ask, LengthMix::of({lengths, {lengths.prompt_tokens * 3, 50}})).replicas;
  };
  std::int64_t before = 0;
  for (double rate = 0.1; rate < 5'000; rate *= 1.7) {
    std::int64_t n = replicas({.requests_per_second = rate, .ttft_seconds = 1}, {500, 300});
    EXPECT_GE(n, before) << rate;
    before = n;
  }
  before = 1'000'000;
  for (double bound = 0.15; bound < 20; bound *= 1.3) {
    std::int64_t n = replicas({.requests_per_second = 50, .ttft_seconds = bound}, {500, 300});
    EXPECT_LE(n, before) << bound;
    before = n;
  }
  before = 0;
  for (double length = 100; length < 10'000; length *= 1.5) {
    std::int64_t n = replicas({.requests_per_second = 50}, {length, length});
    EXPECT_GE(n, before) << length;
    before = n;
  }
}

TEST(Size, TheHeadroomIsWhatTheBoundsStillHold) {
  SizeAsk ask{.requests_per_second = 10, .ttft_seconds = 0.5};
  LengthMix mix = LengthMix::of({{4'000, 50}});
  SizeAnswer s = size(Profile{}, ask, mix);
  SizeAsk more = ask;
  more.target_utilization = 1;
  more.requests_per_second = 10 * (1 + s.headroom) * 0.999;
  EXPECT_LE(size(Profile{}, more, mix).replicas, s.replicas);
  more.requests_per_second = 10 * (1 + s.headroom) * 1.001;
  EXPECT_GT(size(Profile{}, more, mix).replicas, s.replicas);
}

TEST(BreakEven, IsTheTrafficAtWhichAReplicaCostsWhatItsTokensWould) {
  SizeAsk ask{.requests_per_second = 1};
  LengthMix mix = LengthMix::of({{1'000, 1'000}});
  SizeAnswer s = size(Profile{}, ask, mix);
  ASSERT_EQ(s.replicas, 1);
  BreakEven b = break_even(ask, s, mix.moments, {2, 1, 3});
  EXPECT_DOUBLE_EQ(b.own_month_dollars, 1'460);
  EXPECT_DOUBLE_EQ(b.api_month_dollars, 2'628'000 * 0.004);
  EXPECT_DOUBLE_EQ(b.requests_per_month, 365'000);
  EXPECT_DOUBLE_EQ(b.tokens_per_month, 730'000'000);
  EXPECT_NEAR(b.utilization, 365'000 / (s.requests_per_second * 2'628'000), 1e-12);
  EXPECT_TRUE(b.own_is_cheaper);
  EXPECT_FALSE(break_even(ask, s, mix.moments, {2, 0.1, 0.3}).own_is_cheaper);
}

TEST(ScaleToZero, WeighsTheGapAgainstTheStart) {
  SizeAsk rare{.requests_per_second = 1.0 / 3'600};
  ZeroAnswer z = scale_to_zero(rare, {60, 120, 300, 2, 0.99});
  EXPECT_TRUE(z.wakes_in_time);
  EXPECT_DOUBLE_EQ(z.gap_seconds, 360);
  EXPECT_NEAR(z.gap_share, std::exp(-0.1), 1e-12);
  EXPECT_DOUBLE_EQ(z.idle_share_per_wake, 360.0 / 86'400);
  EXPECT_DOUBLE_EQ(z.misses_per_wake, 1 + 58.0 / 3'600);
  EXPECT_NEAR(z.wakes_per_day, 0.24 / (1 + 58.0 / 3'600), 1e-9);
  EXPECT_FALSE(scale_to_zero(rare, {121, 120, 300, 2, 0.99}).wakes_in_time);
  EXPECT_EQ(scale_to_zero(rare, {60, 120, 300, 0, 0.99}).misses_per_wake, 0);
  EXPECT_LT(scale_to_zero({.requests_per_second = 12}, {60, 120, 300, 2, 0.99}).gap_share, 1e-300);
}

}  // namespace
}  // namespace tidegate::engine
