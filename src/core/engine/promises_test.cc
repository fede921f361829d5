// The promises of engine.h, one by one, on worlds small enough to follow by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <ostream>
#include <vector>

#include "core/base/rng.h"
#include "core/engine/engine.h"

namespace tidegate::engine {
namespace {

using testing::ElementsAre;

EngineRequest request(std::uint64_t id, std::int64_t prompt, std::int64_t output) {
  EngineRequest r;
  r.id = RequestId(id);
  r.prompt = Tokens(prompt);
  r.output = Tokens(output);
  return r;
}
EngineRequest hashed(std::uint64_t id, std::int64_t prompt, std::int64_t output,
                     std::vector<std::uint64_t> prefix) {
  EngineRequest r = request(id, prompt, output);
  r.prefix = std::move(prefix);
  return r;
}
Instant at_ns(std::int64_t n) { return Instant::from_nanos(n); }
Instant at_ms(std::int64_t n) { return at_ns(n * 1'000'000); }

/// 1 ms a step and nothing else, 4-token blocks.
Options plain(std::int64_t blocks) {
  Options o;
  o.profile = {};
  o.profile.c0_fs = 1'000'000'000'000;
  o.profile.c1_fs = o.profile.c2_fs = o.profile.c3_fs = o.profile.c4_fs = 0;
  o.profile.block_size = 4;
  o.profile.kv_tokens = 4 * blocks;
  o.prefix_block_tokens = 4;
  o.max_num_seqs = 8;
  o.max_num_batched_tokens = 16;
  return o;
}

struct Seen {
  std::uint64_t id;
  EventKind kind;
  std::int64_t ms;
  bool operator==(const Seen&) const = default;
};
void PrintTo(const Seen& s, std::ostream* out) {
  *out << "{request " << s.id << ", event " << static_cast<int>(s.kind) << ", " << s.ms << " ms}";
}
std::vector<Seen> seen(Engine& engine, Instant until) {
  std::vector<EngineEvent> events;
  while (engine.next_event() <= until) engine.advance(engine.next_event(), events);
  std::vector<Seen> out;
  for (const EngineEvent& e : events) {
    out.push_back({e.id.value(), e.kind, e.at.nanos() / 1'000'000});
  }
  return out;
}
constexpr auto kScheduled = EventKind::kScheduled;
constexpr auto kFirst = EventKind::kFirstToken;
constexpr auto kFinished = EventKind::kFinished;

TEST(StepTime, IsTheLawInFemtoseconds) {
  Profile p;
  EXPECT_EQ(static_cast<std::int64_t>(step_femtos(p, 0, 0, 0, 0)), 10'000'000'000'000);
  EXPECT_EQ(static_cast<std::int64_t>(step_femtos(p, 500, 256, 192'000, 125'250)),
            10'000'000'000'000 + 500 * 25'000'000'000 + 256 * 100'000'000'000 +
                192'000 * 120'000'000LL + 125'250 * 200'000LL);
}

TEST(Engine, ALongPromptIsCutIntoChunksAndTheFirstTokenEndsTheLast) {
  Engine engine(plain(100));
  engine.submit(request(1, 40, 3), at_ms(0));
  EXPECT_THAT(seen(engine, at_ms(100)),
              ElementsAre(Seen{1, kScheduled, 1}, Seen{1, kFirst, 3}, Seen{1, kFinished, 5}));
}

TEST(Engine, AChunkLeavesTheTotalOfAttentionUnchanged) {
  // All cost is in prefill attention: one step or many, the prompt takes equally long in all.
  for (std::int64_t budget : {1, 3, 7, 64, 1'000}) {
    Options o = plain(100);
    o.profile.c0_fs = 0;
    o.profile.c4_fs = 1'000'000'000;
    o.max_num_batched_tokens = budget;
    Engine engine(o);
    engine.submit(request(1, 64, 1), at_ms(0));
    std::vector<EngineEvent> events;
    engine.advance(at_ms(10'000), events);
    EXPECT_EQ(events.back().at, at_ns(64 * 65 / 2 * 1'000)) << "budget " << budget;
  }
}

TEST(Engine, ASubmitDuringAStepJoinsAtItsEnd) {
  Engine engine(plain(100));
  engine.submit(request(1, 4, 100), at_ms(0));
  engine.submit(request(2, 4, 1), at_ns(50'300'000));
  engine.submit(request(3, 4, 1), at_ms(60));
  auto events = seen(engine, at_ms(90));
  EXPECT_THAT(events, testing::Contains(Seen{2, kFirst, 52}));
  EXPECT_THAT(events, testing::Contains(Seen{3, kFirst, 62}))
      << "at a boundary: the step that begins there has left";
}

TEST(Engine, RefusesWhatCanNeverFit) {
  Options o = plain(10);
  o.profile.max_model_len = 50;
  struct Row {
    const char* label;
    std::int64_t prompt, output;
    bool fits;
  };
  const Row rows[] = {
      {"all of KV", 30, 10, true},
      {"one token over all KV", 31, 10, false},
      {"nothing to compute", 0, 5, false},
      {"nothing to generate", 5, 0, false},
      {"beyond any length", 5, std::numeric_limits<std::int64_t>::max(), false},
  };
  for (const Row& row : rows) {
    Engine engine(o);
    engine.submit(request(1, row.prompt, row.output), at_ms(3));
    auto events = seen(engine, at_ms(1'000));
    EXPECT_EQ(events.back().kind == kFinished, row.fits) << row.label;
    if (!row.fits) {
      EXPECT_THAT(events, ElementsAre(Seen{1, EventKind::kRejected, 3})) << row.label;
    }
  }
  o.profile.kv_tokens = 4'000;
  Engine engine(o);
  engine.submit(request(1, 26, 25), at_ms(0));
  EXPECT_EQ(seen(engine, at_ms(9)).front().kind, EventKind::kRejected) << "over max_model_len";
}

TEST(Engine, OnExhaustionTheYoungestIsPreemptedAndKeepsItsTokens) {
  Options o = plain(6);
  Engine engine(o);
  engine.submit(request(1, 8, 12), at_ms(0));  // at its end 19 tokens: 5 blocks
  engine.submit(request(2, 8, 8), at_ms(0));
  std::vector<EngineEvent> events;
  engine.advance(at_ms(7), events);
  Stats stats = engine.stats();
  EXPECT_EQ(stats.preemptions_total, 1);
  EXPECT_EQ(stats.running, 1);
  EXPECT_EQ(stats.waiting, 1);
  EXPECT_GT(engine.generated(RequestId(2)), 0) << "a preempted request keeps what it generated";
  engine.advance(at_ms(100), events);
  stats = engine.stats();
  EXPECT_EQ(std::count_if(events.begin(), events.end(),
                          [](const EngineEvent& e) { return e.kind == kFirst; }),
            2)
      << "a recomputed prompt gives no second first token";
  EXPECT_EQ(stats.prompt_tokens_total, 16) << "nor is it counted twice";
  EXPECT_EQ(stats.generation_tokens_total, 20);
}

TEST(Engine, APromptSharesTheBlocksOfACachedPrefix) {
  Engine engine(plain(20));
  std::vector<EngineEvent> events;
  engine.submit(hashed(1, 16, 2, {1, 2, 3, 4}), at_ms(0));
  engine.advance(at_ms(10), events);
  engine.submit(hashed(2, 16, 2, {1, 2, 3, 4}), at_ms(10));
  engine.submit(hashed(3, 20, 2, {1, 2, 9, 9}), at_ms(10));
  events.clear();
  engine.advance(at_ms(11), events);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].cached_tokens, 12) << "a full hit computes its last block again";
  engine.advance(at_ms(12), events);
  EXPECT_EQ(events[2].id, RequestId(2));
  EXPECT_EQ(events[3].cached_tokens, 8) << "the common head alone";
  EXPECT_EQ(engine.stats().prefix_queries_tokens_total, 52);
  EXPECT_EQ(engine.stats().prefix_hits_tokens_total, 20);
}

TEST(Engine, ResetForgetsTheCache) {
  Engine engine(plain(20));
  std::vector<EngineEvent> events;
  engine.submit(hashed(1, 16, 2, {1, 2, 3, 4}), at_ms(0));
  engine.advance(at_ms(10), events);
  engine.submit(hashed(2, 16, 9, {1, 2, 3, 4}), at_ms(10));
  engine.reset_cache();  // while request 2 holds part of it
  engine.submit(hashed(3, 16, 2, {1, 2, 3, 4}), at_ms(10));
  engine.advance(at_ms(100), events);
  EXPECT_EQ(engine.stats().prefix_hits_tokens_total, 12) << "request 2's alone";
  EXPECT_EQ(engine.stats().kv_usage, 0);
  engine.submit(hashed(4, 16, 2, {1, 2, 3, 4}), at_ms(100));
  EXPECT_EQ(engine.stats().prefix_hits_tokens_total, 24) << "request 3 filled it anew";
}

TEST(Engine, AdaptersNeverShareAPrefix) {
  Options o = plain(40);
  o.max_loras = 2;
  Engine engine(o);
  std::vector<EngineEvent> events;
  std::int64_t ms = 0;
  for (std::int32_t adapter : {-1, 0, 1}) {
    EngineRequest r = hashed(static_cast<std::uint64_t>(adapter + 2), 16, 1, {1, 2, 3, 4});
    r.adapter = adapter;
    engine.submit(r, at_ms(ms));
    engine.advance(at_ms(ms += 10), events);
  }
  EXPECT_EQ(engine.stats().prefix_hits_tokens_total, 0);
}

TEST(Engine, ARequestWithoutAnAdapterSlotLetsOthersPass) {
  Options o = plain(100);
  o.max_loras = 1;
  Engine engine(o);
  std::int32_t adapters[] = {7, 8, 7, -1};
  for (std::uint64_t i = 0; i < 4; ++i) {
    EngineRequest r = request(i + 1, 4, 10);
    r.adapter = adapters[i];
    engine.submit(r, at_ms(0));
  }
  std::vector<EngineEvent> events;
  engine.advance(at_ms(2), events);
  Stats stats = engine.stats();
  EXPECT_EQ(stats.running, 3);
  EXPECT_EQ(stats.deferred, 1);
  EXPECT_THAT(stats.running_adapters, ElementsAre(7));
  EXPECT_THAT(stats.waiting_adapters, ElementsAre(8));
  engine.advance(at_ms(100), events);
  EXPECT_EQ(events.back().id, RequestId(2));
}

TEST(Engine, AbortInEveryPhaseFreesAndSilences) {
  struct Row {
    const char* label;
    std::uint64_t id;
    std::int64_t at;
  };
  const Row rows[] = {
      {"while it decodes", 1, 5'500'000},
      {"in the middle of its prefill", 2, 1'500'000},
      {"while it waits", 3, 500'000},
  };
  for (const Row& row : rows) {
    Options o = plain(100);
    o.max_num_seqs = 2;
    Engine engine(o);
    engine.submit(request(1, 4, 30), at_ms(0));
    engine.submit(request(2, 60, 30), at_ms(0));
    engine.submit(request(3, 4, 30), at_ms(0));
    std::vector<EngineEvent> before;
    engine.advance(at_ns(row.at), before);
    EXPECT_TRUE(engine.abort(RequestId(row.id), at_ns(row.at))) << row.label;
    EXPECT_FALSE(engine.abort(RequestId(row.id), at_ns(row.at))) << row.label;
    EXPECT_EQ(engine.generated(RequestId(row.id)), 0) << row.label;
    int finished = 0;
    for (const Seen& e : seen(engine, at_ms(1'000))) {
      EXPECT_NE(e.id, row.id) << row.label;
      finished += e.kind == kFinished;
    }
    EXPECT_EQ(finished, 2) << row.label;
    EXPECT_EQ(engine.stats().kv_usage, 0) << row.label;
  }
}

TEST(Engine, RanksAreFilledEvenlyAndWorkApart) {
  Options o = plain(100);
  o.data_parallel_size = 3;
  Engine engine(o);
  for (std::uint64_t i = 1; i <= 7; ++i) engine.submit(request(i, 16, 5), at_ms(0));
  // The budget is one prompt a step: the ranks have 3, 2 and 2 requests.
  auto events = seen(engine, at_ms(50));
  std::erase_if(events, [](const Seen& e) { return e.kind != kFirst; });
  EXPECT_THAT(events, ElementsAre(Seen{1, kFirst, 1}, Seen{2, kFirst, 1}, Seen{3, kFirst, 1},
                                  Seen{4, kFirst, 3}, Seen{5, kFirst, 3}, Seen{6, kFirst, 3},
                                  Seen{7, kFirst, 4}))
      << "what a decoding neighbour leaves of the budget cuts the next prompt in two";
}

TEST(Engine, DynamicBatchingWaitsForAFullBatchOrItsDelay) {
  Options o = plain(100);
  o.batching = spec::BatchingKind::kDynamic;
  o.batch_size = 2;
  o.batch_delay = millis(50);
  Engine engine(o);
  engine.submit(request(1, 4, 2), at_ms(0));
  EXPECT_EQ(engine.next_event(), at_ms(50));
  engine.submit(request(2, 4, 4), at_ms(10));
  engine.submit(request(3, 4, 1), at_ms(11));
  EXPECT_THAT(seen(engine, at_ms(200)),
              ElementsAre(Seen{1, kScheduled, 11}, Seen{1, kFirst, 11}, Seen{2, kScheduled, 11},
                          Seen{2, kFirst, 11}, Seen{1, kFinished, 12}, Seen{2, kFinished, 14},
                          Seen{3, kScheduled, 62}, Seen{3, kFirst, 62}, Seen{3, kFinished, 62}))
      << "the third waits for the batch to end, and then for company in vain";
}

TEST(Engine, ASlowerStepCountsFromTheNextOn) {
  Engine engine(plain(100));
  engine.submit(request(1, 4, 11), at_ms(0));
  std::vector<EngineEvent> events;
  engine.advance(at_ns(4'500'000), events);  // in the fifth step
  engine.set_step_factor(2.5);
  EXPECT_EQ(seen(engine, at_ms(100)).back(), (Seen{1, kFinished, 5 + 15}));
}

/// Requests at the reference profile, whose costs do not divide into whole nanoseconds with this
/// factor.
std::vector<EngineEvent> odd_run(bool walk) {
  Options o;
  o.step_factor = 1.0000019;
  o.profile.c3_fs = 120'000'001;
  Engine engine(o);
  Rng rng(5, "odd");
  std::vector<EngineEvent> events;
  std::int64_t now = 0;
  for (std::uint64_t i = 1; i <= 60; ++i) {
    engine.submit(request(i, static_cast<std::int64_t>(1 + rng.below(3'000)),
                          static_cast<std::int64_t>(1 + rng.below(900))),
                  at_ns(now));
    std::int64_t until = i == 60 ? 600'000'000'000 : now + 300'000'000;
    while (engine.next_event().nanos() <= until) {
      engine.advance(engine.next_event(), events);
      if (walk) engine.set_step_factor(1.0000019);  // ends the run with the step in progress
    }
    now = until;
  }
  EXPECT_TRUE(engine.next_event().is_never());
  return events;
}

TEST(Engine, JumpingOverDecodeStepsGivesTheInstantsOfWalkingThem) {
  std::vector<EngineEvent> jumped = odd_run(false), walked = odd_run(true);
  ASSERT_EQ(jumped.size(), walked.size());
  ASSERT_EQ(jumped.size(), 180U);
  for (std::size_t i = 0; i < jumped.size(); ++i) {
    EXPECT_EQ(jumped[i].id, walked[i].id);
    EXPECT_EQ(jumped[i].at, walked[i].at);
  }
}

}  // namespace
}  // namespace tidegate::engine
