#include "live/kube/testing/real_server.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "live/kube/testing/objects.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
namespace files = std::filesystem;

/// A folder as KUBEBUILDER_ASSETS names it: Debian's etcd, and kube_stub for the API server.
class RealServerTest : public ::testing::Test {
 protected:
  RealServerTest() {
    std::string pattern = (files::temp_directory_path() / "assets-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~RealServerTest() override { files::remove_all(folder); }
  void program(const std::string& name, const std::string& to) {
    files::create_symlink(to, folder + "/" + name);
  }
  auto start() { return RealServer::start(folder, folder + "/run"); }

  std::string folder;
};

#define NEEDS_ETCD() \
  if (!files::exists("/usr/bin/etcd")) GTEST_SKIP() << "no /usr/bin/etcd: install etcd-server"

TEST_F(RealServerTest, both_programs_are_started_used_and_gone_with_their_files) {
  NEEDS_ETCD();
  program("etcd", "/usr/bin/etcd");
  program("kube-apiserver", KUBE_STUB);
  auto real = start();
  ASSERT_TRUE(real) << real.error().message;
  EXPECT_THAT((*real)->access().server, HasSubstr("https://127.0.0.1:"));
  std::string ns = (*real)->new_namespace();
  EXPECT_NE(ns, (*real)->new_namespace());
  auto config = read_kubeconfig((*real)->kubeconfig(ns), "x", "");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->ns, ns);
  RemoteObjects objects(*config);
  objects.put("v1", "configmaps", {{"metadata", {{"name", "a"}, {"namespace", ns}}}});
  EXPECT_EQ(objects.find("v1", "configmaps", ns, "a")["kind"], "ConfigMap");
  Access stranger = *config;
  stranger.identity.token = "x";
  EXPECT_EQ(RemoteObjects(stranger).ask(get({"v1", "configmaps", ns}, "a")).error().code, 401);
  real->reset();
  EXPECT_FALSE(files::exists(folder + "/run"));
  auto gone = objects.ask(get({"v1", "configmaps", ns}, "a"));
  ASSERT_FALSE(gone);
  EXPECT_TRUE(gone.error().no_answer());
}

TEST_F(RealServerTest, what_does_not_start_is_named_with_its_last_words) {
  auto nothing = start();
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().message, HasSubstr("no program etcd"));
  std::ofstream(folder + "/broken") << "#!/bin/sh\necho no space left for etcd >&2\nexit 1\n";
  files::permissions(folder + "/broken", files::perms::owner_all);
  program("etcd", folder + "/broken");
  program("kube-apiserver", KUBE_STUB);
  auto broken = start();
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("etcd ended; its last words:\nno space left"));
}

class RemoteObjectsTest : public RealServerTest {};

/// What a controller does in one write of the store takes several of the API.
TEST_F(RemoteObjectsTest, an_object_is_brought_to_what_is_wanted_in_the_ways_the_api_has) {
  NEEDS_ETCD();
  program("etcd", "/usr/bin/etcd");
  program("kube-apiserver", KUBE_STUB);
  auto real = start();
  ASSERT_TRUE(real) << real.error().message;
  std::string ns = (*real)->new_namespace();
  RemoteObjects objects((*real)->access());
  auto pod = [&] { return objects.find("v1", "pods", ns, "p"); };
  objects.put("v1", "pods",
              {{"metadata", {{"name", "p"}, {"namespace", ns}, {"labels", {{"app", "m"}}}}},
               {"spec", {{"containers", json::array({{{"name", "c"}, {"image", "i"}}})}}},
               {"status", {{"phase", "Pending"}}}});
  EXPECT_EQ(pod()["status"]["phase"], "Pending");
  json wanted = pod();
  wanted["spec"]["nodeName"] = "node-1";
  wanted["status"]["podIP"] = "127.1.0.2";
  wanted["metadata"]["annotations"] = {{"a", "1"}};
  objects.put("v1", "pods", wanted);
  EXPECT_EQ(pod()["spec"]["nodeName"], "node-1");
  EXPECT_EQ(pod()["status"]["podIP"], "127.1.0.2");
  EXPECT_EQ(pod()["metadata"]["annotations"]["a"], "1");
  wanted["metadata"]["annotations"]["a"] = "2";
  wanted["status"].erase("podIP");
  objects.put("v1", "pods", wanted);
  EXPECT_EQ(pod()["metadata"]["annotations"]["a"], "1") << "read before another's write";
  EXPECT_FALSE(pod()["status"].contains("podIP"));
  wanted = pod();
  wanted["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z";
  objects.put("v1", "pods", wanted);
  EXPECT_TRUE(pod()["metadata"].contains("deletionTimestamp")) << "it has a kubelet to end it";
  objects.remove("v1", "pods", ns, "p");
  EXPECT_TRUE(pod().is_null());
  objects.remove("v1", "pods", ns, "p");
}

}  // namespace
}  // namespace tidegate::live::kube
