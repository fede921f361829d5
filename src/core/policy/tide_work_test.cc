// Requests that are not alike: counted by what they take of a replica.

#include "core/policy/tide_work.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/base/rng.h"
#include "core/policy/tide_bench_for_test.h"

namespace tidegate::policy {
namespace {

constexpr std::int64_t kChatPrompt = 500, kChatOutput = 200;
constexpr std::int64_t kDocumentPrompt = 8'000, kDocumentOutput = 600;

/// A gateway whose requests are of two kinds.
struct Mixed {
  Bench bench;
  bool kv_told = true;

  Mixed() { bench.seen.variants[0].fleet.ready = Replicas(4); }
  void add(double requests, std::int64_t prompt, std::int64_t output) {
    signal::Demand& d = bench.seen.demand;
    const auto n = static_cast<std::int64_t>(requests);
    d.arrived_total += n;
    d.finished_total = d.arrived_total;
    d.prompt_tokens_total += n * prompt;
    d.expected_output_tokens_total += n * output;
    if (kv_told) d.expected_kv_token_steps_total += n * (prompt + output / 2) * output;
  }
  Recommendation second(double chats, double documents) {
    bench.now += seconds(1);
    bench.seen.at = bench.now;
    bench.seen.gateway = fresh(1, bench.now);
    add(chats, kChatPrompt, kChatOutput);
    add(documents, kDocumentPrompt, kDocumentOutput);
    return bench.again();
  }
  Recommendation run(double chats, double documents, int times) {
    Recommendation out;
    for (int i = 0; i < times; ++i) out = second(chats, documents);
    return out;
  }
  const TideState& tide() const { return *bench.state.tide; }
};

engine::LengthMoments chat() {
  return engine::LengthMoments::of({double(kChatPrompt), double(kChatOutput)});
}
TideWork work_of(const spec::Model& model) {
  return TideWork(model, model.variants[0], {}, chat());
}

TEST(TideWork, IsAdditiveWithinABoundAndOneForTheUsualRequest) {
  const spec::Model model = tide_model();
  const TideWork work = work_of(model);
  EXPECT_DOUBLE_EQ(work(chat()), 1);
  const auto document =
      engine::LengthMoments::of({double(kDocumentPrompt), double(kDocumentOutput)});
  const double each = work(document);
  EXPECT_GT(each, 5);
  engine::LengthMoments half = chat();
  half.prompt = (chat().prompt + document.prompt) / 2;
  half.output = (chat().output + document.output) / 2;
  half.prompt_squared = (chat().prompt_squared + document.prompt_squared) / 2;
  half.prompt_output = (chat().prompt_output + document.prompt_output) / 2;
  half.output_squared = (chat().output_squared + document.output_squared) / 2;
  EXPECT_NEAR(work(half) / ((1 + each) / 2), 1, 0.15);
}

TEST(TideWork, ATenantOfLongDocumentsIsSeenWithinAMinute) {
  for (const bool told : {true, false}) {
    Mixed mixed;
    mixed.kv_told = told;
    const std::int64_t before = asked(mixed.run(20, 0, 1'800));
    const std::int64_t after = asked(mixed.run(20, 4, 90));
    const auto document =
        engine::LengthMoments::of({double(kDocumentPrompt), double(kDocumentOutput)});
    const double more = 4 * work_of(mixed.bench.model)(document) / 20;
    EXPECT_GT(more, 1) << "a fifth more requests are twice the work";
    EXPECT_GT(after, before) << "by their tokens alone";
    if (told) {
      EXPECT_GT(static_cast<double>(after), 0.6 * (1 + more) * static_cast<double>(before));
    }
  }
}

TEST(TideWork, AFewRequestsThatHappenToBeLongAreNoChange) {
  Mixed mixed;
  Rng rng(3, "lengths");
  double most = 0;
  for (int i = 0; i < 3'600; ++i) {
    const bool come = rng.below(2) == 0;
    const auto prompt = static_cast<std::int64_t>(200 + rng.exponential(800));
    const auto output = static_cast<std::int64_t>(20 + rng.exponential(200));
    if (come) mixed.add(1, prompt, output);
    mixed.second(0, 0);
    if (i > 900) most = std::max(most, mixed.tide().last);
  }
  EXPECT_LT(most, 0.8) << "half a request a second, of lengths spread as usual";
  EXPECT_GT(most, 0.3);
}

TEST(TideWork, OnePromptThatNoReplicaCanHoldIsNoCrowd) {
  Mixed mixed;
  const std::int64_t before = asked(mixed.run(20, 0, 1'800));
  mixed.add(1, 1'000'000'000, 1'000'000);
  for (int i = 0; i < 120; ++i) {
    EXPECT_LE(asked(mixed.second(20, 0)), before + 1) << i;
  }
}

TEST(TideWork, OutputsThatNobodyExpectsTeachNothing) {
  Mixed mixed;
  mixed.run(20, 0, 600);
  const TideLengths known = mixed.tide().lengths;
  for (int i = 0; i < 600; ++i) {
    mixed.bench.seen.demand.arrived_total += 20;
    mixed.second(0, 0);
  }
  EXPECT_EQ(mixed.tide().lengths, known);
  EXPECT_NEAR(mixed.tide().last, 20, 1);
}

TEST(TideWork, WhatWaitsIsWorthWhatItTakes) {
  Mixed mixed;
  mixed.run(20, 0, 600);
  Bench& bench = mixed.bench;
  signal::Demand& d = bench.seen.demand;
  const Input in{bench.model, bench.seen, bench.now};
  const TideWork work = work_of(bench.model);
  d.queued_requests = 10;
  d.queued_tokens = 10 * kChatPrompt;
  d.queued_output_tokens = 10 * kChatOutput;
  EXPECT_NEAR(waiting_work(in, work, mixed.tide()), 10, 1e-6);
  d.queued_tokens = 10 * kDocumentPrompt;
  d.queued_output_tokens = 10 * kDocumentOutput;
  EXPECT_GT(waiting_work(in, work, mixed.tide()), 50);
  d.queued_tokens = d.queued_output_tokens = 0;
  EXPECT_NEAR(waiting_work(in, work, mixed.tide()), 10, 1e-6) << "of unknown lengths";
}

}  // namespace
}  // namespace tidegate::policy
