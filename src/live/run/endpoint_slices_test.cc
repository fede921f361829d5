#include "live/run/endpoint_slices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "live/kube/testing/api_server.h"

namespace tidegate::live {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

class EndpointSlicesTest : public testing::Test {
 protected:
  static constexpr Duration kPatience = seconds(20);

  EndpointSlicesTest() {
    std::ofstream(kubeconfig) << "current-context: c\nclusters: [{name: c, cluster: {server: \""
                              << "http://" << server.address().text()
                              << "\"}}]\nusers: [{name: u, user: {}}]\n"
                                 "contexts: [{name: c, context: {cluster: c, user: u}}]\n";
    spec::KubernetesTarget target;
    target.name = "llm";
    target.ns = "serve";
    target.port = 8000;
    target.kubeconfig = kubeconfig;
    model.name = "m";
    model.variants.push_back({.name = "a"});
    model.variants.push_back({.name = "b", .target = target});
  }
  ~EndpointSlicesTest() override { std::filesystem::remove(kubeconfig); }

  static json endpoint(const std::string& address, const json& conditions) {
    return {{"addresses", {address}}, {"conditions", conditions}};
  }
  void put(const std::string& name, const std::vector<json>& endpoints,
           const std::string& service = "llm") {
    server.put("discovery.k8s.io/v1", "endpointslices",
               {{"metadata",
                 {{"name", name},
                  {"namespace", "serve"},
                  {"labels", {{"kubernetes.io/service-name", service}}}}},
                {"addressType", "IPv4"},
                {"endpoints", endpoints}});
  }
  std::vector<std::string> ready() const { return texts(sight.ready); }
  std::vector<std::string> ending() const { return texts(sight.ending); }
  static std::vector<std::string> texts(const std::set<net::Address>& addresses) {
    std::vector<std::string> out;
    for (const auto& address : addresses) out.push_back(address.text());
    return out;
  }
  void until(const std::function<bool()>& done, const char* what) {
    ASSERT_TRUE(loop->run_until(done, kPatience)) << "never came: " << what;
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  kube::ApiServer server{*loop};
  std::string kubeconfig =
      testing::TempDir() + "/endpoint-slices-" + std::to_string(getpid()) + ".kubeconfig";
  spec::Model model;
  kube::Clusters clusters{*loop};
  int told = 0;
  link::EngineSight sight;
  EndpointSlices slices{clusters, [this](const std::string& name, std::int32_t variant,
                                         const link::EngineSight& seen) {
                          EXPECT_EQ(name, "m");
                          EXPECT_EQ(variant, 1) << "the other has no pods";
                          sight = seen;
                          ++told;
                        }};
};

TEST_F(EndpointSlicesTest, AllSlicesOfAServiceAreOneSightOfItsEngines) {
  put("llm-1",
      {endpoint("10.0.0.1", {{"ready", true}}), endpoint("10.0.0.2", json::object()),
       endpoint("10.0.0.3", {{"ready", false}}),
       endpoint("10.0.0.4", {{"ready", false}, {"terminating", true}, {"serving", true}})});
  put("llm-2", {endpoint("10.0.0.1", {{"terminating", true}}),
                endpoint("10.0.0.5", nullptr),
                json("nonsense"),
                {{"addresses", json::array()}}});
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
  server.erase("discovery.k8s.io/v1", "endpointslices", "serve", "llm-2");
  until([&] { return ready().size() == 1; }, "a slice that is gone");
  EXPECT_THAT(ready(), ElementsAre("10.0.0.2:8000"));
  EXPECT_THAT(ending(), IsEmpty());
}

TEST_F(EndpointSlicesTest, ATargetThatChangedIsFollowedInsteadAndOneThatLeftNoMore) {
  put("llm-1", {endpoint("10.0.0.1", {{"ready", true}})});
  put("new-1", {endpoint("10.0.0.7", {{"ready", true}})}, "new");
  slices.follow({model});
  until([&] { return ready().size() == 1; }, "the first");
  std::get<spec::KubernetesTarget>(model.variants[1].target).name = "new";
  slices.follow({model});
  until([&] { return ready() == std::vector<std::string>{"10.0.0.7:8000"}; }, "the new one");
  slices.follow({});
  const int before = told;
  put("new-1", {endpoint("10.0.0.8", {{"ready", true}})}, "new");
  loop->run_until([] { return false; }, millis(20));
  EXPECT_EQ(told, before);
}

}  // namespace
}  // namespace tidegate::live
