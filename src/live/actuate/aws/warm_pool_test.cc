// Replicas that sleep in a warm pool.
#include <gmock/gmock.h>

#include "live/actuate/aws/test_site.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using ::testing::HasSubstr;

class AwsWarmPool : public ::testing::Test {
 protected:
  AwsWarmPool() {
    variant = site.variant();
    variant.warm_pool.max_replicas = Replicas(3);
    AwsSite::target(variant).warm_pool_state = spec::AwsPoolState::kHibernated;
  }
  void apply(Actuator& actuator, std::int64_t awake, std::int64_t asleep,
             std::vector<ReplicaId> victims = {}) {
    actuator.apply({"h100", Replicas(awake + asleep), std::move(victims), Replicas(asleep)});
  }
  bool settled(Actuator& actuator, std::int64_t awake, std::int64_t asleep) {
    return world.until([&] {
      for (const auto& info : actuator.replicas()) {
        if (info.state == ReplicaState::kDraining) actuator.drained(info.id);
      }
      return world.in_state(ReplicaState::kReady) == awake &&
             world.in_state(ReplicaState::kSleeping) == asleep &&
             static_cast<std::int64_t>(actuator.replicas().size()) == awake + asleep &&
             site.group->desired == awake && site.group->warmed() == asleep;
    });
  }
  ReplicaInfo in(const Actuator& actuator, ReplicaState state) {
    for (const auto& info : actuator.replicas()) {
      if (info.state == state) return info;
    }
    ADD_FAILURE() << "none is " << token(state);
    return {};
  }

  TestDirectory directory;
  TestWorld world{directory.path()};
  AwsSite site{world};
  spec::Variant variant;
};

TEST_F(AwsWarmPool, who_shall_sleep_is_launched_into_the_groups_pool) {
  auto actuator = site.make(variant);
  actuator->adopt();
  apply(*actuator, 1, 2);
  ASSERT_TRUE(settled(*actuator, 1, 2));
  EXPECT_EQ(site.aws.last("PutWarmPool"),
            "PutWarmPool AutoScalingGroupName=g InstanceReusePolicy.ReuseOnScaleIn=true "
            "MaxGroupPreparedCapacity=3 MinSize=0 PoolState=Hibernated");
  const ReplicaInfo sleeper = in(*actuator, ReplicaState::kSleeping);
  EXPECT_TRUE(world.was(sleeper.id, ReplicaState::kStarting));
  EXPECT_FALSE(world.was(sleeper.id, ReplicaState::kReady)) << "it never served";
}

TEST_F(AwsWarmPool, raising_the_capacity_wakes_one_and_launches_none) {
  auto actuator = site.make(variant);
  actuator->adopt();
  apply(*actuator, 1, 1);
  ASSERT_TRUE(settled(*actuator, 1, 1));
  const ReplicaInfo sleeper = in(*actuator, ReplicaState::kSleeping);
  actuator->wake(sleeper.id);
  apply(*actuator, 2, 0);
  ASSERT_TRUE(settled(*actuator, 2, 0));
  ASSERT_TRUE(world.is(sleeper.id, ReplicaState::kReady));
  EXPECT_EQ(world.last[sleeper.id].stages.from, control::StartFrom::kSleeping);
  EXPECT_GE(world.last[sleeper.id].stages.total, Duration(0));
  EXPECT_LT(world.last[sleeper.id].stages.engine, Duration(0))
      << "of a wake only the total is seen";
  EXPECT_EQ(world.last.size(), 2u) << "no third instance came and went";
  EXPECT_EQ(site.aws.count("PutWarmPool"), 1);
}

TEST_F(AwsWarmPool, who_is_put_to_sleep_drains_and_goes_back_to_the_pool) {
  auto actuator = site.make(variant);
  actuator->adopt();
  apply(*actuator, 2, 1);
  ASSERT_TRUE(settled(*actuator, 2, 1));
  const ReplicaInfo tired = in(*actuator, ReplicaState::kReady);
  actuator->sleep(tired.id, 1);
  apply(*actuator, 1, 2);
  ASSERT_TRUE(world.until([&] { return world.is(tired.id, ReplicaState::kDraining); }));
  ASSERT_TRUE(settled(*actuator, 1, 2));
  EXPECT_TRUE(world.is(tired.id, ReplicaState::kSleeping));
  EXPECT_EQ(world.last.size(), 3u) << "nobody was launched into its place meanwhile";
}

TEST_F(AwsWarmPool, who_was_to_wake_is_called_off_before_anybody_goes) {
  auto actuator = site.make(variant);
  actuator->adopt();
  apply(*actuator, 1, 1);
  ASSERT_TRUE(settled(*actuator, 1, 1));
  const ReplicaInfo awake = in(*actuator, ReplicaState::kReady);
  site.group->hold_warm = true;
  apply(*actuator, 2, 0);
  ASSERT_TRUE(world.until([&] { return site.group->desired == 2; }));
  apply(*actuator, 1, 1);
  ASSERT_TRUE(world.until([&] { return site.group->desired == 1; }));
  EXPECT_TRUE(settled(*actuator, 1, 1));
  EXPECT_FALSE(world.was(awake.id, ReplicaState::kDraining));
  EXPECT_EQ(site.aws.count("TerminateInstanceInAutoScalingGroup"), 0);
}

TEST_F(AwsWarmPool, fewer_sleepers_are_a_smaller_pool_and_who_goes_is_not_ours_to_say) {
  auto actuator = site.make(variant);
  actuator->adopt();
  apply(*actuator, 1, 3);
  ASSERT_TRUE(settled(*actuator, 1, 3));
  apply(*actuator, 1, 1, {in(*actuator, ReplicaState::kSleeping).id});
  ASSERT_TRUE(settled(*actuator, 1, 1));
  apply(*actuator, 0, 0);
  ASSERT_TRUE(settled(*actuator, 0, 0));
}

TEST_F(AwsWarmPool, a_restart_finds_the_sleepers_and_writes_nothing_anew) {
  {
    auto actuator = site.make(variant);
    actuator->adopt();
    apply(*actuator, 1, 2);
    ASSERT_TRUE(settled(*actuator, 1, 2));
    bool done = false;
    actuator->shutdown([&] { done = true; });
    ASSERT_TRUE(world.until([&] { return done; }));
  }
  world.last.clear();
  site.aws.calls.clear();
  auto actuator = site.make(variant);
  actuator->adopt();
  ASSERT_TRUE(settled(*actuator, 1, 2));
  apply(*actuator, 1, 2);
  ASSERT_TRUE(world.until([&] { return world.applied.size() >= 2; }));
  for (const std::string& call : site.aws.calls) EXPECT_THAT(call, HasSubstr("Describe"));
}

TEST_F(AwsWarmPool, a_pool_that_somebody_else_keeps_is_left_alone) {
  site.group->pool = true;
  site.group->pool_min = 2;
  site.group->pool_prepared = 0;
  variant.warm_pool = {};
  auto actuator = site.make(variant);
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  EXPECT_EQ(actuator->replicas().size(), 1u) << "its instances are no replicas of ours";
  EXPECT_EQ(site.aws.count("PutWarmPool") + site.aws.count("DescribeWarmPool"), 0);
}

}  // namespace
}  // namespace tidegate::live
