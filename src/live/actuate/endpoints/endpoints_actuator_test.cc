#include "live/actuate/endpoints/endpoints_actuator.h"

#include <gmock/gmock.h>

#include "live/actuate/conformance.h"
#include "live/net/http_server.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// An engine that somebody else runs, on the loop of the test.
class ForeignEngine {
 public:
  explicit ForeignEngine(net::Loop& loop)
      : server_(loop, net::Limits{}, [this](net::ExchangePtr x) {
          const std::string& path = x->request().path;
          bool known = path == "/health" ? has_health : path == "/v1/models";
          x->respond(known ? status : 404, {}, "{}");
        }) {
    address = server_.listen({"127.0.0.1", 0}).value();
  }
  std::string url() const { return "http://" + address.text(); }

  net::Address address;
  int status = 200;
  bool has_health = true;

 private:
  net::HttpServer server_;
};

spec::Variant variant(std::vector<std::string> urls) {
  spec::Variant v;
  v.name = "h100";
  v.target = spec::EndpointsTarget{std::move(urls)};
  return v;
}

EndpointOptions quick() {
  return {.period = millis(2), .timeout = seconds(10), .failures_down = 2};
}

struct EndpointsHarness {
  static constexpr bool kOurs = false;
  static constexpr std::int64_t kStart = 2;

  std::unique_ptr<Actuator> make() {
    EndpointWorld w{world.loop(), world.client(), world.clock(), world.journal()};
    return EndpointsActuator::create(w, spec::Model{}, variant({one.url(), two.url()}),
                                     world.sink(), quick())
        .value();
  }
  std::int64_t outside() const { return -1; }

  TestDirectory directory;
  TestWorld world{directory.path()};
  ForeignEngine one{world.loop()}, two{world.loop()};
};
INSTANTIATE_TYPED_TEST_SUITE_P(Endpoints, ActuatorConformance, EndpointsHarness);

class EndpointsTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<EndpointsActuator>> create(std::vector<std::string> urls) {
    EndpointWorld w{world.loop(), world.client(), world.clock(), world.journal()};
    return EndpointsActuator::create(w, spec::Model{}, variant(std::move(urls)), world.sink(),
                                     quick());
  }
  TestDirectory directory;
  TestWorld world{directory.path()};
  ForeignEngine engine{world.loop()};
};

TEST_F(EndpointsTest, one_bad_answer_is_forgiven_two_take_it_down_and_one_good_brings_it_back) {
  auto actuator = create({engine.url()}).value();
  actuator->adopt();
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  ReplicaId id = world.reports.at(0).id;
  EXPECT_TRUE(world.reports.at(0).adopted);
  engine.status = 503;
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kFailed) == 1; }));
  EXPECT_THAT(world.last.at(id).detail, HasSubstr("503"));
  engine.status = 200;
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  std::vector<ReplicaState> states;
  for (const auto& info : world.reports) states.push_back(info.state);
  EXPECT_THAT(states, ElementsAre(ReplicaState::kStarting, ReplicaState::kReady,
                                  ReplicaState::kFailed, ReplicaState::kReady));
}

TEST_F(EndpointsTest, a_single_bad_answer_between_good_ones_is_not_told) {
  auto actuator = create({engine.url()}).value();
  actuator->adopt();
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  engine.status = 500;
  ASSERT_TRUE(world.until([&] { return !actuator->replicas()[0].detail.empty(); }));
  engine.status = 200;
  ASSERT_TRUE(world.until([&] { return actuator->replicas()[0].detail.empty(); }));
  EXPECT_EQ(world.in_state(ReplicaState::kReady), 1);
  EXPECT_EQ(world.reports.size(), 2u);
}

TEST_F(EndpointsTest, an_engine_without_health_is_asked_for_its_models) {
  engine.has_health = false;
  auto actuator = create({engine.url()}).value();
  actuator->adopt();
  EXPECT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
}

TEST_F(EndpointsTest, an_engine_that_does_not_answer_is_down_with_the_reason) {
  auto actuator = create({"http://127.0.0.1:1"}).value();
  actuator->adopt();
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kFailed) == 1; }));
  EXPECT_FALSE(actuator->replicas()[0].detail.empty());
}

TEST_F(EndpointsTest, scaling_is_refused_with_the_reason) {
  auto actuator = create({engine.url()}).value();
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(world.until([&] { return !world.applied.empty(); }));
  EXPECT_EQ(world.applied[0].ok, 0);
  EXPECT_THAT(world.applied[0].detail, HasSubstr("not ours to scale"));
}

TEST_F(EndpointsTest, a_reload_adds_and_removes_and_keeps_the_rest_and_a_bad_one_changes_nothing) {
  ForeignEngine other(world.loop());
  auto actuator = create({engine.url()}).value();
  actuator->adopt();
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  ReplicaId kept = actuator->replicas()[0].id;
  actuator->reload(spec::Model{}, variant({engine.url(), other.url()}));
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 2; }));
  EXPECT_TRUE(world.is(kept, ReplicaState::kReady));
  actuator->reload(spec::Model{}, variant({"https://x"}));
  EXPECT_EQ(actuator->replicas().size(), 2u);
  actuator->reload(spec::Model{}, variant({other.url()}));
  ASSERT_TRUE(world.until([&] { return world.is(kept, ReplicaState::kGone); }));
  EXPECT_EQ(actuator->replicas().size(), 1u);
}

TEST_F(EndpointsTest, a_list_of_urls_is_checked_before_anything_starts) {
  struct Row {
    const char* label;
    std::vector<std::string> urls;
    const char* says;
  };
  std::vector<std::string> many;
  for (std::size_t i = 0; i <= kMaxEndpoints; ++i)
    many.push_back("http://h" + std::to_string(i) + ":80");
  const Row rows[] = {
      {"https is refused", {"https://10.0.0.1:8000"}, "https"},
      {"a path is refused", {"http://10.0.0.1:8000/api"}, "path /api"},
      {"an engine given twice is refused",
       {"http://10.0.0.1:8000", "http://10.0.0.1:8000/v1"},
       "twice"},
      {"none at all is refused", {}, "at least one URL"},
      {"one past the most is refused", many, "at most 1000"},
  };
  for (const auto& row : rows) {
    auto made = create(row.urls);
    ASSERT_FALSE(made) << row.label;
    EXPECT_THAT(made.error().message, HasSubstr(row.says)) << row.label;
    EXPECT_THAT(made.error().message, HasSubstr("h100")) << row.label;
  }
  many.pop_back();
  EXPECT_TRUE(create(many)) << "as many as may be";
}

}  // namespace
}  // namespace tidegate::live
