#include "live/actuate/kubernetes/kubernetes_actuator.h"

#include <gmock/gmock.h>

#include "live/actuate/conformance.h"
#include "live/actuate/kubernetes/test_site.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using nlohmann::json;
using ::testing::HasSubstr;

/// Pods followed with others', or by an informer of their own.
template <std::size_t kFew>
struct KubernetesHarness {
  static constexpr bool kOurs = true;
  static constexpr std::int64_t kStart = 0;
  static constexpr bool kSleeps = true;
  std::unique_ptr<Actuator> make() { return site.make(); }
  /// What shutdown leaves is not ours: only the replicas are forgotten.
  std::int64_t outside() const { return -1; }

  TestDirectory directory;
  TestWorld world{directory.path()};
  Site site{world, kFew};
};
using Harnesses = ::testing::Types<KubernetesHarness<0>, KubernetesHarness<8>>;
INSTANTIATE_TYPED_TEST_SUITE_P(Kubernetes, ActuatorConformance, Harnesses);

class KubernetesTest : public ::testing::Test {
 protected:
  bool ready(std::int64_t n) {
    return world.until([&] { return world.in_state(ReplicaState::kReady) == n; });
  }
  std::string said() const {
    return world.applied.empty() ? "nothing" : world.applied.back().detail;
  }
  bool refused() {
    return world.until([&] { return !world.applied.empty() && world.applied.back().ok == 0; });
  }

  TestDirectory directory;
  TestWorld world{directory.path()};
  Site site{world};
};

TEST_F(KubernetesTest, the_number_is_written_to_the_scale_and_pods_become_replicas_with_addresses) {
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  EXPECT_EQ(site.replicas(), 2);
  for (const auto& info : actuator->replicas()) {
    EXPECT_EQ(info.address.port, site.engines.port());
    EXPECT_THAT(info.address.host, HasSubstr("127.1."));
    EXPECT_FALSE(info.adopted);
    EXPECT_GE(info.stages.total, Duration(0));
  }
}

TEST_F(KubernetesTest, what_runs_already_is_adopted_and_shutdown_leaves_it) {
  site.cluster.write_replicas(site.ns, "m", 3);
  ASSERT_TRUE(world.until([&] { return site.cluster.pods(site.ns).size() == 3; }));
  auto actuator = site.make();
  actuator->adopt();
  ASSERT_TRUE(ready(3));
  for (const auto& info : actuator->replicas()) EXPECT_TRUE(info.adopted);
  bool done = false;
  actuator->shutdown([&] { done = true; });
  ASSERT_TRUE(world.until([&] { return done; }));
  EXPECT_EQ(site.replicas(), 3);
  EXPECT_EQ(site.cluster.pods(site.ns).size(), 3u);
}

TEST_F(KubernetesTest, a_number_of_before_the_pods_were_seen_raises_and_never_lowers) {
  struct Row {
    const char* what;
    std::int64_t running, asked, then;
  };
  for (const Row& row : {Row{"more is wanted", 1, 3, 3},
                         Row{"fewer are, and nobody looked", 4, 1, 4}, Row{"the same", 4, 4, 4}}) {
    SCOPED_TRACE(row.what);
    site.cluster.write_replicas(site.ns, "m", row.running);
    ASSERT_TRUE(world.until([&] { return std::ssize(site.cluster.pods(site.ns)) == row.running; }));
    auto actuator = site.make();
    actuator->adopt();
    world.applied.clear();
    actuator->apply({"h100", Replicas(row.asked), {}});
    ASSERT_TRUE(world.until([&] { return !world.applied.empty(); }));
    EXPECT_EQ(world.applied.back().ok, 1);
    EXPECT_EQ(world.applied.back().replicas, row.then) << "the controller hears what stands";
    EXPECT_EQ(site.replicas(), row.then);
    actuator->apply({"h100", Replicas(2), {}});
    ASSERT_TRUE(world.until([&] { return site.replicas() == 2; })) << "now it is known who runs";
  }
}

TEST_F(KubernetesTest, the_victims_named_are_the_pods_that_go_and_others_are_unmarked) {
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(4), {}});
  ASSERT_TRUE(ready(4));
  auto before = actuator->replicas();
  // The oldest: nobody would choose it by itself.
  ReplicaId victim = before[0].id;
  site.cluster.hold_end = true;
  actuator->apply({"h100", Replicas(3), {victim}});
  ASSERT_TRUE(world.until([&] { return world.is(victim, ReplicaState::kDraining); }));
  EXPECT_EQ(world.in_state(ReplicaState::kReady), 3);
  site.cluster.hold_end = false;
  site.cluster.go();
  ASSERT_TRUE(world.until([&] { return world.is(victim, ReplicaState::kGone); }));
  // A mark that an earlier decision left must not decide the next one.
  json pod = site.cluster.pods(site.ns).front();
  pod["metadata"]["annotations"] = {{kDeletionCost, kVictimCost}};
  site.cluster.objects().put("v1", "pods", pod);
  ReplicaId next = actuator->replicas().back().id;
  world.settle();
  actuator->apply({"h100", Replicas(2), {next}});
  ASSERT_TRUE(world.until([&] { return world.is(next, ReplicaState::kGone); }));
  for (const json& left : site.cluster.pods(site.ns)) {
    EXPECT_FALSE(left["metadata"].value("annotations", json::object()).contains(kDeletionCost));
  }
}

TEST_F(KubernetesTest, a_write_in_between_of_somebody_else_is_told_and_stands) {
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  site.cluster.write_replicas(site.ns, "m", 5);
  ASSERT_TRUE(world.until([&] { return world.applied.back().replicas == 5; }))
      << "seen by looking, with nothing asked";
  EXPECT_EQ(world.applied.back().ok, 1);
  EXPECT_EQ(site.replicas(), 5);
  // Asked before it was heard of: theirs stands, and the answer says so.
  site.cluster.write_replicas(site.ns, "m", 7);
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(world.until([&] { return world.applied.back().replicas == 7; }));
  EXPECT_EQ(site.replicas(), 7);
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(ready(3));
  EXPECT_EQ(site.replicas(), 3);
}

TEST_F(KubernetesTest, a_conflict_is_read_again_and_written_onto_the_newer_version) {
  ONLY_IN_THIS_PROCESS(site.given);
  auto actuator = site.make();
  actuator->adopt();
  int left = 3;
  site.server.fault = [&](const net::Request& request) -> std::optional<kube::Answer> {
    if (request.method == "PATCH" && request.path.ends_with("/scale") && left-- > 0) {
      json object = *site.server.find("apps/v1", "deployments", site.ns, "m");
      object["status"]["touched"] = left;  // the status is written, and the version moves on
      site.server.put("apps/v1", "deployments", object);
    }
    return std::nullopt;
  };
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  ASSERT_EQ(world.applied.size(), 1u);
  EXPECT_EQ(world.applied[0].ok, 1) << world.applied[0].detail;
  EXPECT_LE(left, 0);
}

TEST_F(KubernetesTest, pods_without_a_node_are_a_lack_of_capacity_in_the_schedulers_words) {
  site.cluster.set_gpus(1);
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(ready(1));
  ASSERT_TRUE(world.until([&] { return !world.capacity_failed.empty(); }));
  EXPECT_EQ(world.capacity_failed[0].limit, 1);
  EXPECT_THAT(world.capacity_failed[0].detail, HasSubstr("Insufficient nvidia.com/gpu"));
  EXPECT_TRUE(world.until([&] { return world.in_state(ReplicaState::kOrdered) == 2; }));
  ASSERT_TRUE(world.until([&] { return world.capacity_failed.size() >= 2; }))
      << "as long as it is so";
  site.cluster.set_gpus(3);
  EXPECT_TRUE(ready(3));
}

TEST_F(KubernetesTest, a_rollouts_surge_without_a_node_is_no_lack_of_capacity) {
  if (site.given.real != nullptr) GTEST_SKIP() << "the surge is written behind the server's back";
  site.cluster.set_gpus(2);
  spec::Variant variant = site.variant();
  std::get<spec::KubernetesTarget>(variant.target).pending_timeout = Duration(0);
  auto actuator = site.make(variant);
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  json surge = site.cluster.pods(site.ns).front();
  surge["metadata"] = {{"name", "m-next"},
                       {"namespace", site.ns},
                       {"labels", {{"app", "m"}, {"pod-template-hash", "next"}}}};
  surge["spec"].erase("nodeName");
  surge["status"] = json::object();
  site.server.put("v1", "pods", surge);
  ASSERT_TRUE(world.until([&] {
    auto replicas = actuator->replicas();
    return std::any_of(replicas.begin(), replicas.end(), [](const auto& info) {
      return info.detail.find("Unschedulable") != std::string::npos;
    });
  }));
  world.settle();
  EXPECT_TRUE(world.capacity_failed.empty()) << world.capacity_failed[0].detail;
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(world.until([&] { return !world.capacity_failed.empty(); })) << "three are asked for";
  EXPECT_EQ(world.capacity_failed[0].limit, 2);
}

TEST_F(KubernetesTest, a_pod_that_crashes_fails_with_the_kubelets_words_and_may_recover) {
  site.cluster.hold_start = true;
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kStarting) == 1; }));
  std::string pod = site.cluster.pods(site.ns)[0]["metadata"]["name"];
  json waiting = {{"reason", "CrashLoopBackOff"}, {"message", "back-off 40s restarting"}};
  json last = {{"terminated", {{"reason", "OOMKilled"}, {"exitCode", 137}}}};
  site.cluster.set_status(
      site.ns, pod,
      {{"containerStatuses",
        json::array(
            {{{"name", "engine"}, {"state", {{"waiting", waiting}}}, {"lastState", last}}})}});
  ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kFailed) == 1; }));
  EXPECT_THAT(
      world.reports.back().detail,
      HasSubstr("CrashLoopBackOff: back-off 40s restarting; last: OOMKilled, exit code 137"));
  ASSERT_TRUE(world.until([&] { return !world.capacity_failed.empty(); }));
  EXPECT_EQ(world.capacity_failed[0].limit, 0);
  site.cluster.set_status(site.ns, pod, {{"containerStatuses", nullptr}});
  site.cluster.hold_start = false;
  site.cluster.go();
  EXPECT_TRUE(ready(1));
}

TEST_F(KubernetesTest, an_evicted_pod_is_gone_though_its_object_stays_and_another_replaces_it) {
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(ready(1));
  ReplicaId first = actuator->replicas()[0].id;
  site.cluster.set_status(site.ns, site.cluster.pods(site.ns)[0]["metadata"]["name"],
                          {{"phase", "Failed"},
                           {"reason", "Evicted"},
                           {"message", "The node was low on resource: memory."}});
  ASSERT_TRUE(world.until([&] { return world.is(first, ReplicaState::kGone); }));
  EXPECT_THAT(world.last[first].detail, HasSubstr("Evicted: The node was low"));
  ASSERT_TRUE(ready(1));
  EXPECT_EQ(actuator->replicas().size(), 1u);
}

TEST_F(KubernetesTest,
       while_the_api_server_is_gone_nothing_is_lost_and_then_the_last_number_holds) {
  ONLY_IN_THIS_PROCESS(site.given);
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  site.server.down = true;
  site.server.cut_watches();
  for (std::int64_t n : {1, 4}) {
    world.applied.clear();
    actuator->apply({"h100", Replicas(n), {}});
    ASSERT_TRUE(refused());
    EXPECT_THAT(said(), HasSubstr("no answer from http://127.0.0.1"));
  }
  EXPECT_EQ(site.replicas(), 2) << "no scale-down";
  EXPECT_EQ(world.in_state(ReplicaState::kReady), 2) << "and nobody is written off";
  site.server.down = false;
  ASSERT_TRUE(ready(4));
  EXPECT_EQ(site.replicas(), 4);
}

TEST_F(KubernetesTest, what_is_wrong_with_a_target_is_said_with_the_fix_and_mended_later) {
  struct Row {
    const char* label;
    const char* kind;
    const char* name;
    const char* api_version;
    const char* says;
  };
  const Row rows[] = {
      {"not there", "Deployment", "nope", "apps/v1",
       "deployments.apps \"nope\" not found; is the target's name right, and its namespace?"},
      {"no such kind", "Deploymint", "m", "apps/v1",
       "no kind Deploymint in apps/v1; those with a scale there: "},
      {"no scale", "ConfigMap", "m", "v1", "no scale subresource of kind ConfigMap in v1"},
      {"no such API", "LeaderWorkerSet", "m", "leaderworkerset.x-k8s.io/v1",
       "is its CustomResourceDefinition installed?"},
  };
  for (const Row& row : rows) {
    auto v = site.variant();
    auto& target = std::get<spec::KubernetesTarget>(v.target);
    target.kind = row.kind;
    target.name = row.name;
    target.api_version = row.api_version;
    world.applied.clear();
    auto actuator = site.make(v);
    actuator->adopt();
    actuator->apply({"h100", Replicas(1), {}});
    ASSERT_TRUE(refused()) << row.label;
    EXPECT_THAT(said(), HasSubstr(row.says)) << row.label;
  }
}

TEST_F(KubernetesTest, a_right_that_is_missing_is_named_and_once_granted_all_goes_on) {
  ONLY_IN_THIS_PROCESS(site.given);
  const std::pair<const char*, const char*> rows[] = {
      {"list pods", "apiGroups [\"\"], resources [\"pods\"], verbs [\"list\"]"},
      {"get deployments/scale", "resources [\"deployments/scale\"], verbs [\"get\", \"patch\"]"},
      {"patch deployments/scale", "resources [\"deployments/scale\"], verbs [\"patch\"]"},
  };
  std::int64_t wanted = 0;
  for (const auto& [right, says] : rows) {
    site.server.forbid = {right};
    world.applied.clear();
    auto actuator = site.make();
    actuator->adopt();
    actuator->apply({"h100", Replicas(++wanted), {}});
    ASSERT_TRUE(refused()) << right;
    EXPECT_THAT(said(), HasSubstr(says)) << right;
    site.server.forbid.clear();
    EXPECT_TRUE(world.until([&] { return site.replicas() == wanted; })) << right;
    world.last.clear();  // the next actuator finds the pods anew
  }
}

TEST_F(KubernetesTest, what_was_refused_is_not_written_once_nobody_may_write) {
  ONLY_IN_THIS_PROCESS(site.given);
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(ready(1));
  site.server.forbid = {"patch deployments/scale"};
  world.applied.clear();
  actuator->apply({"h100", Replicas(3), {}});
  ASSERT_TRUE(refused());
  actuator->hold();
  site.server.forbid.clear();
  ASSERT_TRUE(world.until([&] { return world.applied.back().ok == 1; }));
  EXPECT_EQ(world.applied.back().replicas, 1) << "the number that stands";
  int looks = 0;
  site.server.fault = [&](const net::Request& request) -> std::optional<kube::Answer> {
    looks += request.method == "GET" && request.path.ends_with("/scale") ? 1 : 0;
    return std::nullopt;
  };
  ASSERT_TRUE(world.until([&] { return looks == 5; })) << "longer than until its retry";
  EXPECT_EQ(site.replicas(), 1);
}

TEST_F(KubernetesTest, one_that_was_ready_before_has_no_start_to_tell) {
  ONLY_IN_THIS_PROCESS(site.given);
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(1), {}});
  ASSERT_TRUE(ready(1));
  EXPECT_GE(world.last.begin()->second.stages.total.count(), 0) << "its start";
  auto set_ready = [&](const char* ready) {
    const json pod = site.cluster.pods(site.ns)[0];
    json conditions = pod["status"]["conditions"];
    for (json& condition : conditions) {
      if (condition["type"] == "Ready") condition["status"] = ready;
    }
    site.cluster.set_status(site.ns, pod["metadata"]["name"], {{"conditions", conditions}});
  };
  set_ready("False");
  ASSERT_TRUE(world.until(
      [&] { return world.last.begin()->second.state == control::ReplicaState::kFailed; }));
  set_ready("True");
  ASSERT_TRUE(ready(1));
  EXPECT_LT(world.last.begin()->second.stages.total.count(), 0) << "no start";
}

TEST_F(KubernetesTest, any_kind_with_a_scale_will_do) {
  ONLY_IN_THIS_PROCESS(site.given);
  json definition = json::parse(R"({"metadata": {"name": "groups.example.org"}, "spec": {
      "group": "example.org", "scope": "Namespaced", "names": {"plural": "groups", "kind": "Group"},
      "versions": [{"name": "v1", "served": true, "storage": true,
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
          "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}}}]}})");
  for (const auto& kind : kube::kinds_of_definition(definition)) site.server.serve(kind);
  site.server.put("example.org/v1", "groups",
                  {{"metadata", {{"name", "g"}, {"namespace", "serve"}}},
                   {"spec", {{"replicas", 1}}},
                   {"status", {{"replicas", 1}, {"selector", "app=m"}}}});
  auto v = site.variant();
  auto& target = std::get<spec::KubernetesTarget>(v.target);
  target = {"example.org/v1", "Group", "g", "serve"};
  target.kubeconfig = site.kubeconfig;
  auto actuator = site.make(v);
  actuator->adopt();
  actuator->apply({"h100", Replicas(6), {}});
  ASSERT_TRUE(world.until([&] { return !world.applied.empty(); }));
  EXPECT_EQ(world.applied[0].ok, 1) << said();
  json group = *site.server.find("example.org/v1", "groups", "serve", "g");
  EXPECT_EQ(group["spec"]["replicas"], 6);

  site.cluster.deploy(site.ns, "other", 2);
  group["status"]["selector"] = "app=other";
  site.server.put("example.org/v1", "groups", group);
  EXPECT_TRUE(ready(2)) << "made anew with other labels it is followed there";
}

TEST_F(KubernetesTest, another_target_in_a_new_spec_is_followed_instead) {
  site.cluster.deploy(site.ns, "other", 1);
  auto actuator = site.make();
  actuator->adopt();
  actuator->apply({"h100", Replicas(2), {}});
  ASSERT_TRUE(ready(2));
  auto v = site.variant();
  std::get<spec::KubernetesTarget>(v.target).name = "other";
  spec::Model model;
  model.name = "m";
  actuator->reload(model, v);
  ASSERT_TRUE(world.until([&] { return site.cluster.replicas(site.ns, "other") == 2; }))
      << "the number holds for the new one";
  ASSERT_TRUE(ready(2));
  EXPECT_EQ(site.replicas(), 2) << "the old one is left";
}

}  // namespace
}  // namespace tidegate::live
