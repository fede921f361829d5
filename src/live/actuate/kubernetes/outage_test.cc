// What the actuator does while its API server answers wrongly, late or not at all, for five minutes
// of world time.
#include <gmock/gmock.h>

#include <fstream>

#include "live/actuate/kubernetes/kubernetes_actuator.h"
#include "live/actuate/test_world.h"
#include "live/kube/testing/cluster.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using ::testing::HasSubstr;

constexpr double kScale = 1500;  // five minutes in 200 ms
constexpr Duration kOutage = seconds(300);

class OutageTest : public ::testing::Test {
 protected:
  OutageTest() {
    std::string kubeconfig = directory.path() + "/kubeconfig";
    std::ofstream(kubeconfig) << "current-context: c\nclusters: [{name: c, cluster: {server: \""
                              << server.url()
                              << "\"}}]\ncontexts: [{name: c, context: {cluster: c}}]\n";
    cluster.deploy("serve", "m", 0);
    spec::Variant variant;
    variant.name = "h100";
    spec::KubernetesTarget target;
    target.name = "m";
    target.ns = "serve";
    target.kubeconfig = kubeconfig;
    variant.target = target;
    spec::Model model;
    model.name = "m";
    KubernetesOptions options;
    options.look_period = millis(5);
    options.look_spacing = Duration(0);
    options.informer.first_wait = millis(1);
    options.informer.longest_wait = millis(20);
    actuator = KubernetesActuator::create(
                   {world.loop(), world.clock(), world.journal(), clusters, world.client()},
                   options, model, variant, world.sink())
                   .value();
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
  actuator->apply({"h100", Replicas(wanted), {}});
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
    actuator->apply({"h100", Replicas(wanted - 1), {}});
    ASSERT_TRUE(world.until([&] { return world.clock().now() >= until && !world.applied.empty(); }))
        << row.label;
    EXPECT_EQ(world.applied.front().ok, 0) << row.label;
    EXPECT_THAT(world.applied.front().detail, HasSubstr(row.says)) << row.label;
    EXPECT_EQ(world.reports.size(), reports) << row.label << ": nobody changed";
    EXPECT_EQ(cluster.replicas("serve", "m"), wanted) << row.label;
    server.fault = nullptr;
    server.down = false;
    actuator->apply({"h100", Replicas(wanted + 1), {}});
    ++wanted;
  }
}

}  // namespace
}  // namespace tidegate::live
