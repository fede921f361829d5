// Pods that sleep: their marks, who finds them, and engines that will not.
#include <gmock/gmock.h>

#include "live/actuate/kubernetes/test_site.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SleepingPods : public ::testing::Test {
 protected:
  /// `n` replicas, ready.
  std::vector<ReplicaInfo> run(Actuator& actuator, std::int64_t n) {
    actuator.adopt();
    actuator.apply({"h100", Replicas(n), {}});
    EXPECT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == n; }));
    return actuator.replicas();
  }
  bool reaches(ReplicaId id, ReplicaState state) {
    return world.until([&] { return world.is(id, state); });
  }
  bool put_to_sleep(Actuator& actuator, ReplicaId id, int level = 1) {
    return world.until([&] {  // again, should its marks of before be under way still
      actuator.sleep(id, level);
      actuator.drained(id);
      return world.is(id, ReplicaState::kSleeping);
    });
  }
  json pod(const std::string& name) {
    return site.cluster.objects().find("v1", "pods", site.ns, name);
  }
  std::string note(const std::string& name, const char* key) {
    return pod(name)["metadata"].value("annotations", json::object()).value(key, "");
  }
  std::string label(const std::string& name) {
    return pod(name)["metadata"]["labels"].value(kAwakeLabel, "");
  }
  bool unmarked(const std::string& name) {
    return world.until([&] {
      return note(name, kSleepingNote).empty() && note(name, kDeletionCost).empty() &&
             label(name) == "true";
    });
  }
  /// As a process before us left it.
  void mark(const std::string& name) {
    json object = pod(name);
    object["metadata"]["annotations"][kSleepingNote] = "1";
    object["metadata"]["annotations"][kDeletionCost] = kSleeperCost;
    object["metadata"]["labels"][kAwakeLabel] = "false";
    site.cluster.objects().put("v1", "pods", object);
  }

  TestDirectory directory;
  TestWorld world{directory.path()};
  Site site{world};
};

TEST_F(SleepingPods, one_that_sleeps_is_marked_and_woken_in_the_order_of_its_level) {
  struct Row {
    int level;
    std::vector<std::string> told;
  };
  const Row rows[] = {{1, {"/sleep?level=1", "/wake_up"}},
                      {2,
                       {"/sleep?level=2", "/wake_up?tags=weights", "/collective_rpc",
                        "/wake_up?tags=kv_cache", "/reset_prefix_cache"}}};
  auto actuator = site.make();
  const ReplicaInfo info = run(*actuator, 1).at(0);
  for (const Row& row : rows) {
    site.engines.at(info.address).told.clear();
    ASSERT_TRUE(put_to_sleep(*actuator, info.id, row.level));
    EXPECT_EQ(note(info.name, kSleepingNote), std::to_string(row.level));
    EXPECT_EQ(note(info.name, kDeletionCost), kSleeperCost);
    EXPECT_EQ(label(info.name), "false") << "no Service that selects awake pods has it";
    actuator->wake(info.id);
    ASSERT_TRUE(reaches(info.id, ReplicaState::kReady));
    EXPECT_TRUE(unmarked(info.name));
    EXPECT_EQ(site.engines.at(info.address).told, row.told);
  }
}

TEST_F(SleepingPods, it_is_told_once_its_engine_holds_nothing_whoever_sent_it) {
  auto actuator = site.make();
  const ReplicaInfo info = run(*actuator, 1).at(0);
  TestEngines::Engine& engine = site.engines.at(info.address);
  engine.requests = 2;  // of another gateway
  actuator->sleep(info.id, 1);
  actuator->drained(info.id);
  ASSERT_TRUE(world.until([&] { return engine.pages >= 3; }));
  EXPECT_THAT(engine.told, IsEmpty());
  EXPECT_EQ(label(info.name), "false") << "nothing new comes";
  engine.requests = 0;
  EXPECT_TRUE(reaches(info.id, ReplicaState::kSleeping));
}

TEST_F(SleepingPods, one_that_never_drains_sleeps_when_its_time_is_over) {
  auto actuator = site.make();
  const ReplicaInfo info = run(*actuator, 1).at(0);
  site.engines.at(info.address).requests = 1;
  actuator->sleep(info.id, 1);
  EXPECT_TRUE(reaches(info.id, ReplicaState::kSleeping));
}

TEST_F(SleepingPods, a_run_after_us_finds_who_sleeps_and_wakes_it) {
  std::string sleeper;
  {
    auto actuator = site.make();
    const ReplicaInfo info = run(*actuator, 2).at(0);
    sleeper = info.name;
    ASSERT_TRUE(put_to_sleep(*actuator, info.id));
  }
  world.last.clear();
  auto actuator = site.make();
  actuator->adopt();
  ASSERT_TRUE(world.until([&] {
    return world.in_state(ReplicaState::kSleeping) == 1 &&
           world.in_state(ReplicaState::kReady) == 1;
  }));
  auto replicas = actuator->replicas();
  auto found = std::find_if(replicas.begin(), replicas.end(),
                            [&](const auto& info) { return info.name == sleeper; });
  ASSERT_EQ(found->state, ReplicaState::kSleeping);
  EXPECT_FALSE(world.was(found->id, ReplicaState::kReady)) << "nothing was routed to it";
  actuator->wake(found->id);
  EXPECT_TRUE(reaches(found->id, ReplicaState::kReady));
  EXPECT_TRUE(unmarked(sleeper));
}

TEST_F(SleepingPods, a_mark_of_one_who_ended_in_between_is_taken_off_an_engine_that_is_awake) {
  site.cluster.write_replicas(site.ns, "m", 1);
  ASSERT_TRUE(world.until([&] {
    auto pods = site.cluster.pods(site.ns);
    return pods.size() == 1 && pods[0]["status"].contains("podIP");
  }));
  const std::string name = site.cluster.pods(site.ns)[0]["metadata"]["name"];
  mark(name);
  auto actuator = site.make();
  run(*actuator, 1);
  EXPECT_TRUE(unmarked(name));
}

TEST_F(SleepingPods, a_process_that_does_not_lead_follows_what_the_leader_puts_to_sleep_and_wakes) {
  auto actuator = site.make();
  const ReplicaInfo info = run(*actuator, 1).at(0);
  std::vector<ReplicaState> seen;
  ActuatorSink sink;
  sink.replica_changed = [&](const ReplicaInfo& told) { seen.push_back(told.state); };
  auto other = site.make(site.variant(), sink);
  other->adopt();
  auto last_is = [&](ReplicaState state) {
    return world.until([&] { return !seen.empty() && seen.back() == state; });
  };
  ASSERT_TRUE(last_is(ReplicaState::kReady));
  seen.clear();
  TestEngines::Engine& engine = site.engines.at(info.address);
  engine.requests = 1;
  actuator->sleep(info.id, 1);
  actuator->drained(info.id);
  ASSERT_TRUE(last_is(ReplicaState::kDraining)) << "before it sleeps";
  EXPECT_THAT(engine.told, IsEmpty());
  engine.requests = 0;
  ASSERT_TRUE(last_is(ReplicaState::kSleeping));
  actuator->wake(info.id);
  ASSERT_TRUE(last_is(ReplicaState::kReady));
  EXPECT_THAT(seen, ElementsAre(ReplicaState::kDraining, ReplicaState::kSleeping,
                                ReplicaState::kStarting, ReplicaState::kReady));
  EXPECT_THAT(engine.told, ElementsAre("/sleep?level=1", "/wake_up"))
      << "it told the engine nothing";
}

TEST_F(SleepingPods, an_engine_without_sleep_routes_serves_on_and_the_fix_is_named) {
  site.engines.sleep_routes = false;
  auto actuator = site.make();
  const ReplicaInfo info = run(*actuator, 1).at(0);
  actuator->sleep(info.id, 1);
  actuator->drained(info.id);
  ASSERT_TRUE(world.until([&] {
    return world.was(info.id, ReplicaState::kDraining) && world.is(info.id, ReplicaState::kReady);
  }));
  EXPECT_THAT(world.last[info.id].detail, HasSubstr("/sleep?level=1 answered 404"));
  EXPECT_THAT(world.last[info.id].detail,
              HasSubstr("--enable-sleep-mode and VLLM_SERVER_DEV_MODE=1"));
  EXPECT_TRUE(unmarked(info.name));
  EXPECT_EQ(actuator->replicas().at(0).detail, world.last[info.id].detail)
      << "status still says it";
}

TEST_F(SleepingPods, a_wake_up_that_fails_is_a_lack_of_capacity_and_tried_again) {
  auto actuator = site.make();
  const ReplicaInfo info = run(*actuator, 2).at(0);
  ASSERT_TRUE(put_to_sleep(*actuator, info.id));
  world.ask(info.address, "POST", "/deaf");
  actuator->wake(info.id);
  ASSERT_TRUE(reaches(info.id, ReplicaState::kFailed));
  ASSERT_TRUE(world.until([&] { return !world.capacity_failed.empty(); }));
  EXPECT_EQ(world.capacity_failed[0].limit, 1);
  EXPECT_THAT(world.capacity_failed[0].detail, HasSubstr("wake-up failed: /wake_up answered 500"));
  EXPECT_EQ(note(info.name, kSleepingNote), "1") << "nobody else is to route there";
  world.ask(info.address, "POST", "/hear");
  ASSERT_TRUE(reaches(info.id, ReplicaState::kReady));
  EXPECT_TRUE(unmarked(info.name));
}

TEST_F(SleepingPods, a_container_that_ends_under_a_sleeper_comes_back_awake) {
  auto actuator = site.make();
  const ReplicaInfo info = run(*actuator, 1).at(0);
  ASSERT_TRUE(put_to_sleep(*actuator, info.id));
  auto ready = [&](const char* status) {
    site.cluster.set_status(
        site.ns, info.name,
        {{"conditions", json::array({{{"type", "Ready"}, {"status", status}}})}});
  };
  ready("False");
  ASSERT_TRUE(reaches(info.id, ReplicaState::kFailed));
  site.engines.at(info.address).asleep = false;  // another process answers
  ready("True");
  ASSERT_TRUE(reaches(info.id, ReplicaState::kReady));
  EXPECT_TRUE(unmarked(info.name));
}

TEST_F(SleepingPods, without_the_right_to_mark_pods_none_is_put_to_sleep_and_the_right_is_named) {
  ONLY_IN_THIS_PROCESS(site.given);
  auto actuator = site.make();
  const ReplicaInfo info = run(*actuator, 1).at(0);
  site.server.forbid = {"patch pods"};
  actuator->sleep(info.id, 1);
  actuator->drained(info.id);
  ASSERT_TRUE(world.until([&] {
    return world.was(info.id, ReplicaState::kDraining) && world.is(info.id, ReplicaState::kReady);
  }));
  EXPECT_THAT(world.last[info.id].detail,
              HasSubstr("apiGroups [\"\"], resources [\"pods\"], verbs [\"patch\"]"));
  EXPECT_THAT(site.engines.at(info.address).told, IsEmpty());
}

TEST_F(SleepingPods, where_the_controller_selects_by_the_label_of_those_awake_none_is_marked) {
  spec::Variant variant = site.variant();
  std::get<spec::KubernetesTarget>(variant.target).selector = "app=m,tidegate.dev/awake!=false";
  auto actuator = site.make(variant);
  const ReplicaInfo info = run(*actuator, 1).at(0);
  actuator->sleep(info.id, 1);
  world.settle();
  EXPECT_TRUE(world.is(info.id, ReplicaState::kReady));
  EXPECT_EQ(label(info.name), "");
}

}  // namespace
}  // namespace tidegate::live
