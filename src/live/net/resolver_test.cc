#include "live/net/resolver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace tidegate::net::http1 {
namespace {

constexpr Duration kPatience = seconds(10);

class ResolverTest : public testing::Test {
 protected:
  Resolver::Told noted() {
    return [this](const Resolver::Found& found) {
      told.push_back(found ? "" : found.error().message);
    };
  }
  bool until(const std::function<bool()>& done) { return loop->run_until(done, kPatience); }
  static Resolver::Found one() { return std::vector<SocketAddress>(1); }

  std::unique_ptr<Loop> loop = Loop::create().value();
  std::vector<std::string> told;
};

TEST_F(ResolverTest, NumbersAndLocalhostAreKnownAtOnce) {
  std::atomic<int> asked = 0;
  Resolver resolver(*loop, [&](const Address&) { return ++asked, one(); });
  for (const char* host : {"127.0.0.1", "::1", "localhost"}) {
    auto found = resolver.resolve({host, 80}, noted());
    ASSERT_TRUE(found && *found) << host;
  }
  EXPECT_EQ(asked, 0);
}

TEST_F(ResolverTest, ANameThatHangsHoldsUpNoOther) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  Resolver resolver(*loop, [released](const Address& address) {
    if (address.host == "hangs") released.wait();
    return one();
  });
  EXPECT_FALSE(resolver.resolve({"hangs", 80}, noted()));
  EXPECT_FALSE(resolver.resolve({"works", 80}, noted()));
  EXPECT_TRUE(until([&] { return told.size() == 1; }));
  auto again = resolver.resolve({"works", 80}, noted());
  ASSERT_TRUE(again && *again) << "remembered";
  release.set_value();
  EXPECT_TRUE(until([&] { return told.size() == 2; }));
}

TEST_F(ResolverTest, WhoAsksForOneNameSharesALookupAndItsFailureHoldsForAWhile) {
  std::atomic<int> asked = 0;
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  Resolver resolver(*loop, [&asked, released](const Address&) -> Resolver::Found {
    ++asked;
    released.wait();
    return fail("no such name");
  });
  EXPECT_FALSE(resolver.resolve({"x", 80}, noted()));
  EXPECT_FALSE(resolver.resolve({"x", 80}, noted()));
  release.set_value();
  ASSERT_TRUE(until([&] { return told.size() == 2; }));
  EXPECT_EQ(told[0], "no such name");
  auto known = resolver.resolve({"x", 80}, noted());
  ASSERT_TRUE(known);
  EXPECT_FALSE(*known);
  EXPECT_EQ(asked, 1);
}

TEST_F(ResolverTest, MoreNamesThanAreAskedForAtATimeWaitTheirTurn) {
  std::atomic<std::size_t> at_once = 0, most = 0;
  Resolver resolver(*loop, [&](const Address&) {
    const std::size_t now = ++at_once;
    for (std::size_t seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    --at_once;
    return one();
  });
  constexpr std::size_t kNames = 3 * Resolver::kMaxLookups;
  for (std::size_t i = 0; i < kNames; ++i) {
    EXPECT_FALSE(resolver.resolve({"n" + std::to_string(i), 80}, noted()));
  }
  EXPECT_TRUE(until([&] { return told.size() == kNames; }));
  EXPECT_LE(most, Resolver::kMaxLookups);
}

TEST_F(ResolverTest, ALookupThatOutlivesItTellsNobody) {
  std::promise<void> release, ended;
  std::shared_future<void> released = release.get_future().share();
  {
    Resolver resolver(*loop, [released, &ended](const Address&) {
      released.wait();
      ended.set_value();
      return one();
    });
    EXPECT_FALSE(resolver.resolve({"x", 80}, noted()));
  }
  release.set_value();
  ended.get_future().wait();
  loop->run_for(millis(5));
  EXPECT_TRUE(told.empty());
}

}  // namespace
}  // namespace tidegate::net::http1
