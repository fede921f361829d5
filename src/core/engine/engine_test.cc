// Engine against a plain reference on thousands of random small worlds, and the promises of its
// header.

#include "core/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/base/rng.h"
#include "core/engine/reference_test_engine.h"

namespace tidegate::engine {
namespace {

using reference::Input;
using reference::ReferenceEngine;

std::string text(const EngineEvent& e) {
  static constexpr const char* kKinds[] = {"scheduled", "first", "finished", "rejected"};
  return std::to_string(e.at.nanos()) + " " + std::to_string(e.id.value()) + " " +
         kKinds[static_cast<int>(e.kind)] + " cached " + std::to_string(e.cached_tokens) +
         " began " + std::to_string(e.began.nanos()) + " seen " + std::to_string(e.queued.nanos()) +
         " chosen " + std::to_string(e.chosen.nanos());
}
std::vector<std::string> texts(std::vector<EngineEvent> events) {
  std::stable_sort(events.begin(), events.end(), [](const EngineEvent& a, const EngineEvent& b) {
    return std::tuple(a.at, a.id, a.kind) < std::tuple(b.at, b.id, b.kind);
  });
  std::vector<std::string> lines;
  for (const EngineEvent& e : events) lines.push_back(text(e));
  return lines;
}
std::string text(const Stats& s) {
  std::string out;
  for (std::int64_t v :
       {s.running, s.waiting, s.preemptions_total, s.prompt_tokens_total, s.generation_tokens_total,
        s.prefix_queries_tokens_total, s.prefix_hits_tokens_total, s.steps_total, s.deferred}) {
    out += std::to_string(v) + " ";
  }
  out += std::to_string(s.kv_usage);
  for (std::int32_t a : s.running_adapters) out += " r" + std::to_string(a);
  for (std::int32_t a : s.waiting_adapters) out += " w" + std::to_string(a);
  return out;
}

struct World {
  std::string label;
  std::int64_t blocks_most = 60;
  bool prefixes = false, loras = false, priorities = false, aborts = true, many_tokens = false;
  bool asynchronous = false, reserves = false;
  std::int64_t page_factor = 1;  ///< hashes cover this many blocks
  spec::BatchingKind batching = spec::BatchingKind::kContinuous;
};

Options random_options(const World& world, Rng& rng) {
  Options o;
  o.profile.block_size = 1 + static_cast<std::int64_t>(rng.below(6));
  o.profile.kv_tokens =
      o.profile.block_size *
      (8 + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(world.blocks_most))));
  o.profile.max_model_len = 8 + static_cast<std::int64_t>(rng.below(200));
  o.profile.c0_fs = static_cast<std::int64_t>(rng.below(20'000'000'000));  // to 20 us, odd fs
  o.profile.c1_fs = static_cast<std::int64_t>(rng.below(100'000'000));
  o.profile.c2_fs = static_cast<std::int64_t>(rng.below(500'000'000));
  o.profile.c3_fs = static_cast<std::int64_t>(rng.below(9'000'001));
  o.profile.c4_fs = static_cast<std::int64_t>(rng.below(90'001));
  o.profile.async_scheduling = world.asynchronous;
  o.profile.reserve_full_prompt = world.reserves;
  o.max_num_seqs = 1 + static_cast<std::int64_t>(rng.below(8));
  o.max_num_batched_tokens = 1 + static_cast<std::int64_t>(rng.below(40));
  o.max_loras = world.loras ? 1 + static_cast<std::int64_t>(rng.below(3)) : 0;
  o.prefix_block_tokens = o.profile.block_size * world.page_factor;
  if (world.page_factor == 1 && rng.below(3) == 0) o.prefix_block_tokens = 1 + rng.below(5);
  o.prefix_caching = world.prefixes;
  o.priority_scheduling = world.priorities;
  o.batching = world.batching;
  o.batch_size = 1 + static_cast<std::int64_t>(rng.below(5));
  o.batch_delay = Duration(static_cast<std::int64_t>(rng.below(100'000)));
  return o;
}

/// Chained hashes: prompts of one family share a head.
std::vector<std::uint64_t> random_prefix(std::int64_t prompt, std::int64_t page, Rng& rng) {
  std::vector<std::uint64_t> prefix;
  std::uint64_t hash = rng.below(3);
  for (std::int64_t i = 0; i < prompt / page; ++i) {
    hash = hash * 31 + 7 + (rng.below(5) == 0 ? rng.below(2) + 1 : 0);
    prefix.push_back(hash);
  }
  if (rng.below(8) == 0 && !prefix.empty()) prefix.pop_back();
  return prefix;
}

std::vector<Input> random_inputs(const World& world, const Options& o, Rng& rng) {
  std::vector<Input> inputs;
  std::int64_t now = 0;
  auto count = 4 + rng.below(30);
  std::uint64_t gap = 1 + rng.below(200'000);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (rng.below(3) != 0) now += static_cast<std::int64_t>(rng.below(gap));
    Input input;
    input.at = now;
    input.request.id = RequestId(i + 1);
    std::uint64_t longest = world.many_tokens ? 150 : 60;
    input.request.prompt = Tokens(static_cast<std::int64_t>(1 + rng.below(longest)));
    input.request.output = Tokens(static_cast<std::int64_t>(1 + rng.below(longest)));
    input.request.priority = static_cast<std::int64_t>(rng.below(3));
    input.request.adapter = static_cast<std::int32_t>(rng.below(5)) - 1;
    if (world.prefixes) {
      input.request.prefix =
          random_prefix(input.request.prompt.value(), o.prefix_block_tokens, rng);
    }
    inputs.push_back(input);
    if (world.aborts && rng.below(5) == 0) {
      now += static_cast<std::int64_t>(rng.below(gap));
      Input abort;
      abort.at = now;
      abort.is_abort = true;
      abort.request.id = RequestId(1 + rng.below(i + 1));
      inputs.push_back(abort);
    }
  }
  return inputs;
}

void expect_same_state(const Engine& engine, const ReferenceEngine& slow, std::size_t count) {
  EXPECT_EQ(text(engine.stats()), text(slow.stats()));
  for (std::uint64_t id = 1; id <= count; ++id) {
    EXPECT_EQ(engine.generated(RequestId(id)), slow.generated(id)) << "request " << id;
  }
}

/// Plays one world on both; the fast one is polled at random moments, which must change nothing.
void play(const World& world, std::uint64_t seed) {
  Rng rng(seed, world.label);
  Options o = random_options(world, rng);
  std::vector<Input> inputs = random_inputs(world, o, rng);
  Engine engine(o);
  ReferenceEngine slow(o);
  std::vector<EngineEvent> events;
  std::int64_t now = 0;
  auto poll = [&](std::int64_t to) {
    std::size_t style = rng.below(3);
    if (to - now > 1'000'000) style = 0;
    while (style == 0 && engine.next_event().nanos() <= to) {
      engine.advance(engine.next_event(), events);
    }
    while (style == 1 && now + 7'919 < to) {
      now += static_cast<std::int64_t>(rng.below(30'000));
      now = std::min(now, to);
      engine.advance(Instant::from_nanos(now), events);
      slow.run_to(now);
      expect_same_state(engine, slow, inputs.size());
    }
    if (style != 2) engine.advance(Instant::from_nanos(to), events);
    slow.run_to(to);
    now = to;
  };
  for (const Input& input : inputs) {
    poll(input.at);
    bool known = slow.known.count(input.request.id.value()) > 0;
    slow.give(input);
    if (input.is_abort) {
      EXPECT_EQ(engine.abort(input.request.id, Instant::from_nanos(input.at)), known);
    } else {
      engine.submit(input.request, Instant::from_nanos(input.at));
    }
    expect_same_state(engine, slow, inputs.size());
    if (testing::Test::HasFailure()) return;
  }
  poll(inputs.back().at + 50'000);
  poll(inputs.back().at + 3'600'000'000'000);
  engine.advance(Instant::from_nanos(now), events);
  EXPECT_TRUE(slow.idle());
  EXPECT_TRUE(engine.next_event().is_never());
  EXPECT_EQ(engine.stats().kv_usage, 0) << "all blocks came back";
  expect_same_state(engine, slow, inputs.size());
  EXPECT_EQ(texts(events), texts(slow.events));
}

class EngineVersusReference : public testing::TestWithParam<World> {};

TEST_P(EngineVersusReference, SameEventsAndStats) {
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    play(GetParam(), seed);
    if (HasFailure()) FAIL() << GetParam().label << ", seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(
    , EngineVersusReference,
    testing::Values(
        World{.label = "requests without hashes, KV tight", .blocks_most = 40},
        World{
            .label = "requests without hashes, KV ample", .blocks_most = 900, .many_tokens = true},
        World{.label = "shared prefixes, KV tight", .blocks_most = 40, .prefixes = true},
        World{.label = "shared prefixes, KV ample", .blocks_most = 400, .prefixes = true},
        World{.label = "hashes over three blocks each", .prefixes = true, .page_factor = 3},
        World{.label = "adapters that compete for slots", .loras = true},
        World{.label = "adapters with prefixes", .prefixes = true, .loras = true},
        World{.label = "priorities", .blocks_most = 30, .priorities = true},
        World{.label = "priorities and adapters", .loras = true, .priorities = true},
        World{.label = "static batches", .batching = spec::BatchingKind::kStatic},
        World{.label = "dynamic batches", .batching = spec::BatchingKind::kDynamic},
        World{.label = "whole prompts fit or wait",
              .blocks_most = 30,
              .prefixes = true,
              .reserves = true},
        World{.label = "steps chosen ahead, KV tight", .blocks_most = 30, .asynchronous = true},
        World{.label = "steps chosen ahead, KV ample",
              .blocks_most = 900,
              .many_tokens = true,
              .asynchronous = true},
        World{.label = "steps chosen ahead, prefixes, whole prompts",
              .blocks_most = 40,
              .prefixes = true,
              .asynchronous = true,
              .reserves = true},
        World{.label = "steps chosen ahead, priorities and adapters",
              .loras = true,
              .priorities = true,
              .asynchronous = true},
        World{.label = "nobody aborts", .blocks_most = 25, .aborts = false}),
    [](const testing::TestParamInfo<World>& info) {
      std::string name;
      for (char c : info.param.label) {
        if (std::isalnum(static_cast<unsigned char>(c))) name += c;
      }
      return name;
    });

}  // namespace
}  // namespace tidegate::engine
