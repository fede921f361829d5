#include "core/route/shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "core/base/rng.h"
#include "core/route/prefill_pace.h"
#include "core/route/router_fixture_test.h"

namespace tidegate::route {
namespace {

using Amounts = std::vector<std::int64_t>;

TEST(Shares, AreAsTheyShouldBe) {
  const std::int64_t all_free = 0;
  struct Row {
    std::string label;
    std::int64_t whole;
    std::vector<Claim> claims;
    std::size_t turn;
    Amounts wanted;
  };
  const std::vector<Row> rows = {
      {"one gateway has it all", 64, {{3, all_free}}, 0, {64}},
      {"nobody needs anything: evenly", 64, {{}, {}}, 0, {32, 32}},
      {"there is enough: each its need, the rest evenly", 64, {{40, 0}, {4, 0}}, 0, {50, 14}},
      {"too little: in proportion, one first", 64, {{300, 0}, {100, 0}, {0, 0}}, 0, {47, 16, 1}},
      {"the odd one goes in turn", 3, {{}, {}}, 1, {1, 2}},
      {"fewer than gateways: the greatest needs", 2, {{1, 0}, {9, 0}, {5, 0}}, 0, {0, 1, 1}},
      {"fewer than gateways, none needs: in turn", 1, {{}, {}, {}}, 2, {0, 0, 1}},
      {"nothing to share", 0, {{5, 0}, {1, 0}}, 0, {0, 0}},
      {"a newcomer waits until the other has read less", 64, {{0, 64}, {0, 0}}, 0, {32, 0}},
      {"and has it then", 64, {{0, 32}, {0, 0}}, 0, {32, 32}},
      {"what is free goes to him at once", 64, {{60, 60}, {60, 0}}, 0, {32, 4}},
      {"the whole fell below what is held: nobody rises", 8, {{20, 30}, {2, 0}}, 0, {7, 0}},
      {"nonsense is nothing", 4, {{-5, -9}, {0, 0}}, 0, {2, 2}},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(share_out(row.whole, row.claims, row.turn), row.wanted) << row.label;
  }
  EXPECT_TRUE(share_out(5, {}, 3).empty()) << "no gateway, no share";
}

/// A leader and gateways that read late, hold what they were allowed to, and come and go.
TEST(Shares, NeverExceedTheReplicaHoweverLateTheyAreRead) {
  Rng rng(5, "shares");
  for (int round = 0; round < 300; ++round) {
    struct Gateway {
      std::int64_t in_force = 0, told = 0, held = 0;
    };
    std::vector<Gateway> gateways(1 + rng.below(6));
    const auto whole = static_cast<std::int64_t>(rng.below(40));
    for (int step = 0; step < 60; ++step) {
      std::vector<Claim> claims;
      for (const Gateway& g : gateways) {
        claims.push_back(
            {static_cast<std::int64_t>(rng.below(60)), std::max({g.in_force, g.told, g.held})});
      }
      const Amounts shares = share_out(whole, claims, rng.below(9));
      ASSERT_LE(std::accumulate(shares.begin(), shares.end(), std::int64_t{0}), whole);
      std::int64_t in_use = 0;
      for (std::size_t i = 0; i < gateways.size(); ++i) {
        Gateway& g = gateways[i];
        ASSERT_GE(shares[i], 0);
        // A message overtakes none: one that was not read yet is replaced, the larger counts.
        g.told = rng.below(3) == 0 ? shares[i] : std::max(g.told, shares[i]);
        if (g.told == shares[i]) g.in_force = shares[i];
        if (g.held < g.in_force) g.held += static_cast<std::int64_t>(rng.below(3));
        g.held = std::min(g.held, std::max(g.in_force, g.held - 1));
        in_use += std::max(g.held, g.in_force);
      }
      ASSERT_LE(in_use, whole) << "round " << round << " step " << step;
    }
  }
}

TEST(Shares, ARouterSendsNoMoreThanItsOwn) {
  Desk desk;
  desk.up(1, 8);
  desk.say(ReplicaShare{.replica = ReplicaId(1), .max_requests = 2});
  for (std::uint64_t id = 1; id <= 4; ++id) desk.arrive(id);
  EXPECT_EQ(desk.in_flight(1), 2) << "of eight, two are ours";
  desk.say(ReplicaShare{.replica = ReplicaId(1), .max_requests = 0});
  desk.finish(1);
  EXPECT_EQ(desk.in_flight(1), 1) << "none are: what waits, waits";
  desk.up(1, 8);
  EXPECT_EQ(desk.in_flight(1), 1) << "told of it again, the share stays";
  desk.say(ReplicaShare{.replica = ReplicaId(1), .max_requests = -1});
  EXPECT_EQ(desk.in_flight(1), 3) << "all of it is ours again";
  EXPECT_TRUE(desk.say(ReplicaShare{.replica = ReplicaId(9)}).empty()) << "unknown is ignored";
}

TEST(Shares, OfANewReplicaWaitForTheWord) {
  Desk desk;
  desk.arrive(1), desk.arrive(2);
  ReplicaUp up{.replica = ReplicaId(1), .max_requests = 8};
  up.shared = 1;
  desk.say(up);
  EXPECT_EQ(desk.in_flight(1), 0) << "what waits may be another gateway's turn";
  desk.say(ReplicaShare{.replica = ReplicaId(1), .max_requests = 1});
  EXPECT_EQ(desk.in_flight(1), 1);
  desk.say(up);
  EXPECT_EQ(desk.in_flight(1), 1) << "told of it again, the share stays";
}

TEST(Shares, OfKvLeaveRoomForOne) {
  Desk desk;
  desk.up(1, 8, 10'000);
  desk.say(ReplicaShare{.replica = ReplicaId(1), .kv_tokens = 450});
  for (std::uint64_t id = 1; id <= 4; ++id) desk.arrive(id, 100, 100);
  EXPECT_EQ(desk.in_flight(1), 2) << "200 tokens each";
  desk.say(ReplicaShare{.replica = ReplicaId(1), .kv_tokens = 0});
  desk.finish(1), desk.finish(2);
  EXPECT_EQ(desk.in_flight(1), 1) << "one may always be out";
}

/// With half of the replica, prompts cost twice the time: two that do so keep its bound together.
TEST(Shares, OfPrefillPaceIt) {
  auto opens = [](double part) {
    PrefillPace pace;
    PaceLaw law;
    law.bound(millis(50));
    law.saw_prompt(1000);
    pace.up({.step = 0.01, .prefill_token = 25e-6, .sequence = 100e-6});
    pace.part(part);
    pace.charge(1000, 1, 1000, law, Instant::from_nanos(0));
    return to_seconds(pace.opens(law) - Instant::from_nanos(0));
  };
  EXPECT_GT(opens(0.5), 2 * opens(1)) << "the others decode, too";
  EXPECT_LT(opens(0.5), 2.5 * opens(1));
}

}  // namespace
}  // namespace tidegate::route
