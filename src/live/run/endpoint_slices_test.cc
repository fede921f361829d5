#include "live/run/endpoint_slices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "live/kube/testing/given_server.h"

namespace tidegate::live {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// On the API server in this process, or a real one (KUBEBUILDER_ASSETS). Nothing there makes
/// endpoint slices: the tests do.
class EndpointSlicesTest : public testing::Test {
 protected:
  static constexpr Duration kPatience = seconds(20);

  EndpointSlicesTest() {
    std::ofstream(kubeconfig) << given.kubeconfig();
    model.name = "m";
    model.variants.push_back({.name = "a"});
    model.variants.push_back({.name = "b", .target = target("llm")});
  }
  ~EndpointSlicesTest() override { std::filesystem::remove(kubeconfig); }

  spec::KubernetesTarget target(const std::string& name) const {
    spec::KubernetesTarget out;
    out.name = name;
    out.ns = given.ns;
    out.port = 8000;
    out.kubeconfig = kubeconfig;
    return out;
  }
  static json endpoint(const std::string& address, const json& conditions) {
    return {{"addresses", {address}}, {"conditions", conditions}};
  }
  void put(const std::string& name, const std::vector<json>& endpoints,
           const std::string& service = "llm") {
    given.objects().put("discovery.k8s.io/v1", "endpointslices",
                        {{"apiVersion", "discovery.k8s.io/v1"},
                         {"kind", "EndpointSlice"},
                         {"metadata",
                          {{"name", name},
                           {"namespace", given.ns},
                           {"labels", {{"kubernetes.io/service-name", service}}}}},
                         {"addressType", "IPv4"},
                         {"endpoints", endpoints}});
  }
  void deploy(const std::string& name, const json& labels) {
    given.objects().put(
        "apps/v1", "deployments",
        {{"apiVersion", "apps/v1"},
         {"kind", "Deployment"},
         {"metadata", {{"name", name}, {"namespace", given.ns}}},
         {"spec",
          {{"replicas", 0},
           {"selector", {{"matchLabels", {{"app", name}}}}},
           {"template",
            {{"metadata", {{"labels", labels}}},
             {"spec", {{"containers", {{{"name", "engine"}, {"image", "engine:1"}}}}}}}}}}});
  }
  void serve(const std::string& name, const json& selector) {
    given.objects().put("v1", "services",
                        {{"apiVersion", "v1"},
                         {"kind", "Service"},
                         {"metadata", {{"name", name}, {"namespace", given.ns}}},
                         {"spec", {{"clusterIP", "None"}, {"selector", selector}}}});
  }
  std::vector<std::string> ready(const std::string& variant = "b") {
    return texts(sights[variant].ready);
  }
  std::vector<std::string> ending() { return texts(sights["b"].ending); }
  static std::vector<std::string> texts(const std::set<net::Address>& addresses) {
    std::vector<std::string> out;
    for (const auto& address : addresses) out.push_back(address.text());
    return out;
  }
  ServiceChoice chosen(const std::string& variant = "b") const {
    for (const ServiceView& view : slices.services("m")) {
      if (view.variant == variant) return view.choice;
    }
    return {"no such variant", ""};
  }
  void until(const std::function<bool()>& done, const char* what) {
    ASSERT_TRUE(loop->run_until(done, kPatience)) << "never came: " << what;
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  kube::GivenServer given{*loop};
  std::string kubeconfig =
      testing::TempDir() + "/endpoint-slices-" + std::to_string(getpid()) + ".kubeconfig";
  spec::Model model;
  kube::Clusters clusters{*loop};
  int told = 0;
  std::map<std::string, link::EngineSight> sights;  ///< by variant
  EndpointSlices slices{
      *loop, clusters,
      [this](const std::string& name, std::int32_t variant, const link::EngineSight& seen) {
        EXPECT_EQ(name, "m");
        sights[model.variants[static_cast<std::size_t>(variant)].name] = seen;
        ++told;
      }};
};

TEST_F(EndpointSlicesTest, AllSlicesOfAServiceAreOneSightOfItsEngines) {
  put("llm-1",
      {endpoint("10.0.0.1", {{"ready", true}}), endpoint("10.0.0.2", json::object()),
       endpoint("10.0.0.3", {{"ready", false}}),
       endpoint("10.0.0.4", {{"ready", false}, {"terminating", true}, {"serving", true}})});
  std::vector<json> more = {endpoint("10.0.0.1", {{"terminating", true}}),
                            endpoint("10.0.0.5", json::object())};
  if (given.real == nullptr) {  // a real server stores no such thing
    more.insert(more.end(), {json("nonsense"), {{"addresses", json::array()}}});
  }
  put("llm-2", more);
  put("other-1", {endpoint("10.9.9.9", {{"ready", true}})}, "other");
  slices.follow({model});
  EXPECT_EQ(told, 0) << "never from inside";
  until([&] { return told > 0; }, "the first sight");
  EXPECT_THAT(ready(), ElementsAre("10.0.0.1:8000", "10.0.0.2:8000", "10.0.0.5:8000"));
  EXPECT_THAT(ending(), ElementsAre("10.0.0.4:8000"));

  put("llm-1", {endpoint("10.0.0.2", {{"ready", true}})});
  until([&] { return ready().size() == 2; }, "a slice that changed");
  EXPECT_THAT(ready(), ElementsAre("10.0.0.2:8000", "10.0.0.5:8000"));
  EXPECT_THAT(ending(), ElementsAre("10.0.0.1:8000")) << "as the other slice says";
  given.objects().remove("discovery.k8s.io/v1", "endpointslices", given.ns, "llm-2");
  until([&] { return ready().size() == 1; }, "a slice that is gone");
  EXPECT_THAT(ready(), ElementsAre("10.0.0.2:8000"));
  EXPECT_THAT(ending(), IsEmpty());
}

TEST_F(EndpointSlicesTest, ATargetThatChangedIsFollowedInsteadAndOneThatLeftNoMore) {
  put("llm-1", {endpoint("10.0.0.1", {{"ready", true}})});
  put("new-1", {endpoint("10.0.0.7", {{"ready", true}})}, "new");
  slices.follow({model});
  until([&] { return ready().size() == 1; }, "the first");
  model.variants[1].target = target("new");
  slices.follow({model});
  until([&] { return ready() == std::vector<std::string>{"10.0.0.7:8000"}; }, "the new one");
  slices.follow({});
  const int before = told;
  put("new-1", {endpoint("10.0.0.8", {{"ready", true}})}, "new");
  loop->run_until([] { return false; }, millis(20));
  EXPECT_EQ(told, before);
}

TEST_F(EndpointSlicesTest, TheServiceIsTheOneThatPicksThePodsWhateverItIsCalled) {
  deploy("llm", {{"app", "llm"}, {"tidegate.dev/awake", "true"}});
  serve("vllm-engines", {{"app", "llm"}, {"tidegate.dev/awake", "true"}});
  serve("web", {{"app", "web"}});
  put("vllm-engines-x", {endpoint("10.0.0.1", {{"ready", true}})}, "vllm-engines");
  put("web-x", {endpoint("10.9.9.9", {{"ready", true}})}, "web");
  slices.follow({model});
  until([&] { return ready() == std::vector<std::string>{"10.0.0.1:8000"}; }, "its endpoints");
  EXPECT_EQ(chosen(),
            (ServiceChoice{"vllm-engines", "picks its pods by app=llm,tidegate.dev/awake=true"}));

  serve("llm", {{"app", "llm"}});
  put("llm-x", {endpoint("10.0.0.2", {{"ready", true}})}, "llm");
  until([&] { return ready() == std::vector<std::string>{"10.0.0.2:8000"}; }, "its namesake's");
  given.objects().remove("v1", "services", given.ns, "llm");
  until([&] { return ready() == std::vector<std::string>{"10.0.0.1:8000"}; }, "the other's again");
  given.objects().remove("v1", "services", given.ns, "vllm-engines");
  until([&] { return chosen().service.empty(); }, "that there is none");
  EXPECT_THAT(chosen().why, HasSubstr("no Service picks the pods of llm"));
}

TEST_F(EndpointSlicesTest, AServiceForBothVariantsIsNoneOfEither) {
  model.variants[0].target = target("first");
  for (const char* name : {"first", "llm"}) deploy(name, {{"app", name}, {"part", "serving"}});
  serve("all", {{"part", "serving"}});
  serve("first-only", {{"app", "first"}});
  put("all-x", {endpoint("10.9.9.9", {{"ready", true}})}, "all");
  put("first-x", {endpoint("10.0.0.1", {{"ready", true}})}, "first-only");
  slices.follow({model});
  until([&] { return ready("a") == std::vector<std::string>{"10.0.0.1:8000"}; }, "of one its own");
  until([&] { return chosen("b").why.find("picks the pods of m/a as well") != std::string::npos; },
        "of the other none");
  EXPECT_THAT(ready("b"), IsEmpty());
}

TEST_F(EndpointSlicesTest, WithoutARightItIsTheServiceOfTheTargetsNameAndThatIsSaid) {
  ONLY_IN_THIS_PROCESS(given);
  deploy("llm", {{"app", "llm"}});
  serve("vllm-engines", {{"app", "llm"}});
  put("llm-x", {endpoint("10.0.0.1", {{"ready", true}})}, "llm");
  given.in_process.forbid = {"list services", "get deployments"};
  slices.follow({model});
  until([&] { return ready() == std::vector<std::string>{"10.0.0.1:8000"}; }, "by its name");
  EXPECT_EQ(chosen().service, "llm");
  EXPECT_THAT(chosen().why, HasSubstr("services"));
}

}  // namespace
}  // namespace tidegate::live
