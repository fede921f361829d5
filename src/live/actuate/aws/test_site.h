#pragma once
// Site: an AWS for tests with a group `g`, and an engine behind every instance's address.
#include <map>
#include <memory>
#include <set>
#include <string>

#include "live/actuate/aws/aws_actuator.h"
#include "live/actuate/test_world.h"
#include "live/aws/testing/fake_aws.h"
#include "live/net/http_server.h"

namespace tidegate::live {

struct AwsSite {
  explicit AwsSite(TestWorld& w) : world(w), aws(w.loop()) {
    group = &aws.add_group("g");
    port = engines.listen({"0.0.0.0", 0}).value().port;
  }
  spec::Variant variant() const {
    spec::Variant v;
    v.name = "h100";
    v.max_replicas = Replicas(10);
    spec::AwsAutoScalingGroupTarget target;
    target.name = "g";
    target.region = aws::FakeAws::kRegion;
    target.port = port;
    target.endpoint = aws.url();
    v.target = target;
    return v;
  }
  std::unique_ptr<Actuator> make(const spec::Variant& v) {
    AwsOptions options;
    options.look_period = options.moving_period = options.first_back_off = period;
    options.probe = {.period = millis(3), .timeout = seconds(10)};
    spec::Model model;
    model.name = "m";
    return AwsActuator::create(
               {world.loop(), world.client(), world.clock(), world.journal(), accounts}, options,
               model, v, world.sink())
        .value();
  }
  std::unique_ptr<Actuator> make() { return make(variant()); }
  static spec::AwsAutoScalingGroupTarget& target(spec::Variant& v) {
    return std::get<spec::AwsAutoScalingGroupTarget>(v.target);
  }

  TestWorld& world;
  Duration period = millis(3);  ///< between two looks
  aws::FakeAws aws;
  aws::FakeGroup* group = nullptr;
  std::map<std::string, std::string> environment = {
      {"AWS_ACCESS_KEY_ID", aws::FakeAws::kKey},
      {"AWS_SECRET_ACCESS_KEY", aws::FakeAws::kSecret},
      {"HOME", "/nonexistent"}};
  aws::Accounts accounts{world.loop(),
                         world.client(),
                         [this](const std::string& name) -> std::optional<std::string> {
                           auto it = environment.find(name);
                           if (it == environment.end()) return std::nullopt;
                           return it->second;
                         },
                         {.first_pause = millis(1)}};
  int health = 200;
  net::HttpServer engines{world.loop(), net::Limits{},
                          [this](const net::ExchangePtr& x) { x->respond(health, {}, "{}"); }};
  std::int64_t port = 0;
};

}  // namespace tidegate::live
