#include "live/weights/intervals.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/base/rng.h"

namespace tidegate::live::weights {
namespace {

TEST(Intervals, gaps_come_in_order_and_no_longer_than_asked) {
  Intervals there;
  EXPECT_EQ(there.gap({0, 10}, 4), (Span{0, 4}));
  there.add({4, 6});
  EXPECT_EQ(there.gap({0, 10}, 100), (Span{0, 4}));
  there.add({0, 4});
  EXPECT_EQ(there.prefix(), 6);
  EXPECT_EQ(there.gap({0, 10}, 100), (Span{6, 10}));
  there.remove({2, 3});
  EXPECT_EQ(there.prefix(), 2);
  EXPECT_EQ(there.gap({0, 10}, 100), (Span{2, 3}));
  there.add({2, 10});
  EXPECT_EQ(there.gap({0, 10}, 100), std::nullopt);
  EXPECT_EQ(there.gap({0, 0}, 100), std::nullopt) << "an empty file lacks nothing";
}

TEST(Intervals, agree_with_a_byte_map_whatever_is_added_and_removed) {
  Rng chance(7, "spans");
  for (int run = 0; run < 50; ++run) {
    Intervals there;
    std::vector<bool> map(64, false);
    for (int step = 0; step < 60; ++step) {
      auto from = static_cast<std::int64_t>(chance.below(64));
      auto to =
          from + static_cast<std::int64_t>(chance.below(65 - static_cast<std::uint64_t>(from)));
      const bool put = chance.below(3) != 0;
      for (std::int64_t i = from; i < to; ++i) map[static_cast<std::size_t>(i)] = put;
      put ? there.add({from, to}) : there.remove({from, to});
      std::int64_t total = 0, prefix = 0, begin = 64;
      for (std::int64_t i = 0; i < 64; ++i) {
        const bool in = map[static_cast<std::size_t>(i)];
        total += in ? 1 : 0;
        if (in && prefix == i) ++prefix;
        if (!in && begin == 64) begin = i;
      }
      ASSERT_EQ(there.total(), total);
      ASSERT_EQ(there.prefix(), prefix);
      auto gap = there.gap({0, 64}, 5);
      ASSERT_EQ(gap.has_value(), begin < 64);
      if (gap) {
        ASSERT_EQ(gap->from, begin);
        std::int64_t end = begin;
        while (end < 64 && end < begin + 5 && !map[static_cast<std::size_t>(end)]) ++end;
        ASSERT_EQ(gap->to, end);
      }
    }
  }
}

}  // namespace
}  // namespace tidegate::live::weights
