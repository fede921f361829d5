#include "live/actuate/aws/aws_actuator.h"

#include <gmock/gmock.h>

#include "live/actuate/aws/test_site.h"
#include "live/actuate/conformance.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using ::testing::HasSubstr;

struct AwsHarness {
  static constexpr bool kOurs = true;
  static constexpr std::int64_t kStart = 0;
  std::unique_ptr<Actuator> make() { return site.make(); }
  /// What shutdown leaves is not ours: only the replicas are forgotten.
  std::int64_t outside() const { return -1; }

  TestDirectory directory;
  TestWorld world{directory.path()};
  AwsSite site{world};
};
INSTANTIATE_TYPED_TEST_SUITE_P(Aws, ActuatorConformance, AwsHarness);

class AwsTest : public ::testing::Test {
 protected:
  bool ready(std::int64_t n) {
    return world.until([&] { return world.in_state(ReplicaState::kReady) == n; });
  }
  bool refused(const std::string& words) {
    return world.until([&] {
      return std::any_of(world.applied.begin(), world.applied.end(), [&](const auto& one) {
        return one.ok == 0 && one.detail.find(words) != std::string::npos;
      });
    });
  }
  bool failed(const std::string& words) {
    return world.until([&] {
      return std::any_of(
          world.capacity_failed.begin(), world.capacity_failed.end(),
          [&](const auto& one) { return one.detail.find(words) != std::string::npos; });
    });
  }
  bool told(std::int64_t number) {
    return world.until([&] {
      return std::any_of(world.applied.begin(), world.applied.end(),
                         [&](const auto& one) { return one.ok == 1 && one.replicas == number; });
    });
  }
  /// The group was read so many times more.
  bool looks(std::int64_t n) {
    const std::int64_t before = site.aws.count("DescribeAutoScalingGroups");
    return world.until([&] { return site.aws.count("DescribeAutoScalingGroups") >= before + n; });
  }
  static void drain_all(Actuator& actuator) {
    for (const auto& info : actuator.replicas()) {
      if (info.state == ReplicaState::kDraining) actuator.drained(info.id);
    }
  }

  TestDirectory directory;
  TestWorld world{directory.path()};
  AwsSite site{world};
};

TEST_F(AwsTest, the_number_is_written_and_instances_become_replicas_with_addresses) {
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  EXPECT_EQ(site.aws.last("SetDesiredCapacity"),
            "SetDesiredCapacity AutoScalingGroupName=g DesiredCapacity=2 HonorCooldown=false");
  for (const auto& info : actuator->replicas()) {
    EXPECT_EQ(info.address.port, site.port);
    EXPECT_THAT(info.address.host, HasSubstr("127.1.0."));
    EXPECT_THAT(info.name, HasSubstr("i-"));
    EXPECT_FALSE(info.adopted);
    EXPECT_GE(info.stages.procurement, Duration(0));
    EXPECT_GE(info.stages.engine, Duration(0));
    EXPECT_EQ(info.stages.total, info.stages.procurement + info.stages.engine);
    EXPECT_EQ(info.stages.from, control::StartFrom::kNoNode);
    EXPECT_TRUE(world.was(info.id, ReplicaState::kOrdered));
    EXPECT_TRUE(world.was(info.id, ReplicaState::kStarting));
  }
}

TEST_F(AwsTest, what_runs_already_is_adopted_and_nothing_is_written_before_an_apply) {
  site.group->desired = 3;
  for (int i = 0; i < 3; ++i) site.group->step();
  spec::Variant v = site.variant();
  AwsSite::target(v).protect_from_scale_in = true;
  auto actuator = site.make(v);
  actuator->adopt();
  ASSERT_TRUE(ready(3));
  ASSERT_TRUE(looks(3));
  for (const auto& info : actuator->replicas()) EXPECT_TRUE(info.adopted);
  for (const std::string& call : site.aws.calls) EXPECT_THAT(call, HasSubstr("Describe"));
  bool done = false;
  actuator->shutdown([&] { done = true; });
  ASSERT_TRUE(world.until([&] { return done; }));
  EXPECT_EQ(site.group->in_service(), 3) << "the fleet is not ours to stop";
}

TEST_F(AwsTest, an_instance_is_starting_until_its_engine_answers_and_failed_when_it_stops_to) {
  site.health = 503;
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return site.group->in_service() == 1; }));
  ASSERT_TRUE(looks(5));
  EXPECT_EQ(world.in_state(ReplicaState::kStarting), 1);
  site.health = 200;
  ASSERT_TRUE(ready(1));
  site.health = 500;
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kFailed) == 1; }));
  EXPECT_THAT(actuator->replicas()[0].detail, HasSubstr("/health answered 500"));
  site.health = 200;
  ASSERT_TRUE(ready(1));
}

TEST_F(AwsTest, victims_are_drained_and_then_terminated_by_name) {
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(ready(3));
  const ReplicaInfo victim = actuator->replicas()[1];
  actuator->apply({"h100", Replicas(2), {victim.id}});
  ASSERT_TRUE(world.until([&] { return world.is(victim.id, ReplicaState::kDraining); }));
  ASSERT_TRUE(looks(3));
  EXPECT_EQ(site.group->desired, 3) << "it still holds requests";
  actuator->drained(victim.id);
  ASSERT_TRUE(world.until([&] { return world.is(victim.id, ReplicaState::kGone); }));
  EXPECT_EQ(site.aws.last("TerminateInstanceInAutoScalingGroup"),
            "TerminateInstanceInAutoScalingGroup InstanceId=" + victim.name +
                " ShouldDecrementDesiredCapacity=true");
  EXPECT_EQ(site.group->desired, 2);
  EXPECT_EQ(site.aws.count("SetDesiredCapacity"), 1) << "Auto Scaling never chooses";
  EXPECT_EQ(world.in_state(ReplicaState::kReady), 2);
}

TEST_F(AwsTest, a_victim_that_does_not_drain_goes_after_the_time_out) {
  spec::Variant v = site.variant();
  AwsSite::target(v).drain_timeout = seconds(2);  // 20 ms here
  auto actuator = site.make(v);
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(ready(1));
  actuator->apply({"h100", Replicas(0), {}});
  EXPECT_TRUE(world.until([&] { return world.in_state(ReplicaState::kGone) == 1; }));
}

TEST_F(AwsTest, a_look_that_is_due_is_not_put_off_by_what_is_told_meanwhile) {
  site.group->termination_hook = true;  // nobody's here: the instance keeps draining
  site.period = millis(50);
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(ready(1));
  actuator->apply({"h100", Replicas(0), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kDraining) == 1; }));
  const std::int64_t before = site.aws.count("DescribeAutoScalingGroups");
  EXPECT_TRUE(world.until([&] {  // told each millisecond
    drain_all(*actuator);
    return site.aws.count("DescribeAutoScalingGroups") >= before + 3;
  }));
}

TEST_F(AwsTest, a_victim_that_is_wanted_again_before_it_went_stays) {
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kDraining) == 1; }));
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  EXPECT_EQ(site.aws.count("TerminateInstanceInAutoScalingGroup"), 0);
  EXPECT_EQ(site.aws.count("SetDesiredCapacity"), 1);
}

TEST_F(AwsTest, what_has_not_come_is_cancelled_before_anything_is_terminated) {
  site.group->capacity = 1;
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(ready(1));
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kOrdered) == 2; }));
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return site.group->desired == 1; }));
  ASSERT_TRUE(world.until([&] { return actuator->replicas().size() == 1; }));
  EXPECT_EQ(site.aws.count("TerminateInstanceInAutoScalingGroup"), 0);
  EXPECT_EQ(world.in_state(ReplicaState::kReady), 1);
}

TEST_F(AwsTest, what_aws_cannot_launch_is_a_lack_of_capacity_with_its_words) {
  site.group->activities = {{"old", "Failed", "of yesterday"}};
  site.group->capacity = 1;
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(failed("do not have sufficient p5.48xlarge capacity"));
  EXPECT_EQ(world.capacity_failed.back().limit, 1);
  const std::size_t before = world.capacity_failed.size();
  ASSERT_TRUE(world.until([&] { return world.capacity_failed.size() > before; }))
      << "told again as long as it is missing";
  for (const auto& one : world.capacity_failed) EXPECT_NE(one.detail, "of yesterday");
  site.group->capacity = 2;
  EXPECT_TRUE(ready(2));
}

TEST_F(AwsTest, silence_is_a_lack_of_capacity_after_pending_timeout) {
  site.group->suspended = {"AZRebalance"};
  spec::Variant v = site.variant();
  AwsSite::target(v).pending_timeout = seconds(1);
  auto actuator = site.make(v);
  actuator->adopt();
  ASSERT_TRUE(looks(1));
  site.group->max = 5;
  site.group->capacity = 0;
  site.group->activities.clear();
  actuator->apply({"h100", Replicas(1), {}});
  EXPECT_TRUE(failed("capacity"));
  site.group->suspended = {"Launch"};
  EXPECT_TRUE(failed("resume-processes --auto-scaling-group-name g --scaling-processes Launch"));
}

TEST_F(AwsTest, the_groups_bounds_are_kept_and_said) {
  site.group->min = 1;
  site.group->desired = 1;
  site.group->max = 2;
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(5), {}});
  ASSERT_TRUE(ready(2));
  EXPECT_TRUE(refused("5 is above the MaxSize of 2 of group g"));
  EXPECT_TRUE(refused("update-auto-scaling-group --auto-scaling-group-name g --max-size 5"));
  ASSERT_TRUE(failed("above the MaxSize"));
  EXPECT_EQ(world.capacity_failed.back().limit, 2);
  actuator->apply({"h100", Replicas(0), {}});
  EXPECT_TRUE(refused("0 is below the MinSize of 1"));
  ASSERT_TRUE(world.until([&] {
    drain_all(*actuator);
    return site.group->desired == 1;
  }));
  EXPECT_TRUE(ready(1));
}

TEST_F(AwsTest, another_writers_number_stands_and_is_told) {
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(ready(1));
  site.group->desired = 4;
  ASSERT_TRUE(told(4));
  ASSERT_TRUE(ready(4));
  EXPECT_EQ(site.aws.count("SetDesiredCapacity"), 1);
  actuator->apply({"h100", Replicas(5), {}});
  ASSERT_TRUE(ready(5)) << "the next decision goes on from there";
}

TEST_F(AwsTest, instances_that_auto_scaling_takes_drain_and_their_hook_is_completed) {
  site.group->termination_hook = true;
  spec::Variant v = site.variant();
  AwsSite::target(v).termination_hook = "drain";
  auto actuator = site.make(v);
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  const ReplicaInfo taken = actuator->replicas()[0];
  site.group->terminate(*site.group->find(taken.name));
  ASSERT_TRUE(world.until([&] { return world.is(taken.id, ReplicaState::kDraining); }));
  ASSERT_TRUE(looks(4));
  EXPECT_EQ(site.group->find(taken.name)->lifecycle, "Terminating:Wait");
  actuator->drained(taken.id);
  ASSERT_TRUE(world.until([&] { return world.is(taken.id, ReplicaState::kGone); }));
  EXPECT_THAT(site.aws.last("CompleteLifecycleAction"),
              HasSubstr("InstanceId=" + taken.name +
                        " LifecycleActionResult=CONTINUE LifecycleHookName=drain"));
  EXPECT_TRUE(ready(2)) << "it was replaced";
}

TEST_F(AwsTest, an_instance_in_standby_gets_no_requests_and_comes_back) {
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(ready(1));
  const ReplicaInfo one = actuator->replicas()[0];
  site.group->find(one.name)->lifecycle = "Standby";
  site.group->desired = 0;
  ASSERT_TRUE(world.until([&] { return world.is(one.id, ReplicaState::kDraining); }));
  site.group->desired = 1;
  site.group->find(one.name)->lifecycle = "InService";
  EXPECT_TRUE(world.until([&] { return world.is(one.id, ReplicaState::kReady); }));
}

TEST_F(AwsTest, instances_are_protected_where_that_is_asked_and_go_by_name_all_the_same) {
  spec::Variant v = site.variant();
  AwsSite::target(v).protect_from_scale_in = true;
  auto actuator = site.make(v);
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(world.until([&] {
    return site.group->instances.size() == 2 && site.group->instances[0].is_protected &&
           site.group->instances[1].is_protected;
  }));
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] {
    drain_all(*actuator);
    return site.group->desired == 1;
  }));
}

TEST_F(AwsTest, while_aws_does_not_answer_nothing_is_concluded) {
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  site.aws.down = true;
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(refused("autoscaling DescribeAutoScalingGroups"));
  EXPECT_EQ(world.in_state(ReplicaState::kReady), 2);
  EXPECT_EQ(world.in_state(ReplicaState::kGone), 0);
  site.aws.down = false;
  EXPECT_TRUE(ready(3)) << "then it catches up";
}

TEST_F(AwsTest, rights_that_are_missing_are_named) {
  site.aws.denied = {"SetDesiredCapacity"};
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(refused("allow autoscaling:SetDesiredCapacity in its IAM policy"));
  site.aws.denied = {"DescribeInstances"};
  ASSERT_TRUE(world.until([&] { return site.aws.count("DescribeInstances") > 0; }));
  actuator->apply({"h100", Replicas(2), {}});
  EXPECT_TRUE(refused("allow ec2:DescribeInstances in its IAM policy"));
  site.aws.denied = {};
  EXPECT_TRUE(ready(2));
}

TEST_F(AwsTest, a_throttled_write_is_tried_again_and_done_once) {
  site.aws.faults["SetDesiredCapacity"] = {"Throttling", "Rate exceeded", 400, 2};
  site.aws.faults["TerminateInstanceInAutoScalingGroup"] = {"ResourceContention", "busy", 500, 1};
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  EXPECT_EQ(site.aws.count("SetDesiredCapacity"), 3);
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] {
    drain_all(*actuator);
    return world.in_state(ReplicaState::kGone) == 1;
  }));
  EXPECT_EQ(site.group->desired, 1);
}

TEST_F(AwsTest, a_group_that_is_not_there_is_said) {
  spec::Variant v = site.variant();
  AwsSite::target(v).name = "nowhere";
  auto actuator = site.make(v);
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  EXPECT_TRUE(refused("no auto scaling group nowhere in eu-central-1"));
}

TEST_F(AwsTest, a_reload_to_another_group_follows_that_one) {
  aws::FakeGroup& other = site.aws.add_group("other");
  other.desired = 1;
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  spec::Variant v = site.variant();
  AwsSite::target(v).name = "other";
  spec::Model model;
  model.name = "m";
  actuator->reload(model, v);
  ASSERT_TRUE(world.until([&] { return other.desired == 2; })) << "the number that was asked";
  ASSERT_TRUE(world.until([&] {
    return world.in_state(ReplicaState::kGone) == 2 && world.in_state(ReplicaState::kReady) == 2;
  }));
  EXPECT_EQ(site.group->desired, 2) << "the first group is left as it is";
}

}  // namespace
}  // namespace tidegate::live
