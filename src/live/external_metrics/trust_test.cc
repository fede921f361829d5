#include "live/external_metrics/trust.h"

#include <filesystem>

#include "live/external_metrics/own_certificate.h"
#include "live/external_metrics/reviews.h"
#include "live/external_metrics/test_cluster.h"

namespace tidegate::live::external_metrics {
namespace {

class TrustTest : public TestCluster {};

TEST_F(TrustTest, AConfigMapThatIsWrongIsNamedByItsKey) {
  struct Case {
    const char* label;
    json change;  // of data
    std::string error;
  };
  const Case cases[] = {
      {"a list that is no JSON",
       {{"requestheader-allowed-names", "front-proxy-client"}},
       "requestheader-allowed-names: \"front-proxy-client\" is no JSON list"},
      {"a list of something else",
       {{"requestheader-group-headers", "[1]"}},
       "requestheader-group-headers"},
      {"a CA that is none", {{"client-ca-file", "hello"}}, "client-ca-file: no PEM certificate"},
      {"a CA that is none, of the proxy",
       {{"requestheader-client-ca-file", "hello"}},
       "requestheader-client-ca-file"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.label);
    json map = config_map();
    map["data"].update(c.change);
    auto trust = read_trust(map);
    ASSERT_FALSE(trust);
    EXPECT_NE(trust.error().message.find(c.error), std::string::npos) << trust.error().message;
  }
  EXPECT_FALSE(read_trust({{"metadata", json::object()}}));
  json map = config_map();
  map["data"].erase("requestheader-client-ca-file");
  auto without = read_trust(map);
  ASSERT_TRUE(without) << "a cluster without an aggregator has none";
  EXPECT_EQ(without->front_proxies.size(), 0u);
}

TEST_F(TrustTest, NewCasAreTakenUpAndABadMapLeavesTheOldOnes) {
  tell_trust();
  TrustFollower follower(client, millis(5));
  ASSERT_TRUE(until([&] { return follower.known() != nullptr; }));
  EXPECT_EQ(follower.known()->clients.size(), 1u);
  json two = config_map();
  two["data"]["client-ca-file"] = client_ca.pem() + server_ca.pem();
  api.put("v1", "configmaps", two);
  ASSERT_TRUE(until([&] { return follower.known()->clients.size() == 2; }));
  json bad = config_map();
  bad["data"]["client-ca-file"] = "hello";
  api.put("v1", "configmaps", bad);
  ASSERT_TRUE(until([&] { return !follower.trouble().empty(); }));
  EXPECT_EQ(follower.known()->clients.size(), 2u);
  api.put("v1", "configmaps", config_map());
  EXPECT_TRUE(until([&] { return follower.known()->clients.size() == 1; }));
  EXPECT_EQ(follower.trouble(), "");
}

TEST_F(TrustTest, AMissingRightNamesTheRoleToBind) {
  tell_trust();
  api.forbid.insert("get configmaps");
  TrustFollower follower(client, millis(5));
  ASSERT_TRUE(until([&] { return !follower.trouble().empty(); }));
  EXPECT_NE(follower.trouble().find("extension-apiserver-authentication-reader"), std::string::npos)
      << follower.trouble();
}

TEST_F(TrustTest, OnlySoManyAreAskedAboutAtATime) {
  Reviews reviews(client);
  std::size_t allowed = 0, refused = 0;
  for (std::size_t i = 0; i <= Reviews::kMaxAsking; ++i) {
    const std::string name = "user-" + std::to_string(i);
    may[name] = true;
    reviews.may({.name = name}, {.verb = "get", .path = "/apis"},
                [&](const Verdict<Allowed>& verdict) {
                  if (verdict) ++allowed;
                  if (verdict) return;
                  ++refused;
                  EXPECT_EQ(verdict.error().code, 429);
                  EXPECT_EQ(verdict.error().retry_after, 1);
                });
    EXPECT_EQ(refused, i == Reviews::kMaxAsking ? 1u : 0u);
  }
  EXPECT_TRUE(until([&] { return allowed == Reviews::kMaxAsking; }));
  reviews.may({.name = "user-64"}, {.verb = "get", .path = "/apis"},
              [&](const Verdict<Allowed>& verdict) { allowed += verdict ? 1 : 0; });
  EXPECT_TRUE(until([&] { return allowed == Reviews::kMaxAsking + 1; }));
}

TEST(ShortMemory, ForgetsInTimeAndAllAtOnceBeyondItsLimit) {
  ShortMemory<int> memory(2);
  const Instant now = Instant::from_nanos(0);
  memory.keep("a", 1, now + seconds(10));
  memory.keep("b", 2, now + seconds(5));
  ASSERT_NE(memory.find("a", now + seconds(9)), nullptr);
  EXPECT_EQ(*memory.find("a", now + seconds(9)), 1);
  EXPECT_EQ(memory.find("b", now + seconds(5)), nullptr);
  EXPECT_EQ(memory.size(), 2u);
  memory.keep("c", 3, now + seconds(10));
  EXPECT_EQ(memory.size(), 1u);
  EXPECT_EQ(memory.find("a", now), nullptr);
}

TEST(OwnCertificate, IsMadeOnceAndAnewWhenItNoLongerServes) {
  const std::string folder = ::testing::TempDir() + "/own-" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  const WallTime now = net::WorldClock::wall_now();
  const auto names = names_of_service("serve", "tidegate");
  auto made = own_certificate(folder + "/external-metrics", names, now);
  ASSERT_TRUE(made) << made.error().message;
  const std::string first = kube::read_file(made->certificate).value();
  EXPECT_TRUE(net::stands_for(first, {"tidegate.serve.svc", "127.0.0.1"}, now));
  EXPECT_EQ(std::filesystem::status(made->key).permissions() & std::filesystem::perms(0777),
            std::filesystem::perms(0600));
  auto again = [&](const std::vector<std::string>& of, WallTime at) {
    EXPECT_TRUE(own_certificate(folder + "/external-metrics", of, at));
    return kube::read_file(made->certificate).value();
  };
  EXPECT_EQ(again(names, now), first);
  EXPECT_EQ(again(names, now + (kLifetime - kLeast - seconds(60))), first);
  const std::string second = again(names, now + (kLifetime - kLeast + seconds(60)));
  EXPECT_NE(second, first);
  const std::string third = again(names_of_service("other", "tidegate"), now);
  EXPECT_NE(third, second);
  std::filesystem::remove(made->key);
  EXPECT_NE(again(names_of_service("other", "tidegate"), now), third);
  std::filesystem::remove_all(folder);
  EXPECT_FALSE(own_certificate(folder + "/external-metrics", names, now));
}

}  // namespace
}  // namespace tidegate::live::external_metrics
