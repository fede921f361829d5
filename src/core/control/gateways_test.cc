#include "core/control/gateways.h"

#include <gtest/gtest.h>

#include <string>

namespace tidegate::control {
namespace {

using signal::Demand;
using signal::Freshness;
using Known = Gateways::Known;

constexpr Duration kStale = seconds(3);
constexpr GatewayId kA{1}, kB{2};

Instant at(std::int64_t s) { return Instant::from_nanos(0) + seconds(s); }

Demand counted(std::int64_t arrived, std::int64_t queued = 0) {
  return {.queued_requests = queued,
          .queued_tokens = 10 * queued,
          .dispatched_requests = 2,
          .oldest_wait = seconds(queued),
          .arrived_total = arrived,
          .prompt_tokens_total = 100 * arrived};
}

TEST(Gateways, AreSummedAsIfTheyWereOne) {
  Gateways gateways;
  gateways.heard(kA, counted(0), at(0));
  gateways.heard(kB, counted(0), at(0));
  gateways.heard(kA, counted(30, 4), at(1));
  gateways.heard(kB, counted(12, 1), at(1));
  const GatewaySight sight = gateways.sight(at(1), kStale, Known::kAll);
  EXPECT_EQ(sight.demand.arrived_total, 42);
  EXPECT_EQ(sight.demand.prompt_tokens_total, 4200);
  EXPECT_EQ(sight.demand.queued_requests, 5);
  EXPECT_EQ(sight.demand.queued_tokens, 50);
  EXPECT_EQ(sight.demand.dispatched_requests, 4);
  EXPECT_EQ(sight.demand.oldest_wait, seconds(4));
  EXPECT_EQ(sight.freshness, Freshness::kFresh);
  EXPECT_EQ(sight.coverage, 1);
}

TEST(Gateways, TotalsNeverJumpNorGoBack) {
  Gateways gateways;
  auto arrived = [&] { return gateways.sight(at(0), kStale, Known::kAll).demand.arrived_total; };
  gateways.heard(kA, counted(1'000'000), at(0));
  EXPECT_EQ(arrived(), 0) << "what came before it was first heard did not come now";
  gateways.heard(kA, counted(1'000'007), at(0));
  EXPECT_EQ(arrived(), 7);
  gateways.heard(kB, counted(5'000), at(0));
  EXPECT_EQ(arrived(), 7) << "nor does a second one make a jump";
  gateways.gone(kA);
  EXPECT_EQ(arrived(), 7) << "what one that is gone counted stays";
  gateways.heard(kB, counted(3), at(0));
  EXPECT_EQ(arrived(), 10) << "it began anew: all it counted is new";
}

TEST(Gateways, WhoIsNotHeardIsNotIdle) {
  struct Row {
    std::string label;
    bool a_silent, b_gone;
    Known known;
    Freshness freshness;
    double coverage;
    std::int64_t queued;
  };
  const std::vector<Row> rows = {
      {"both heard", false, false, Known::kAll, Freshness::kFresh, 1, 5},
      {"one silent: as it was, and stale", true, false, Known::kAll, Freshness::kStale, 0.5, 5},
      {"one gone, the other heard", false, true, Known::kAll, Freshness::kFresh, 1, 4},
      {"just begun: more may come", false, false, Known::kMoreMayCome, Freshness::kStale, 1, 5},
  };
  for (const Row& row : rows) {
    Gateways gateways;
    gateways.heard(kA, counted(0, 4), at(row.a_silent ? 0 : 10));
    gateways.heard(kB, counted(0, 1), at(10));
    if (row.b_gone) gateways.gone(kB);
    const GatewaySight sight = gateways.sight(at(10), kStale, row.known);
    EXPECT_EQ(sight.freshness, row.freshness) << row.label;
    EXPECT_EQ(sight.coverage, row.coverage) << row.label;
    EXPECT_EQ(sight.demand.queued_requests, row.queued) << row.label;
    EXPECT_EQ(sight.age, seconds(row.a_silent ? 10 : 0)) << row.label;
  }
}

TEST(Gateways, ALostStreamIsStaleAtOnceUntilItIsBack) {
  Gateways gateways;
  gateways.heard(kA, counted(0, 4), at(10));
  gateways.lost(kA);
  gateways.lost(kB);  // never heard: nothing to lose
  GatewaySight sight = gateways.sight(at(10), kStale, Known::kAll);
  EXPECT_EQ(sight.freshness, Freshness::kStale);
  EXPECT_EQ(sight.coverage, 0);
  EXPECT_EQ(sight.demand.queued_requests, 4) << "it still counts as it was";
  gateways.heard(kA, counted(9, 1), at(11));
  sight = gateways.sight(at(11), kStale, Known::kAll);
  EXPECT_EQ(sight.freshness, Freshness::kFresh);
  EXPECT_EQ(sight.demand.arrived_total, 9) << "and its totals go on";
}

TEST(Gateways, NoneIsUnknownAndNeverAnIdleModel) {
  const spec::Model model{.name = "m"};
  const GatewaySight none = Gateways().sight(at(0), kStale, Known::kAll);
  const Observed seen = observe(model, none, {}, at(0), WallTime::from_unix_nanos(0), {});
  EXPECT_FALSE(seen.observation.gateway.absent()) << "gateways are in front of it";
  EXPECT_FALSE(seen.observation.gateway.complete()) << "nothing may fall on it";
  EXPECT_EQ(seen.observation.gateway.coverage, 0);
}

}  // namespace
}  // namespace tidegate::control
