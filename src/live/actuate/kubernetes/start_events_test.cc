// What a pod's Events add: how long images were pulled, and why there is no node.
#include <gmock/gmock.h>

#include <algorithm>

#include "live/actuate/kubernetes/test_site.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using control::StartFrom;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class StartEventsTest : public ::testing::Test {
 protected:
  /// As kubelets and autoscalers write them.
  void event(const std::string& reason, const std::string& message,
             const std::string& component = "kubelet") {
    const json pod = site.cluster.pods(site.ns).at(0);
    const std::string now = "2026-01-02T03:04:05Z", name = pod["metadata"]["name"];
    site.cluster.objects().put(
        "v1", "events",
        {{"metadata", {{"name", name + "." + std::to_string(++made)}, {"namespace", site.ns}}},
         {"involvedObject",
          {{"kind", "Pod"},
           {"apiVersion", "v1"},
           {"namespace", site.ns},
           {"name", name},
           {"uid", pod["metadata"]["uid"]},
           {"fieldPath", "spec.containers{engine}"}}},
         {"reason", reason},
         {"message", message},
         {"type", "Normal"},
         {"source", {{"component", component}}},
         {"firstTimestamp", now},
         {"lastTimestamp", now},
         {"count", 1},
         {"reportingComponent", component}});
  }
  void containers_run() {
    site.cluster.set_status(
        site.ns, site.cluster.pods(site.ns).at(0)["metadata"]["name"],
        {{"phase", "Running"},
         {"podIP", "127.1.0.1"},
         {"containerStatuses",
          json::array({{{"name", "engine"},
                        {"image", "engine"},
                        {"imageID", ""},
                        {"ready", false},
                        {"restartCount", 0},
                        {"state", {{"running", {{"startedAt", "2026-01-02T03:04:05Z"}}}}}}})}});
  }
  void serves() {
    json pod = site.cluster.pods(site.ns).at(0);
    json conditions = pod["status"]["conditions"];
    conditions.push_back({{"type", "Ready"},
                          {"status", "True"},
                          {"lastTransitionTime", pod["metadata"]["creationTimestamp"]}});
    site.cluster.set_status(site.ns, pod["metadata"]["name"], {{"conditions", conditions}});
  }
  /// A pod on a node, its containers not yet run.
  std::unique_ptr<Actuator> starting(const spec::Variant& variant) {
    site.cluster.hold_start = true;
    auto actuator = site.make(variant);
    actuator->adopt();
    actuator->apply({"h100", Replicas(1), {}});
    return actuator;
  }
  std::int64_t asked() const {
    return std::count_if(site.server.requests.begin(), site.server.requests.end(),
                         [](const std::string& one) { return one.find("/events?") != one.npos; });
  }
  /// It was asked, and its answer is in.
  bool answered(std::int64_t times) {
    return world.until([&] { return asked() == times; }) && (world.settle(), true);
  }

  TestDirectory directory;
  TestWorld world{directory.path()};
  Site site{world};
  int made = 0;
};

TEST_F(StartEventsTest, the_image_stage_is_the_pull_where_events_tell_it) {
  ONLY_IN_THIS_PROCESS(site.given);  // asks the server what it was asked
  const Duration kPull = seconds_f(243.5);
  const std::string pulled =
      "Successfully pulled image \"engine\" in 4m1.2s (4m3.5s including waiting). Image size: 7 "
      "bytes.";
  const auto by_pod = [](const control::StageTimes& of) {
    return of.image >= Duration(0) && of.image != seconds_f(243.5 * TestWorld::kScale);
  };
  struct Case {
    const char* label;
    std::string message;
    const char* forbidden;
    int status;           ///< of the answer; 0: as it is
    bool measured;        ///< by the Event; else by the pod's times
    bool scaled = false;  ///< a node was made for it
  };
  const Case cases[] = {
      {"pulled", pulled, "", 0, true},
      {"pulled, on a node that was made for it", pulled, "", 0, true, true},
      {"no Event is left", "", "", 0, false},
      {"in words nobody knows", "Pulled it", "", 0, false},
      {"the server does not answer", pulled, "", 503, false},
      {"Events may not be read", pulled, "list events", 0, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.label);
    auto actuator = starting(site.variant());
    ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kStarting) == 1; }));
    if (!c.message.empty()) event("Pulled", c.message);
    if (c.scaled) event("TriggeredScaleUp", "pod triggered scale-up", "cluster-autoscaler");
    site.server.forbid = {c.forbidden};
    site.server.fault = [&](const net::Request& request) -> std::optional<kube::Answer> {
      if (c.status == 0 || request.path.find("/events") == request.path.npos) return std::nullopt;
      return kube::failure(c.status, "InternalError", "etcd is slow");
    };
    containers_run();
    ASSERT_TRUE(answered(1));
    serves();
    ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
    const control::StageTimes stages = actuator->replicas()[0].stages;
    if (c.measured) {
      EXPECT_EQ(stages.image, world.clock().to_world(kPull));
    } else {
      EXPECT_TRUE(by_pod(stages)) << to_seconds(stages.image);
    }
    EXPECT_EQ(stages.from, c.scaled ? StartFrom::kNoNode : StartFrom::kCold);
    EXPECT_EQ(asked(), 1) << "once a start";
    actuator->apply({"h100", Replicas(0), {}});
    ASSERT_TRUE(world.until([&] { return site.cluster.pods(site.ns).empty(); }));
    site.server.fault = nullptr;
    site.server.requests.clear();
    world.last.clear();
  }
}

TEST_F(StartEventsTest, on_any_server_events_are_found_by_the_pods_uid) {
  auto actuator = starting(site.variant());
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kStarting) == 1; }));
  event("Pulled", "Successfully pulled image \"engine\" in 2s (2s including waiting)");
  const std::string uid = site.cluster.pods(site.ns).at(0)["metadata"]["uid"];
  auto client = site.clusters.client({site.kubeconfig, ""}).value();
  json list;
  ASSERT_TRUE(site.clusters.events().read(
      client, site.ns, uid, [&](const auto& answer) { list = answer.value_or(json("an error")); }));
  ASSERT_TRUE(world.until([&] { return !list.is_null(); }));
  EXPECT_EQ(read_events(list, 1).pulls, seconds(2)) << list.dump();
}

TEST_F(StartEventsTest, a_pod_without_a_node_is_told_with_the_autoscalers_words) {
  ONLY_IN_THIS_PROCESS(site.given);
  site.cluster.set_gpus(0);
  site.cluster.write_replicas(site.ns, "m", 1);
  ASSERT_TRUE(world.until([&] { return site.cluster.pods(site.ns).size() == 1; }));
  event("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached",
        "cluster-autoscaler");
  spec::Variant variant = site.variant();
  std::get<spec::KubernetesTarget>(variant.target).pending_timeout = seconds(20);
  auto actuator = starting(variant);
  // With what is told first, or with the next where the machine was slow.
  ASSERT_TRUE(world.until([&] {
    return !world.capacity_failed.empty() &&
           world.capacity_failed.back().detail.find("autoscaler") != std::string::npos;
  }));
  EXPECT_THAT(world.capacity_failed.back().detail, HasSubstr("Insufficient nvidia.com/gpu"));
  EXPECT_THAT(world.capacity_failed.back().detail,
              HasSubstr("; cluster-autoscaler: pod didn't trigger scale-up: 1 max node group"));
  EXPECT_THAT(actuator->replicas()[0].detail, HasSubstr("max node group size reached"));
  EXPECT_EQ(asked(), 1) << "and not again with each time it is told";
  site.cluster.set_gpus(1);
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kStarting) == 1; }));
  EXPECT_THAT(actuator->replicas()[0].detail, Not(HasSubstr("autoscaler")));
}

}  // namespace
}  // namespace tidegate::live
