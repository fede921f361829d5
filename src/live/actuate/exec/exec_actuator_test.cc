#include "live/actuate/exec/exec_actuator.h"

#include <gmock/gmock.h>

#include <fstream>

#include "live/actuate/conformance.h"
#include "live/net/http_server.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using ::testing::HasSubstr;

std::string read(const std::string& path) {
  std::ifstream in(path);
  std::string text, line;
  while (std::getline(in, line)) text += line + "\n";
  return text;
}

spec::Variant variant(std::vector<std::string> scale_to, std::vector<std::string> list = {}) {
  spec::Variant v;
  v.name = "h100";
  v.target = spec::ExecTarget{std::move(scale_to), std::move(list), seconds(20)};
  return v;
}
std::vector<std::string> shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

/// A fleet whose size is a number in a file; its engines answer on the loop of the test.
struct Fleet {
  explicit Fleet(TestWorld& world) : world(world) {
    for (int i = 0; i < 6; ++i) {
      servers.push_back(std::make_unique<net::HttpServer>(
          world.loop(), net::Limits{}, [](net::ExchangePtr x) { x->respond(200, {}, ""); }));
      auto address = servers.back()->listen({"127.0.0.1", 0}).value();
      std::ofstream(world.state_dir() + "/urls", std::ios::app)
          << "http://" << address.text() << "\n";
    }
  }
  std::vector<std::string> scale_to() const {
    return shell("echo {replicas} > " + world.state_dir() + "/size");
  }
  std::vector<std::string> list() const {
    return shell("cd " + world.state_dir() +
                 " && echo listing; head -n $(cat size || echo 0) urls");
  }
  std::int64_t size() const {
    std::string text = read(world.state_dir() + "/size");
    return text.empty() ? 0 : std::stoll(text);
  }
  TestWorld& world;
  std::vector<std::unique_ptr<net::HttpServer>> servers;
};

std::unique_ptr<ExecActuator> make(TestWorld& world, const spec::Variant& v) {
  ExecOptions options;
  options.state_dir = world.state_dir();
  options.list_period = millis(2);
  options.endpoints.period = millis(2);
  EndpointWorld w{world.loop(), world.client(), world.clock(), world.journal()};
  spec::Model model;
  model.name = "m";
  return ExecActuator::create(w, options, model, v, world.sink()).value();
}

struct ExecHarness {
  static constexpr bool kOurs = true;
  static constexpr std::int64_t kStart = 0;
  std::unique_ptr<Actuator> make() {
    return live::make(world, variant(fleet.scale_to(), fleet.list()));
  }
  /// What shutdown leaves is not ours: only the replicas are forgotten.
  std::int64_t outside() const { return -1; }

  TestDirectory directory;
  TestWorld world{directory.path()};
  Fleet fleet{world};
};
INSTANTIATE_TYPED_TEST_SUITE_P(Exec, ActuatorConformance, ExecHarness);

class ExecTest : public ::testing::Test {
 protected:
  TestDirectory directory;
  TestWorld world{directory.path()};
};

TEST_F(ExecTest, shutdown_leaves_the_fleet_as_it_is) {
  Fleet fleet(world);
  auto actuator = make(world, variant(fleet.scale_to(), fleet.list()));
  actuator->adopt();
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 3; }));
  bool done = false;
  actuator->shutdown([&] { done = true; });
  ASSERT_TRUE(world.until([&] { return done; }));
  EXPECT_EQ(fleet.size(), 3);
}

TEST_F(ExecTest, numbers_asked_while_a_command_runs_are_one_command_with_the_last) {
  std::string calls = directory.path() + "/calls", go = directory.path() + "/go";
  auto actuator = make(world, variant(shell("echo {replicas} >> " + calls + "; until [ -e " + go +
                                            " ]; do sleep 0.01; done")));
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return read(calls) == "1\n"; }));
  for (std::int64_t n : {5, 7, 2}) actuator->apply({"h100", Replicas(n), {}});
  std::ofstream(go).flush();
  ASSERT_TRUE(world.until([&] { return world.applied.size() == 2; }));
  EXPECT_EQ(read(calls), "1\n2\n");
  EXPECT_EQ(world.applied[1].replicas, 2);
  EXPECT_EQ(world.applied[1].ok, 1);
}

TEST_F(ExecTest,
       a_command_that_fails_is_told_retried_and_from_the_third_time_on_a_lack_of_capacity) {
  std::string calls = directory.path() + "/calls";
  auto actuator =
      make(world, variant(shell("echo x >> " + calls + "; echo quota exceeded >&2; [ $(wc -l < " +
                                calls + ") -gt 3 ]")));
  actuator->apply({"h100", Replicas(4), {}});
  ASSERT_TRUE(world.until([&] { return world.applied.size() == 4; }));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(world.applied[i].ok, 0);
    EXPECT_THAT(world.applied[i].detail, HasSubstr("status 1: quota exceeded"));
  }
  EXPECT_EQ(world.applied[3].ok, 1) << "the fourth worked";
  ASSERT_EQ(world.capacity_failed.size(), 1u);
  EXPECT_EQ(world.capacity_failed[0].limit, -1);
  EXPECT_EQ(world.capacity_failed[0].retry_after, seconds(4)) << "1 s, 2 s, 4 s";
}

TEST_F(ExecTest, a_missing_command_is_told_once_however_often_it_is_asked_at_once) {
  auto actuator = make(world, variant({"/no/such/command"}));
  for (int i = 0; i < 5; ++i) actuator->apply({"h100", Replicas(i), {}});
  ASSERT_TRUE(world.until([&] { return !world.applied.empty(); }));
  EXPECT_EQ(world.applied.size(), 1u);
  EXPECT_EQ(world.applied[0].ok, 0);
  EXPECT_THAT(world.applied[0].detail, HasSubstr("no such command"));
}

TEST_F(ExecTest, a_command_that_hangs_is_killed_with_its_group_at_its_limit) {
  auto v = variant(shell("sleep 100 & sleep 100"));
  std::get<spec::ExecTarget>(v.target).timeout = millis(50);
  auto actuator = make(world, v);
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return !world.applied.empty(); }));
  EXPECT_EQ(world.applied[0].ok, 0);
  EXPECT_THAT(world.applied[0].detail, HasSubstr("not done within"));
}

TEST_F(ExecTest, a_list_that_fails_or_prints_rubbish_takes_no_replica_away) {
  Fleet fleet(world);
  auto actuator = make(world, variant(fleet.scale_to(), fleet.list()));
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 2; }));
  std::string tried = directory.path() + "/tried";
  actuator->reload(spec::Model{},
                   variant(fleet.scale_to(), shell("echo x >> " + tried + "; exit 1")));
  ASSERT_TRUE(world.until([&] { return read(tried).size() >= 6; }));
  EXPECT_EQ(actuator->replicas().size(), 2u) << "unknown is not zero";
}

TEST_F(ExecTest, an_empty_scale_command_is_refused) {
  EndpointWorld w{world.loop(), world.client(), world.clock(), world.journal()};
  auto made = ExecActuator::create(w, {}, spec::Model{}, variant({}), world.sink());
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("give scaleTo"));
}

TEST_F(ExecTest, output_is_read_up_to_its_limit) {
  CommandRunner runner(world.loop(), directory.path() + "/out.log");
  std::string text;
  bool done = false;
  runner.run(shell("head -c 300000 /dev/zero | tr '\\0' x"), seconds(20),
             [&](Result<std::string> output) {
               done = true;
               text = output.value_or("failed");
             });
  ASSERT_TRUE(world.until([&] { return done; }));
  EXPECT_EQ(text.size(), CommandRunner::kMaxOutput);
  EXPECT_EQ(std::filesystem::file_size(directory.path() + "/out.log"), CommandRunner::kMaxOutput);
}

}  // namespace
}  // namespace tidegate::live
