// Work is counted, not timed: in the steady state a request allocates nothing.

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "sim/test_world.h"

namespace {
std::int64_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
/// What std::stable_sort asks for; all forms must come from one place.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace tidegate::sim {
namespace {

/// Allocations of `count` requests after a warm-up, at 80 % of what `replicas` hold.
std::int64_t allocated(std::int64_t replicas, std::int64_t count) {
  WorldOptions options = world_of(model_with(replicas, replicas), engine::Profile{}, replicas);
  options.tick = options.scrape_period = seconds(10'000'000);  // decisions and scrapes are extra
  options.model.scaling.window = seconds(10'000'000);
  World world(std::move(options));
  Rng rng(1, "arrivals");
  double at_seconds = 0;
  auto request = request_at(Duration(0), 500, 500);
  auto offer = [&](std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      at_seconds += rng.exponential(1 / (6.2 * static_cast<double>(replicas)));
      request.at = seconds_f(at_seconds);
      world.offer(request);
    }
  };
  offer(30'000 * replicas);
  std::int64_t before = allocations;
  offer(count);
  return allocations - before;
}

TEST(Allocation, ARequestAllocatesNothing) {
  // What is left are new peaks: of requests in flight, of a latency's sketch.
  EXPECT_LE(allocated(1, 20'000), 20);
  EXPECT_LE(allocated(4, 20'000), 20);
}

}  // namespace
}  // namespace tidegate::sim
