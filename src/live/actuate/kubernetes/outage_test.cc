// What the actuator does while its API server answers wrongly, late or not at all, for five minutes
// of world time.
#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <set>

#include "live/actuate/kubernetes/kubernetes_actuator.h"
#include "live/actuate/test_world.h"
#include "live/kube/testing/cluster.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using ::testing::HasSubstr;

constexpr double kScale = 1500;  // five minutes in 200 ms
constexpr Duration kOutage = seconds(300);

std::string kubeconfig_in(const std::string& directory, const std::string& url) {
  std::string path = directory + "/kubeconfig";
  std::ofstream(path) << "current-context: c\nclusters: [{name: c, cluster: {server: \"" << url
                      << "\"}}]\ncontexts: [{name: c, context: {cluster: c}}]\n";
  return path;
}

/// Of the Deployment with this name; its variant is called the same.
std::unique_ptr<Actuator> make(TestWorld& world, kube::Clusters& clusters, const std::string& name,
                               const std::string& kubeconfig) {
  spec::Variant variant;
  variant.name = name;
  spec::KubernetesTarget target;
  target.name = name;
  target.ns = "serve";
  target.kubeconfig = kubeconfig;
  variant.target = target;
  spec::Model model;
  model.name = name;
  KubernetesOptions options;
  options.look_period = millis(5);
  options.look_spacing = Duration(0);
  options.informer.first_wait = millis(1);
  options.informer.longest_wait = millis(20);
  return KubernetesActuator::create(
             {world.loop(), world.clock(), world.journal(), clusters, world.client()}, options,
             model, variant, world.sink())
      .value();
}

class OutageTest : public ::testing::Test {
 protected:
  OutageTest() {
    cluster.deploy("serve", "m", 0);
    actuator = make(world, clusters, "m", kubeconfig_in(directory.path(), server.url()));
    actuator->adopt();
  }
  bool ready(std::int64_t n) {
    return world.until([&] { return world.in_state(ReplicaState::kReady) == n; });
  }

  TestDirectory directory;
  TestWorld world{directory.path(), kScale};
  kube::ApiServer server{world.loop()};
  kube::Cluster cluster{world.loop(), server, {}};
  kube::Clusters clusters{world.loop(), kube::process_environment(), 0};
  std::unique_ptr<Actuator> actuator;
};

TEST_F(OutageTest, for_five_minutes_nobody_is_written_off_no_number_falls_and_then_it_catches_up) {
  using kube::Answer;
  using kube::failure;
  struct Row {
    const char* label;
    std::function<std::optional<Answer>(const net::Request&)> fault;
    const char* says;
  };
  auto always = [](const Answer& answer) {
    return [answer](const net::Request&) -> std::optional<Answer> { return answer; };
  };
  Answer busy = failure(429, "TooManyRequests", "too many requests");
  Answer asked_back = busy;
  asked_back.retry_after = 0;
  Answer garbage;
  garbage.text = "<html>a proxy's page</html>";
  garbage.status = 502;
  const Row rows[] = {
      {"connections break", nullptr, "no answer from http://127.0.0.1"},
      {"the token has expired", always(failure(401, "Unauthorized", "Unauthorized")),
       "credentials are refused"},
      {"rights are taken away", always(failure(403, "Forbidden", "no")), "grant it: a Role"},
      {"throttled", always(busy), "API Priority and Fairness"},
      {"throttled, with a time to ask again", always(asked_back), "API Priority and Fairness"},
      {"500", always(failure(500, "InternalError", "etcdserver: no leader")), "no leader"},
      {"504 amid writes", always(failure(504, "Timeout", "request did not complete")), "complete"},
      {"a proxy that answers in its stead", always(garbage), "a proxy's page"},
  };
  std::int64_t wanted = 2;
  actuator->apply({"m", Replicas(wanted), {}});
  for (const Row& row : rows) {
    ASSERT_TRUE(ready(wanted)) << row.label;
    ASSERT_TRUE(world.until([&] {
      return !world.applied.empty() && world.applied.back().replicas == wanted &&
             world.applied.back().ok == 1;
    })) << row.label;
    EXPECT_EQ(cluster.replicas("serve", "m"), wanted) << row.label;
    server.down = row.fault == nullptr;
    server.fault = row.fault;
    server.cut_watches();
    server.requests.clear();
    world.applied.clear();
    const std::size_t reports = world.reports.size();
    const Instant until = world.clock().now() + kOutage;
    actuator->apply({"m", Replicas(wanted - 1), {}});
    ASSERT_TRUE(world.until([&] { return world.clock().now() >= until && !world.applied.empty(); }))
        << row.label;
    EXPECT_EQ(world.applied.front().ok, 0) << row.label;
    EXPECT_THAT(world.applied.front().detail, HasSubstr(row.says)) << row.label;
    EXPECT_EQ(world.reports.size(), reports) << row.label << ": nobody changed";
    EXPECT_EQ(cluster.replicas("serve", "m"), wanted) << row.label;
    server.fault = nullptr;
    server.down = false;
    actuator->apply({"m", Replicas(wanted + 1), {}});
    ++wanted;
  }
}

/// How often `what` is in it.
std::size_t times(const std::string& text, const std::string& what) {
  std::size_t out = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++out;
  return out;
}

struct ManyRow {
  const char* label;
  std::size_t few;  ///< with a watch of their own
  bool found;       ///< before the server goes
};

/// What is logged while an API server goes and comes back, by twenty targets that lose it.
std::string logged_in_an_outage(const ManyRow& row) {
  constexpr int kTargets = 20;
  TestDirectory directory;
  TestWorld world{directory.path(), kScale};
  kube::ApiServer server{world.loop()};
  kube::Cluster cluster{world.loop(), server, {}};
  kube::Clusters clusters{world.loop(), kube::process_environment(), row.few};
  std::map<std::string, std::unique_ptr<Actuator>> all;
  for (int i = 0; i < kTargets; ++i) {
    const std::string name = "m" + std::to_string(i);
    cluster.deploy("serve", name, 0);
    all[name] = make(world, clusters, name, kubeconfig_in(directory.path(), server.url()));
  }
  const auto answered = [&](std::uint8_t ok) {
    std::set<std::string> variants;
    for (const auto& one : world.applied) {
      if (one.ok == ok) variants.insert(one.variant);
    }
    return variants.size() == kTargets;
  };
  const auto order = [&] {
    for (auto& [name, one] : all) one->apply({name, Replicas(1), {}});
  };
  net::configure_log(net::Level::kInfo, net::LogFormat::kText);
  testing::internal::CaptureStderr();
  server.down = !row.found;
  if (!row.found) order();
  for (auto& [name, one] : all) one->adopt();
  if (row.found) {
    const std::size_t watches = row.few < kTargets ? row.few + 1 : kTargets;
    EXPECT_TRUE(world.until([&] { return server.watches() == watches; })) << row.label;
    server.down = true;
    server.cut_watches();
    order();
  }
  EXPECT_TRUE(world.until([&] { return answered(0); })) << row.label << ": all are told";
  server.down = false;
  EXPECT_TRUE(world.until([&] { return answered(1); })) << row.label << ": all go on";
  net::configure_log(net::Level::kError, net::LogFormat::kText);
  return testing::internal::GetCapturedStderr();
}

TEST(Outage, of_many_targets_one_says_that_the_server_is_gone_and_one_that_it_is_back) {
  for (const ManyRow& row :
       {ManyRow{"each on a watch of its own", 20, true},
        ManyRow{"a few on their own, the others on one", 5, true}, ManyRow{"all on one", 0, true},
        ManyRow{"targets that were never found yet", 5, false}}) {
    const std::string log = logged_in_an_outage(row);
    EXPECT_EQ(times(log, "pods cannot be followed"), 1u) << row.label << "\n" << log;
    EXPECT_EQ(times(log, "pods are followed again"), 1u) << row.label << "\n" << log;
    EXPECT_THAT(log, HasSubstr("targets=20")) << row.label;
    EXPECT_LE(times(log, "not scaled"), 20u) << row.label << ": once a target";
  }
}

}  // namespace
}  // namespace tidegate::live
