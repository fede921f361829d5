#include "live/operator/served_definition.h"

#include <gmock/gmock.h>

#include "live/operator/cluster_models.h"
#include "live/operator/cluster_report.h"
#include "live/operator/test_cluster.h"

namespace tidegate::live {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Lacking, names_the_outermost_path_that_is_not_declared) {
  const auto object = [](const json& properties) {
    return json{{"type", "object"}, {"properties", properties}};
  };
  const json text = {{"type", "string"}};
  const json list = {{"type", "array"}, {"items", object({{"name", text}, {"reason", text}})}};
  const json ours = object({{"kind", text},
                            {"spec", object({{"slo", object({{"ttft", text}})}})},
                            {"status", object({{"ready", text}, {"variants", list}})}});
  const json shorter = {{"type", "array"}, {"items", object({{"name", text}})}};
  const json open = {{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}};
  struct Row {
    const char* label;
    json theirs;
    std::vector<std::string> lacks;
  };
  const Row rows[] = {
      {"the same", ours, {}},
      {"one that says more is newer than we are",
       object({{"spec", object({{"slo", open}, {"more", text}})},
               {"status", object({{"ready", text}, {"variants", list}})}}),
       {}},
      {"a whole section", object({{"spec", object({})}, {"status", open}}), {"spec.slo"}},
      {"a field in the elements of a list",
       object({{"spec", open}, {"status", object({{"ready", text}, {"variants", shorter}})}}),
       {"status.variants.reason"}},
      {"nothing of it", object({}), {"spec.slo", "status.ready", "status.variants"}},
  };
  for (const Row& row : rows) EXPECT_EQ(lacking(row.theirs, ours), row.lacks) << row.label;
}

/// An API server whose definition was made by a Tidegate that knew no sleepers and no queue.
class OlderDefinition : public ::testing::Test, protected TestCluster {
 protected:
  const kube::Resource definitions{"apiextensions.k8s.io/v1", "customresourcedefinitions", ""};

  void define(bool older) {
    json crd = json::parse(format::crd_json());
    crd["metadata"]["resourceVersion"] =
        (*server.find(definitions.api_version, definitions.plural, "",
                      "models.tidegate.dev"))["metadata"]["resourceVersion"];
    json& schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    if (older) {
      schema["spec"]["properties"].erase("queue");
      schema["status"]["properties"].erase("sleepingReplicas");
      schema["status"]["properties"]["variants"]["items"]["properties"].erase("sleepingReplicas");
    }
    auto made = ask(kube::replace(definitions, "models.tidegate.dev", crd));
    ASSERT_TRUE(made) << made.error().message;
  }
};

TEST_F(OlderDefinition, status_and_event_say_so_and_the_rest_of_the_status_is_written) {
  define(true);
  ASSERT_TRUE(put("m", "{variants: [{name: v, target: {kubernetes: {name: m, port: 8000}}}]}"));
  ClusterModels followed(client, {.namespaces = {"serve"}},
                         {.admit = [](auto&) { return Result<void>(); }, .changed = [] {}});
  followed.start();
  ClusterReport report(client, followed, "pod-a", {.least = millis(1), .numbers = millis(1)});
  ModelSight sight;
  sight.variants = {{.name = "v", .ready = 2, .desired = 3, .sleeping = 1}};
  net::Loop::TimerId timer{};
  std::function<void()> again = [&] {
    report.look([&](const std::string&) { return sight; });
    timer = loop->after(millis(1), again);
  };
  again();
  auto warned = [&] {
    const json said = status("m").value("conditions", json::array());
    return said.empty() ? std::string() : said[0].value("message", "");
  };
  EXPECT_TRUE(until([&] { return !warned().empty() && !events().empty(); })) << status("m");
  loop->cancel(timer);
  EXPECT_EQ(status("m").value("replicas", ""), "2/3") << "what can be told is";
  EXPECT_THAT(warned(), AllOf(HasSubstr("lacks spec.queue, status.sleepingReplicas, "
                                        "status.variants.sleepingReplicas: "),
                              HasSubstr("tidegate schema --crd | kubectl apply -f -")));
  EXPECT_EQ(events()[0]["reason"], "OutdatedDefinition");
  EXPECT_EQ(events()[0]["type"], "Warning");
}

TEST_F(OlderDefinition, once_it_is_the_one_of_now_nothing_is_left_out_any_more) {
  define(true);
  ServedDefinition definition(client);
  auto looked = [&](Instant now, bool outdated) {
    definition.look(now);
    return until([&] { return definition.warning().empty() != outdated; });
  };
  const Instant now = loop->now();
  ASSERT_TRUE(looked(now, true));
  const json status = {{"sleepingReplicas", 1}, {"variants", {{{"name", "v"}}}}};
  EXPECT_FALSE(definition.kept(status).contains("sleepingReplicas"));
  define(false);
  ASSERT_TRUE(looked(now + 2 * ServedDefinition::kAgain, false));
  EXPECT_EQ(definition.kept(status), status);
}

}  // namespace
}  // namespace tidegate::live
