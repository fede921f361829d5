#include "live/operator/cluster_models.h"

#include <gmock/gmock.h>

#include "live/operator/test_cluster.h"

namespace tidegate::live {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kSpec = "variants: [{maxReplicas: 2, target: {kubernetes: {name: m}}}]";

class ClusterModelsTest : public ::testing::Test, protected TestCluster {
 protected:
  void follow(ClusterModelsOptions options = {.namespaces = {"serve"}}) {
    options.informer.first_wait = options.informer.page_pause = millis(1);
    options.informer.longest_wait = millis(4);
    followed = std::make_unique<ClusterModels>(
        client, options,
        ClusterModelsHooks{.admit = [this](format::LoadedModel& loaded) -> Result<void> {
                             if (loaded.model.name == not_today) return fail("not today");
                             return {};
                           },
                           .changed = [this] { ++changes; }});
    followed->start();
    ASSERT_TRUE(until([&] { return followed->in_step(); }));
  }
  std::vector<std::string> in_force() const {
    std::vector<std::string> out;
    for (const auto& [key, entry] : followed->entries()) {
      if (entry.in_force) out.push_back(entry.in_force->model.name);
    }
    return out;
  }
  const ClusterModels::Entry& entry(const std::string& key) const {
    return followed->entries().at(key);
  }
  bool runs(const std::string& name) { return followed->find(name) != nullptr; }

  std::unique_ptr<ClusterModels> followed;
  std::string not_today;
  int changes = 0;
};

TEST_F(ClusterModelsTest, models_come_change_and_go) {
  ASSERT_TRUE(put("a", kSpec));
  follow();
  ASSERT_TRUE(until([&] { return runs("a"); }));
  ASSERT_TRUE(put("b", kSpec));
  ASSERT_TRUE(until([&] { return runs("b"); }));
  ASSERT_TRUE(put("a", "variants: [{maxReplicas: 5, target: {kubernetes: {name: m}}}]"));
  ASSERT_TRUE(until([&] { return entry("serve/a").in_force_generation == 2; }));
  EXPECT_EQ(entry("serve/a").in_force->model.variants[0].max_replicas, Replicas(5));
  ASSERT_TRUE(ask(kube::remove(models, "a")));
  ASSERT_TRUE(until([&] { return !runs("a"); }));
  EXPECT_THAT(in_force(), ElementsAre("b"));
}

TEST_F(ClusterModelsTest, the_models_own_namespace_is_its_targets_and_an_annotation_pauses) {
  ASSERT_TRUE(put("a", kSpec));
  follow();
  ASSERT_TRUE(until([&] { return runs("a"); }));
  const auto& variant = entry("serve/a").in_force->model.variants[0];
  EXPECT_EQ(std::get<spec::KubernetesTarget>(variant.target).ns, "serve");
  for (const auto& [value, paused] : {std::pair{"true", true}, {"false", false}, {"yes", true}}) {
    json change = {{"metadata", {{"annotations", {{kPausedAnnotation, value}}}}}};
    ASSERT_TRUE(ask(kube::patch(models, "a", kube::PatchType::kMerge, change)));
    EXPECT_TRUE(until([&] { return entry("serve/a").in_force->model.scaling.paused == paused; }))
        << value;
  }
}

TEST_F(ClusterModelsTest, a_refused_change_leaves_the_spec_before_in_force) {
  ASSERT_TRUE(put("a", kSpec));
  follow();
  ASSERT_TRUE(until([&] { return runs("a"); }));
  // What CEL cannot see: a text that is no cron, a name that must not be empty.
  ASSERT_TRUE(put(
      "a", "{scaling: {schedule: [{cron: never, duration: 1h, minReplicas: 1}]}, variants: [{}]}"));
  ASSERT_TRUE(until([&] { return !entry("serve/a").faults.empty(); }));
  EXPECT_THAT(entry("serve/a").faults, HasSubstr("spec.scaling.schedule[0].cron"));
  EXPECT_EQ(entry("serve/a").object.generation, 2);
  EXPECT_EQ(entry("serve/a").in_force_generation, 1);
  EXPECT_EQ(entry("serve/a").in_force->model.variants[0].max_replicas, Replicas(2));
  ASSERT_TRUE(put("a", kSpec));
  EXPECT_TRUE(until([&] { return entry("serve/a").faults.empty(); })) << "mended";
}

TEST_F(ClusterModelsTest, a_name_belongs_to_who_had_it_and_is_free_when_that_one_goes) {
  ASSERT_TRUE(put("z", "{servedNames: [shared], variants: [{}]}"));
  follow();
  ASSERT_TRUE(until([&] { return runs("z"); }));
  ASSERT_TRUE(put("a", "{servedNames: [own, shared], variants: [{}]}"));
  ASSERT_TRUE(until(
      [&] { return followed->entries().contains("serve/a") && !entry("serve/a").faults.empty(); }));
  EXPECT_EQ(entry("serve/a").faults,
            "spec.servedNames[1]: \"shared\" is served by model \"z\" already; a request for it "
            "could go to only one");
  EXPECT_THAT(in_force(), ElementsAre("z"));
  ASSERT_TRUE(ask(kube::remove(models, "z")));
  ASSERT_TRUE(until([&] { return runs("a"); }));
  EXPECT_EQ(entry("serve/a").faults, "");
}

TEST_F(ClusterModelsTest, models_of_files_hold_their_names_against_the_cluster) {
  auto file = format::load_spec(
      "{apiVersion: tidegate.dev/v1alpha1, kind: Model, metadata: {name: a}, spec: {variants: "
      "[{}]}}",
      "f.yaml");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(put("a", kSpec));
  follow();
  ASSERT_TRUE(until([&] { return runs("a"); }));
  EXPECT_FALSE(followed->claim_for_files(file.models)) << "it runs from the cluster";
  ASSERT_TRUE(ask(kube::remove(models, "a")));
  ASSERT_TRUE(until([&] { return !runs("a"); }));
  ASSERT_TRUE(followed->claim_for_files(file.models));
  ASSERT_TRUE(put("a", kSpec));
  ASSERT_TRUE(until(
      [&] { return followed->entries().contains("serve/a") && !entry("serve/a").faults.empty(); }));
  EXPECT_THAT(entry("serve/a").faults, HasSubstr("another model is named \"a\" too"));
  ASSERT_TRUE(followed->claim_for_files({}));
  EXPECT_TRUE(until([&] { return runs("a"); })) << "the file is gone";
}

TEST_F(ClusterModelsTest, what_the_run_refuses_is_a_fault_and_tried_again_as_others_change) {
  not_today = "a";
  ASSERT_TRUE(put("a", kSpec));
  follow();
  ASSERT_TRUE(until([&] { return changes > 0; }));
  EXPECT_EQ(entry("serve/a").faults, "not today");
  not_today.clear();
  ASSERT_TRUE(put("b", kSpec));
  EXPECT_TRUE(until([&] { return runs("a") && runs("b"); }));
}

TEST_F(ClusterModelsTest, a_write_of_the_status_alone_changes_nothing) {
  ASSERT_TRUE(put("a", kSpec));
  follow();
  ASSERT_TRUE(until([&] { return runs("a"); }));
  const int before = changes;
  ASSERT_TRUE(ask(kube::patch(models, "a", kube::PatchType::kMerge,
                              {{"status", {{"replicas", "1/2"}}}}, "status")));
  ASSERT_TRUE(until([&] { return !entry("serve/a").object.status.empty(); }));
  ASSERT_TRUE(put("b", kSpec));
  ASSERT_TRUE(until([&] { return runs("b"); }));
  EXPECT_EQ(changes, before + 1) << "of b alone";
}

TEST_F(ClusterModelsTest, with_several_namespaces_a_name_says_which) {
  ASSERT_TRUE(put("a", "{servedNames: [x], variants: [{}]}", "serve"));
  ASSERT_TRUE(put("a", "{servedNames: [y], variants: [{}]}", "other"));
  ASSERT_TRUE(put("c", "{servedNames: [z], variants: [{}]}", "third"));
  follow({.namespaces = {"other", "serve"}});
  ASSERT_TRUE(until([&] { return runs("serve/a") && runs("other/a"); }));
  EXPECT_THAT(in_force(), ElementsAre("other/a", "serve/a"));
  follow({.namespaces = {}});
  ASSERT_TRUE(until([&] { return runs("third/c"); })) << "all of them";
  EXPECT_EQ(in_force().size(), 3u);
}

TEST_F(ClusterModelsTest, whoever_may_write_models_may_not_reach_through_us) {
  const struct {
    const char* spec;
    const char* said;
  } rows[] = {
      {"variants: [{target: {process: {command: [sh]}}}]", "runs a command"},
      {"variants: [{target: {exec: {scaleTo: [sh]}}}]", "runs a command"},
      {"variants: [{target: {kubernetes: {name: m, namespace: kube-system}}}]",
       "is not the Model's own, serve"},
      {"variants: [{target: {kubernetes: {name: m, kubeconfig: /etc/k}}}]", "other clusters"},
      {"variants: [{engine: {profile: /etc/passwd}}]", "reads a file"},
      {"{auth: {upstreamKeyEnv: TOKEN}, variants: [{}]}", "sends a secret"},
      {"{front: {by: proxy, queueMetrics: 'http://e/m', bearerTokenFile: /t}, variants: [{}]}",
       "front.bearerTokenFile reads a file"},
  };
  follow();
  auto trusting = std::make_unique<ClusterModels>(
      client, ClusterModelsOptions{.namespaces = {"serve"}, .trusted = true},
      ClusterModelsHooks{.admit = [](auto&) { return Result<void>(); }, .changed = [] {}});
  trusting->start();
  int n = 0;
  for (const auto& row : rows) {
    const std::string name = "m" + std::to_string(n++), key = "serve/" + name;
    ASSERT_TRUE(put(name, row.spec)) << row.said;
    ASSERT_TRUE(until([&] {
      return followed->entries().contains(key) && !entry(key).faults.empty();
    })) << row.said;
    EXPECT_THAT(entry(key).faults, HasSubstr(row.said));
    EXPECT_THAT(entry(key).faults, HasSubstr("--trust-models"));
    EXPECT_TRUE(until([&] { return trusting->find(name) != nullptr; })) << row.said;
  }
}

TEST_F(ClusterModelsTest, without_its_server_what_is_in_force_stays) {
  ASSERT_TRUE(put("a", kSpec));
  follow();
  ASSERT_TRUE(until([&] { return runs("a"); }));
  const std::size_t asked = server.requests.size();
  server.down = true;
  server.cut_watches();
  ASSERT_TRUE(until([&] { return server.requests.size() > asked + 2; }));
  EXPECT_TRUE(runs("a"));
  server.down = false;
  ASSERT_TRUE(put("b", kSpec));
  EXPECT_TRUE(until([&] { return runs("b"); }));
  EXPECT_TRUE(runs("a"));
}

}  // namespace
}  // namespace tidegate::live
