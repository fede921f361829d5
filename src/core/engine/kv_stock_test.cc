#include "core/engine/kv_stock.h"

#include <gtest/gtest.h>

#include <map>

#include "core/base/rng.h"

namespace tidegate::engine {
namespace {

using Pages = std::vector<std::uint64_t>;

/// Takes a prompt's blocks as a request would: what is cached, then the rest, all pages published.
struct Holder {
  KvStock::NodeIndex node = KvStock::kRoot;
  std::int64_t shared = 0, anonymous = 0;
};
Holder hold(KvStock& kv, const Pages& pages, std::int64_t blocks_per_page) {
  KvStock::Match hit = kv.match(pages, static_cast<std::int64_t>(pages.size()));
  Holder h{kv.acquire(hit), hit.pages, 0};
  auto all = static_cast<std::int64_t>(pages.size());
  if (hit.pages == all) return h;
  kv.take((all - hit.pages) * blocks_per_page);
  KvStock::NodeIndex node = kv.publish(h.node, pages, hit.pages, all);
  if (node == KvStock::kRoot) {
    h.anonymous = (all - hit.pages) * blocks_per_page;
  } else {
    h.node = node;
    h.shared = all;
  }
  return h;
}

TEST(KvStock, AFreedPrefixIsFoundUntilItsBlocksAreTaken) {
  KvStock kv(10, 2);
  Holder a = hold(kv, {1, 2, 3}, 2);
  EXPECT_EQ(kv.free(), 4);
  kv.release(a.node, 0);
  EXPECT_EQ(kv.free(), 10) << "cached is free";
  EXPECT_EQ(kv.match({1, 2, 3, 4}, 4).pages, 3);
  EXPECT_EQ(kv.match({1, 2, 3}, 2).pages, 2) << "no further than asked";
  EXPECT_EQ(kv.match({1, 2, 3}, 3).idle_blocks, 6);
  kv.take(4);
  EXPECT_EQ(kv.match({1, 2, 3}, 3).pages, 3) << "blocks never used go first";
  kv.take(1);
  EXPECT_EQ(kv.match({1, 2, 3}, 3).pages, 2) << "half a page is no page; the tail goes first";
  kv.take(1);
  EXPECT_EQ(kv.match({1, 2, 3}, 3).pages, 2) << "its other half is to be had without loss";
  kv.take(4);
  EXPECT_EQ(kv.match({1, 2, 3}, 3).pages, 0);
  EXPECT_EQ(kv.free(), 0);
}

TEST(KvStock, TheLeastRecentlyFreedGoesFirst) {
  KvStock kv(4, 1);
  Holder a = hold(kv, {1, 2}, 1), b = hold(kv, {7, 8}, 1);
  kv.release(a.node, 0);
  kv.release(b.node, 0);
  Holder again = hold(kv, {1, 2}, 1);
  kv.release(again.node, 0);
  kv.take(2);
  EXPECT_EQ(kv.match({7, 8}, 2).pages, 0);
  EXPECT_EQ(kv.match({1, 2}, 2).pages, 2);
}

TEST(KvStock, PromptsThatPartShareTheirHead) {
  KvStock kv(20, 1);
  Holder a = hold(kv, {1, 2, 3, 4}, 1);
  Holder b = hold(kv, {1, 2, 8, 9}, 1);
  EXPECT_EQ(kv.free(), 14) << "four and two blocks";
  kv.release(a.node, 0);
  EXPECT_EQ(kv.free(), 16) << "the head is held by the other";
  EXPECT_EQ(kv.match({1, 2, 3, 4}, 4).pages, 4);
  EXPECT_EQ(kv.match({1, 2, 3, 4}, 4).idle_blocks, 2);
  kv.release(b.node, 0);
  EXPECT_EQ(kv.free(), 20);
}

TEST(KvStock, WhatIsForgottenStaysHeldButIsNotFound) {
  KvStock kv(10, 1);
  Holder a = hold(kv, {1, 2}, 1), b = hold(kv, {5, 6}, 1);
  kv.release(b.node, 0);
  kv.forget();
  EXPECT_EQ(kv.free(), 8);
  EXPECT_EQ(kv.match({1, 2}, 2).pages, 0);
  EXPECT_EQ(kv.publish(a.node, {1, 2, 3}, 2, 3), KvStock::kRoot) << "nothing grows on it";
  Holder c = hold(kv, {1, 2}, 1);
  kv.release(a.node, 0);
  kv.release(c.node, 0);
  EXPECT_EQ(kv.free(), 10);
  EXPECT_EQ(kv.match({1, 2}, 2).pages, 2);
}

TEST(KvStock, HashesThatRepeatOrAreNotChainedConfuseNothing) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Rng rng(seed, "hashes");
    auto per_page = static_cast<std::int64_t>(1 + rng.below(3));
    KvStock kv(40 * per_page, per_page);
    std::vector<Holder> holders;
    for (int i = 0; i < 200; ++i) {
      Pages pages(1 + rng.below(6));
      for (std::uint64_t& page : pages) page = rng.below(2);
      auto need = static_cast<std::int64_t>(pages.size()) * per_page;
      if (need <= kv.free()) holders.push_back(hold(kv, pages, per_page));
      if (rng.below(20) == 0) kv.forget();
      while (!holders.empty() && (rng.below(2) == 0 || kv.free() < 6 * per_page)) {
        std::size_t one = rng.below(holders.size());
        kv.release(holders[one].node, holders[one].anonymous);
        holders.erase(holders.begin() + static_cast<std::ptrdiff_t>(one));
      }
    }
    for (const Holder& h : holders) kv.release(h.node, h.anonymous);
    EXPECT_EQ(kv.free(), kv.total()) << "seed " << seed;
    kv.take(kv.total());
    EXPECT_EQ(kv.match({0, 0, 0}, 3).pages, 0) << "seed " << seed;
  }
}

TEST(FlatMap, IsAMap) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed, "map");
    FlatMap map;
    std::map<std::uint64_t, std::uint64_t> slow;
    std::uint64_t stride = rng.below(2) == 0 ? 1 : std::uint64_t{1} << 40;
    for (int i = 0; i < 3'000; ++i) {
      std::uint64_t key = rng.below(300) * stride;
      if (rng.below(2) == 0) {
        map.insert(key, static_cast<std::uint64_t>(i));
        slow[key] = static_cast<std::uint64_t>(i);
      } else {
        map.erase(key);
        slow.erase(key);
      }
      std::uint64_t probe = rng.below(300) * stride;
      auto found = slow.find(probe);
      ASSERT_EQ(map.find(probe), found == slow.end() ? FlatMap::kNone : found->second);
      ASSERT_EQ(map.size(), slow.size());
    }
    map.clear();
    EXPECT_EQ(map.find(0), FlatMap::kNone);
  }
}

}  // namespace
}  // namespace tidegate::engine
