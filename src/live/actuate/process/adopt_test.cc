// kill -9 at any moment leaves the fleet as it is; the next start loses none and starts none twice.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "live/actuate/process/proc.h"
#include "live/actuate/process/process_actuator.h"
#include "live/actuate/test_world.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using ::testing::HasSubstr;

class AdoptTest : public ::testing::Test {
 protected:
  // Orphans of the killed child become ours, so that they are reaped here too where no init runs.
  AdoptTest() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
  ~AdoptTest() override {
    for (const auto& left : engines()) ::kill(left.pid, SIGKILL);
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  }

  std::unique_ptr<ProcessActuator> make(TestWorld& world, std::vector<std::string> extra = {}) {
    spec::Model model;
    model.name = "m";
    spec::Variant v;
    v.name = "h100";
    spec::ProcessTarget target;
    target.command = {TIDEGATE_STUB_ENGINE, "--port", "{port}"};
    target.command.insert(target.command.end(), extra.begin(), extra.end());
    target.drain_timeout = seconds(1);
    v.target = target;
    ProcessOptions options;
    options.state_dir = directory.path();
    options.boot_poll = millis(2);
    options.probe_period = millis(5);
    options.gone_poll = millis(1);
    options.leave = leave;
    return std::make_unique<ProcessActuator>(
        ProcessWorld{world.loop(), world.client(), world.clock(), world.journal(), devices, ports},
        options, model, v, world.sink());
  }
  std::vector<OwnProcess> engines() const { return processes_of(absolute_path(directory.path())); }
  /// A whole run in a child that is killed once `done`, or by `fault`.
  template <class F>
  void killed_run(const char* fault, F done, std::int64_t replicas = 2) {
    pid_t child = ::fork();
    if (child == 0) {
      if (fault != nullptr) ::setenv("TIDEGATE_FAULT", fault, 1);
      TestWorld world(directory.path());
      auto actuator = make(world);
      actuator->adopt();
      actuator->apply({"h100", Replicas(replicas), {}});
      world.until([&] { return done(world, *actuator); });
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  }
  static bool never(TestWorld&, ProcessActuator&) { return false; }

  TestDirectory directory;
  DevicePool devices = DevicePool({"0", "1", "2", "3"});
  PortPool ports;
  bool leave = false;
};

TEST_F(AdoptTest, engines_of_a_killed_run_keep_running_and_are_taken_over) {
  killed_run(nullptr, [](TestWorld& world, ProcessActuator&) {
    return world.in_state(ReplicaState::kReady) == 2;
  });
  auto before = engines();
  ASSERT_EQ(before.size(), 2u);
  TestWorld world(directory.path());
  auto actuator = make(world);
  actuator->adopt();
  EXPECT_EQ(devices.free(), 2u) << "their devices are leased again";
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 2; }));
  for (const auto& info : actuator->replicas()) {
    EXPECT_TRUE(info.adopted);
    EXPECT_EQ(info.stages.total, Duration(-1)) << "nobody timed this start to its end";
  }
  auto after = engines();
  ASSERT_EQ(after.size(), 2u) << "none started twice";
  std::set<int> pids_before, pids_after;
  for (const auto& p : before) pids_before.insert(p.pid);
  for (const auto& p : after) pids_after.insert(p.pid);
  EXPECT_EQ(pids_before, pids_after);

  // They are ours in every way: an end is seen, a new one gets another id, port and device.
  ::kill(before[0].pid, SIGKILL);
  ASSERT_TRUE(world.until([&] {
    return world.in_state(ReplicaState::kGone) == 1 && world.in_state(ReplicaState::kReady) == 2;
  }));
  EXPECT_FALSE(world.last.rbegin()->second.adopted);
  bool done = false;
  actuator->shutdown([&] { done = true; });
  ASSERT_TRUE(world.until([&] { return done; }));
  EXPECT_TRUE(engines().empty());
  EXPECT_EQ(devices.free(), 4u);
}

TEST_F(AdoptTest, killed_between_intent_and_fork_nothing_runs_and_nothing_is_lost) {
  killed_run("after-intent", never);
  EXPECT_TRUE(engines().empty());
  TestWorld world(directory.path());
  EXPECT_EQ(world.journal().replicas()->size(), 1u) << "the intent";
  auto actuator = make(world);
  actuator->adopt();
  EXPECT_TRUE(world.journal().replicas()->empty()) << "nobody carried it out";
  EXPECT_EQ(devices.free(), 4u);
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  EXPECT_GT(actuator->replicas()[0].id, ReplicaId(1)) << "an id is never used again";
}

TEST_F(AdoptTest, killed_between_fork_and_its_pid_the_orphan_is_found_by_its_environment) {
  killed_run("after-fork", never);
  TestWorld world(directory.path());
  // The kernel lets go of the parent a moment before the new program's environment can be read.
  ASSERT_TRUE(world.until([&] { return engines().size() == 1; }));
  auto orphans = engines();
  ASSERT_EQ(world.journal().replicas()->size(), 1u);
  EXPECT_EQ(world.journal().replicas()->at(0).pid, 0);
  auto actuator = make(world);
  actuator->adopt();
  EXPECT_EQ(world.journal().replicas()->at(0).pid, orphans[0].pid);
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
  EXPECT_EQ(engines().size(), 1u) << "not started twice";
  EXPECT_EQ(actuator->replicas()[0].pid, orphans[0].pid);
}

TEST_F(AdoptTest, killed_again_and_again_the_fleet_stays_the_same) {
  for (int run = 0; run < 3; ++run) {
    killed_run(nullptr, [](TestWorld& world, ProcessActuator&) {
      return world.in_state(ReplicaState::kReady) == 2;
    });
    EXPECT_EQ(engines().size(), 2u);
  }
}

TEST_F(AdoptTest, an_engine_that_was_draining_is_stopped) {
  killed_run(nullptr, [](TestWorld& world, ProcessActuator& actuator) {
    if (world.in_state(ReplicaState::kReady) == 2) actuator.apply({"h100", Replicas(1), {}});
    return world.in_state(ReplicaState::kDraining) == 1;
  });
  TestWorld world(directory.path());
  auto actuator = make(world);
  actuator->adopt();
  ASSERT_TRUE(world.until([&] {
    return world.in_state(ReplicaState::kGone) == 1 && world.in_state(ReplicaState::kReady) == 1;
  }));
  EXPECT_EQ(engines().size(), 1u);
}

TEST_F(AdoptTest, an_engine_that_sleeps_is_adopted_asleep) {
  killed_run(
      nullptr,
      [](TestWorld& world, ProcessActuator& actuator) {
        if (world.in_state(ReplicaState::kReady) == 1) {
          actuator.sleep(ReplicaId(1), 1);
          actuator.drained(ReplicaId(1));
        }
        return world.in_state(ReplicaState::kSleeping) == 1 &&
               world.journal().replicas()->at(0).state == "sleeping";
      },
      1);
  TestWorld world(directory.path());
  auto actuator = make(world);
  actuator->adopt();
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kSleeping) == 1; }));
  actuator->wake(ReplicaId(1));
  EXPECT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
}

TEST_F(AdoptTest, an_adopted_engine_of_another_command_is_replaced) {
  killed_run(nullptr, [](TestWorld& world, ProcessActuator&) {
    return world.in_state(ReplicaState::kReady) == 2;
  });
  TestWorld world(directory.path());
  auto actuator = make(world, {"--delay-ms", "1"});
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(world.until([&] {
    return world.in_state(ReplicaState::kGone) == 2 && world.in_state(ReplicaState::kReady) == 2;
  }));
  for (const auto& info : actuator->replicas()) EXPECT_FALSE(info.adopted);
}

TEST_F(AdoptTest, what_died_meanwhile_is_forgotten_and_workers_without_a_leader_are_killed) {
  TestWorld world(directory.path());
  ReplicaRecord dead;
  dead.id = ReplicaId(1);
  dead.model = "m";
  dead.variant = "h100";
  dead.pid = 1;  // somebody else's: started at another time
  dead.start_ticks = 42;
  dead.devices = "0";
  dead.state = "ready";
  ASSERT_TRUE(world.journal().intent(dead));
  pid_t worker = ::fork();
  if (worker == 0) {
    ::setenv("TIDEGATE_REPLICA_ID", "2", 1);
    ::setenv("TIDEGATE_STATE_DIR", absolute_path(directory.path()).c_str(), 1);
    ::setsid();
    // The leader ends, its worker stays.
    if (::fork() != 0) ::_exit(0);
    ::execlp("sleep", "sleep", "120", nullptr);
  }
  ::waitpid(worker, nullptr, 0);
  ASSERT_TRUE(world.until([&] { return engines().size() == 1; }));
  ReplicaRecord left = dead;
  left.id = ReplicaId(2);
  left.pid = worker;
  left.devices = "1";
  ASSERT_TRUE(world.journal().intent(left));
  auto actuator = make(world);
  actuator->adopt();
  EXPECT_EQ(devices.free(), 3u) << "the worker still holds its device";
  ASSERT_TRUE(world.until([&] {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    return world.is(ReplicaId(2), ReplicaState::kGone);
  }));
  EXPECT_EQ(devices.free(), 4u);
  EXPECT_TRUE(engines().empty());
  EXPECT_TRUE(world.journal().replicas()->empty());
}

TEST_F(AdoptTest, leaving_lets_the_engines_run_for_the_next_start) {
  leave = true;
  {
    TestWorld world(directory.path());
    auto actuator = make(world);
    actuator->apply({"h100", Replicas(2), {}});
    ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 2; }));
    bool done = false;
    actuator->shutdown([&] { done = true; });
    ASSERT_TRUE(world.until([&] { return done; }));
    EXPECT_EQ(engines().size(), 2u);
  }
  devices = DevicePool({"0", "1", "2", "3"});  // of the next process
  TestWorld world(directory.path());
  auto actuator = make(world);
  actuator->adopt();
  EXPECT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 2; }));
}

TEST_F(AdoptTest, engines_of_another_time_scale_refuse_the_start_and_name_it) {
  killed_run(nullptr, [](TestWorld& world, ProcessActuator&) {
    return world.in_state(ReplicaState::kReady) == 2;
  });
  TestWorld world(directory.path(), 7);
  auto refused = check_time_scale(world.journal(), "m", 7);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("--time-scale 100"));
  EXPECT_TRUE(check_time_scale(world.journal(), "m", TestWorld::kScale));
  EXPECT_TRUE(check_time_scale(world.journal(), "another", 7));
}

TEST_F(AdoptTest, engines_that_no_variant_answers_for_are_told_to_stop_and_the_others_are_not) {
  killed_run(nullptr, [](TestWorld& world, ProcessActuator&) {
    return world.in_state(ReplicaState::kReady) == 2;
  });
  TestWorld world(directory.path());
  spec::Model model;
  model.name = "m";
  spec::Variant kept;
  kept.name = "h100";
  kept.target = spec::ProcessTarget{};
  model.variants = {kept};
  EXPECT_EQ(stop_strays(world.journal(), directory.path(), {model}).value(), 0);
  EXPECT_EQ(engines().size(), 2u);
  model.variants[0].name = "another";
  EXPECT_EQ(stop_strays(world.journal(), directory.path(), {model}).value(), 2);
  ASSERT_TRUE(world.until([&] { return engines().empty(); }));
  EXPECT_EQ(world.journal().replicas()->size(), 2u) << "forgotten when they are seen to be dead";
  EXPECT_EQ(stop_strays(world.journal(), directory.path(), {model}).value(), 0);
  EXPECT_TRUE(world.journal().replicas()->empty());
}

}  // namespace
}  // namespace tidegate::live
