// How much work the engine does, in counts instead of times: plans, steps, allocations.

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <numeric>
#include <vector>

#include "core/base/rng.h"
#include "core/engine/engine.h"

namespace {
std::int64_t allocations = 0;
}
// Counts every allocation of this test binary. Not inlined: g++ 12 then takes free() for a
// mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace tidegate::engine {
namespace {

EngineRequest request(std::uint64_t id, std::int64_t prompt, std::int64_t output) {
  EngineRequest r;
  r.id = RequestId(id);
  r.prompt = Tokens(prompt);
  r.output = Tokens(output);
  return r;
}
Instant at_ns(std::int64_t n) { return Instant::from_nanos(n); }

/// `batch` equal requests at once; what it took to play them.
Stats work_of(std::int64_t batch) {
  Options o;
  o.max_num_seqs = o.max_num_batched_tokens = batch;
  o.profile.kv_tokens = batch * 1'024;
  Engine engine(o);
  for (std::int64_t i = 1; i <= batch; ++i) {
    engine.submit(request(static_cast<std::uint64_t>(i), 1, 1'000), at_ns(0));
  }
  std::vector<EngineEvent> events;
  while (!engine.next_event().is_never()) engine.advance(engine.next_event(), events);
  EXPECT_EQ(events.size(), static_cast<std::size_t>(3 * batch));
  return engine.stats();
}

TEST(Engine, WorkDoesNotGrowWithTheBatchOrTheLength) {
  Stats small = work_of(20), large = work_of(200);
  EXPECT_EQ(small.steps_total, 1'001);
  EXPECT_EQ(large.steps_total, 1'001);
  EXPECT_EQ(small.plans_total, large.plans_total);
  EXPECT_LE(large.plans_total, 6) << "the steps between are jumped";
}

TEST(Engine, ASteadyStateAllocatesNothing) {
  for (bool with_hashes : {false, true}) {
    Engine engine{Options{}};
    Rng rng(1, "arrivals");
    std::vector<EngineEvent> events;
    events.reserve(4'096);
    EngineRequest r = request(0, 500, 500);
    r.prefix.resize(with_hashes ? 31 : 0);
    std::int64_t now = 0, before = 0;
    for (std::uint64_t i = 1; i <= 20'000; ++i) {
      if (i == 10'000) before = allocations;
      now += static_cast<std::int64_t>(rng.exponential(1e9 / 6.2));
      while (engine.next_event().nanos() <= now) {
        events.clear();
        engine.advance(engine.next_event(), events);
      }
      r.id = RequestId(i);
      std::iota(r.prefix.begin(), r.prefix.end(), i << 8);
      engine.submit(r, at_ns(now));
    }
    EXPECT_EQ(allocations - before, 0) << (with_hashes ? "hashed prompts" : "plain prompts");
  }
}

}  // namespace
}  // namespace tidegate::engine
