#include "core/workload/recent.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/base/rng.h"

namespace tidegate::workload {
namespace {

Instant at(std::int64_t s) { return Instant::from_nanos(0) + seconds(s); }

TEST(RecentQuantile, ForgetsWhatIsOlderThanItsWindow) {
  const Duration window = seconds(60);
  RecentQuantile recent;
  std::int64_t seen = 0;
  recent.quantile(0.99, at(0), window, seen);
  EXPECT_EQ(seen, 0) << "nothing yet: unknown, not zero";
  for (std::int64_t s = 0; s < 60; s += 10) recent.add(5.0, at(s), window);
  EXPECT_NEAR(recent.quantile(0.99, at(59), window, seen), 5.0, 0.05);
  EXPECT_EQ(seen, 6);
  for (std::int64_t s = 60; s < 120; s += 10) recent.add(1.0, at(s), window);
  EXPECT_NEAR(recent.quantile(0.99, at(119), window, seen), 1.0, 0.01);
  recent.quantile(0.99, at(200), window, seen);
  EXPECT_EQ(seen, 0) << "all of it is too old";
}

TEST(RecentQuantile, GoesByWireBucketByBucket) {
  Rng rng(4, "wire");
  RecentQuantile recent;
  for (int i = 0; i < 500; ++i) {
    recent.add(rng.below(9) == 0 ? 0 : rng.exponential(3), at(rng.below(90)), seconds(60));
  }
  Sketch there;
  for (const auto& [bucket, count] : recent.over(at(90), seconds(60)).filled()) {
    there.fill(bucket, count);
  }
  there.fill(Sketch::kZeroBucket + 1, 5);  // no such bucket
  there.fill(3, -1);
  for (double q : {0.0, 0.1, 0.5, 0.99, 1.0}) {
    std::int64_t seen = 0;
    EXPECT_EQ(there.quantile(q), recent.quantile(q, at(90), seconds(60), seen)) << "q " << q;
    EXPECT_EQ(there.count(), seen);
  }
  EXPECT_EQ(recent.over(at(90), seconds(61)).count(), 0) << "another window: nothing is known";
}

TEST(Sketch, QuantileOfSeveralIsThatOfAllMerged) {
  Rng rng(3, "several");
  for (int round = 0; round < 20; ++round) {
    std::vector<Sketch> parts(6);
    Sketch merged;
    for (Sketch& part : parts) {
      for (std::uint64_t i = rng.below(40); i > 0; --i) {
        part.add(rng.below(5) == 0 ? 0 : rng.exponential(2));
      }
      merged.merge(part);
    }
    std::vector<const Sketch*> pointers;
    for (const Sketch& part : parts) pointers.push_back(&part);
    for (double q = 0; q <= 1; q += 0.03125) {
      EXPECT_EQ(Sketch::quantile_of(pointers, q), merged.quantile(q)) << "q " << q;
    }
  }
}

}  // namespace
}  // namespace tidegate::workload
