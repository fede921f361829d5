#include "core/control/strays.h"

#include <gtest/gtest.h>

namespace tidegate::control {
namespace {

Instant at(std::int64_t s) { return Instant::from_nanos(s * 1'000'000'000); }

signal::Observation world(double running, std::int64_t sent) {
  signal::Observation o;
  o.gateway = {1, at(0), signal::Source::kGateway, signal::Freshness::kFresh, 1};
  o.demand.dispatched_requests = sent;
  o.variants.resize(2);
  o.variants[0].fleet.ready = Replicas(2);
  o.variants[0].running_requests = {running, at(0), signal::Source::kEngine,
                                    signal::Freshness::kFresh, 1};
  return o;
}

TEST(Strays, AreRequestsThatEnginesRunForAMinuteAndNobodySent) {
  struct Row {
    const char* says;
    double running;
    std::int64_t sent;
    double share;
  };
  for (const Row& row :
       {Row{"all were sent", 40, 40, 1}, Row{"more were sent", 10, 40, 1},
        Row{"a few that just ended", 3, 0, 1}, Row{"sixteen answers each", 160, 10, 1},
        Row{"a hundred times as many", 400, 4, 0.01}, Row{"none is ours", 50, 0, 0}}) {
    Strays strays;
    const signal::Observation o = world(row.running, row.sent);
    for (int i = 0; i < 60; ++i) EXPECT_EQ(strays.covered(o, at(i)), 1) << row.says << i;
    EXPECT_EQ(strays.covered(o, at(60)), row.share) << row.says;
    EXPECT_EQ(strays.requests(), row.share < 1 ? row.running - static_cast<double>(row.sent) : 0);
    EXPECT_EQ(strays.covered(world(0, 0), at(61)), 1) << "and over at once";
    EXPECT_EQ(strays.requests(), 0);
  }
}

TEST(Strays, NothingIsSaidWhereEnginesAreNotHeardOrNoGatewayIsOurs) {
  signal::Observation unheard = world(50, 0), proxy = unheard;
  unheard.variants[0].running_requests.coverage = 0.5;
  proxy.gateway = {};
  for (const signal::Observation& o : {unheard, proxy}) {
    Strays strays;
    for (int i = 0; i < 100; ++i) EXPECT_EQ(strays.covered(o, at(i)), 1);
  }
}

TEST(Strays, AMomentWithoutBeginsTheMinuteAnew) {
  Strays strays;
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(strays.covered(i % 50 == 0 ? world(0, 0) : world(50, 0), at(i)), 1) << i;
  }
}

}  // namespace
}  // namespace tidegate::control
