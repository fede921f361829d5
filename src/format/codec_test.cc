#include "format/codec.h"

#include <gtest/gtest.h>

namespace tidegate::format {
namespace {

control::Decision decision() {
  control::Decision d;
  d.sequence = 7;
  d.at = Instant::from_nanos(123456789012345);
  d.wall = WallTime::from_unix_nanos(1'790'000'000'000'000'001);
  d.observation.model = "qwen3-32b";
  d.observation.ttft_p99_seconds = {0.1 + 0.2, d.at, signal::Source::kGateway,
                                    signal::Freshness::kStale, 1.0 / 3};
  d.observation.variants.push_back({.variant = "h100", .fleet = {.ready = Replicas(3)}});
  d.policy_before.in_flight.set(1e-300, d.at, seconds(60));
  d.plan_before.variants.push_back({.target = 4});
  d.recommendation.replicas.push_back({"h100", Replicas(5)});
  d.plan.variants.push_back(
      {.variant = "h100", .replicas = Replicas(5), .victims = {ReplicaId(9)}});
  d.reasons.push_back({ReasonCode::kConcurrency, "h100", 3, 5, {{"in_flight_requests", 71.5}}});
  return d;
}

TEST(Codec, ADecisionComesBackByteForByteFromJsonAndMessagePack) {
  std::string json = to_json(decision());
  auto back = from_json<control::Decision>(json);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(to_json(*back), json);
  EXPECT_EQ(back->observation, decision().observation) << "doubles come back with every bit";
  auto packed = from_msgpack<control::Decision>(to_msgpack(decision()));
  ASSERT_TRUE(packed) << packed.error().message;
  EXPECT_EQ(to_json(*packed), json);
}

TEST(Codec, WhatAPolicyRemembersComesBackAndIsSmall) {
  control::Decision d = decision();
  const std::size_t without = to_msgpack(d).size();
  policy::SaturationState& saturation = d.policy_before.saturation.emplace();
  saturation.last_cycle = saturation.last_arrival = d.at;
  saturation.arrived_total = 1'000'000'000'000;
  saturation.answer = {3, 4, 5, 6};
  for (int i = 12; i > 0; --i) saturation.queued.push_back({d.at, 0.1 * i});
  auto back = from_msgpack<control::Decision>(to_msgpack(d));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->policy_before, d.policy_before);
  EXPECT_LE(to_msgpack(d).size() - without, 2'048U);
  d.policy_before.saturation.reset();
  policy::PlannerState& planner = d.policy_before.planner.emplace();
  planner.last_load = planner.last_throughput = d.at;
  planner.requests = planner.prompt = planner.output = {0.1, 0.2, 0.3, 0.4, 0.5, 1};
  planner.arrived_total = planner.prompt_total = planner.output_total = 1'000'000'000'000;
  planner.answer = {3, 4, 5, 6};
  back = from_json<control::Decision>(to_json(d));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->policy_before, d.policy_before);
  EXPECT_LE(to_msgpack(d).size() - without, 2'048U);
  d.policy_before.planner.reset();
  policy::TideState& tide = d.policy_before.tide.emplace();
  tide.errors.assign(policy::kTidePredictors, 0.1);
  tide.serving.assign(policy::kTideWayCount, 0.1);
  tide.flights = tide.late = tide.late_sum = tide.late_squares = tide.cost = tide.serving;
  tide.credit_flights.assign(policy::kTideCreditCount, 0.1);
  tide.credit_late = tide.credit_error = tide.credit_flights;
  tide.season.assign(policy::kTideSeasonSlots, 123'456);
  tide.surprises.assign(std::size(policy::kTideSurprises), 0.1);
  tide.forecasts.assign(policy::kTideBins + 1, {d.at, tide.errors, 0.4, 0.5, 0.6, 0.7});
  tide.variants.assign(2, {0.9, 1.1, 1.3, 4.1, 5.1, 6.1, 0.2, 7.1, 8});
  tide.orders.assign(4, {1, 2, d.at});
  back = from_msgpack<control::Decision>(to_msgpack(d));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->policy_before, d.policy_before);
  EXPECT_LE(to_msgpack(d).size() - without, 6'656U);
}

TEST(Codec, EveryEventCarriesItsType) {
  control::Event event = control::OperatorSaid{control::Said::kPause, "h100", 0, seconds(3)};
  std::string json = to_json(event);
  EXPECT_NE(json.find(R"("type":"OperatorSaid")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("said":"pause")"), std::string::npos) << json;
  auto back = from_json<control::Event>(json);
  ASSERT_TRUE(back);
  EXPECT_EQ(to_json(*back), json);
}

TEST(Codec, AMissingFieldKeepsItsDefaultAndAnUnknownOneIsPassedOver) {
  auto event = from_json<route::Event>(R"({"type":"Arrived","id":5,"later":true})");
  ASSERT_TRUE(event) << event.error().message;
  EXPECT_EQ(std::get<route::Arrived>(*event).id, RequestId(5));
  EXPECT_TRUE(std::get<route::Arrived>(*event).deadline.is_never());
}

TEST(Codec, BadInputSaysWhatIsWrong) {
  for (const char* text :
       {"", "[", R"({"type":"Nonsense"})", R"({"id":1})", R"([1])",
        R"({"type":"Answer","outcome":"maybe"})", R"({"type":"Arrived","id":"five"})"}) {
    auto event = from_json<route::Event>(text);
    EXPECT_FALSE(event) << text;
    auto action = from_json<route::Action>(text);
    ASSERT_FALSE(action) << text;
    EXPECT_NE(action.error().message.find("JSON"), std::string::npos);
  }
  EXPECT_FALSE(from_msgpack<control::Start>("\xc1"));
}

}  // namespace
}  // namespace tidegate::format
