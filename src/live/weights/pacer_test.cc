#include "live/weights/pacer.h"

#include <gtest/gtest.h>

namespace tidegate::live::weights {
namespace {

Instant at(double seconds) { return Instant::from_nanos(static_cast<std::int64_t>(seconds * 1e9)); }

TEST(WeightsPacer, holds_the_rate_and_forgets_what_was_not_used) {
  Pacer pacer(1'000'000);
  EXPECT_EQ(pacer.take(at(10), 100'000), at(10)) << "a burst of a tenth of a second is free";
  EXPECT_EQ(pacer.take(at(10), 500'000), at(10.5));
  EXPECT_EQ(pacer.take(at(10.2), 500'000), at(11)) << "what one thread took, another waits for";
  EXPECT_EQ(pacer.take(at(20), 600'000), at(20.5)) << "nine idle seconds give no more than a burst";
}

TEST(WeightsPacer, without_a_rate_nobody_waits) {
  Pacer pacer(0);
  EXPECT_EQ(pacer.take(at(1), 1'000'000'000'000), at(1));
}

}  // namespace
}  // namespace tidegate::live::weights
