#include "live/external_metrics/server.h"

#include <fstream>
#include <sstream>

#include "live/external_metrics/test_cluster.h"
#include "live/kube/testing/recording.h"

namespace tidegate::live::external_metrics {
namespace {

using net::Headers;

Headers headers_of(const std::vector<std::pair<std::string, std::string>>& fields) {
  Headers out;
  for (const auto& [name, value] : fields) out.add(name, value);
  return out;
}

const std::string kValues =
    "/apis/external.metrics.k8s.io/v1beta1/namespaces/serve/tidegate_desired_replicas";

class ServerTest : public TestCluster {
 protected:
  void SetUp() override {
    tell_trust();
    start();
    ASSERT_TRUE(until([&] { return server->ready(); }));
    proxy = front_proxy_ca.issue({.common_name = "front-proxy-client"});
    may["hpa"] = true;
  }
  void start() {
    net::TlsOptions options;
    options.pair = server_ca.issue({.common_name = "tidegate", .names = "IP:127.0.0.1"});
    options.ask = net::AskClient::kForCertificate;
    server = std::make_unique<Server>(
        *loop, client, [this](std::string_view metric, std::string_view ns) {
          return ns == "serve" ? samples[std::string(metric)] : Samples();
        });
    address = server->listen({"127.0.0.1", 0}, net::TlsServer::create(options).value()).value();
  }
  Result<net::Response> get(const std::string& path, const net::KeyPair& pair,
                            const Headers& headers) {
    return ask("https://" + address.text() + path, pair, headers);
  }
  /// As the aggregator passes on what the HPA controller asks.
  net::Response hpa(const std::string& path, const std::string& method = "GET") {
    auto out = ask(
        "https://" + address.text() + path, proxy,
        headers_of({{"X-Remote-User", "hpa"}, {"X-Remote-Group", "system:authenticated"}}), method);
    EXPECT_TRUE(out) << out.error().message;
    return out.value_or(net::Response());
  }
  static json parsed(const net::Response& response) {
    return json::parse(response.body, nullptr, false);
  }

  std::unique_ptr<Server> server;
  net::Address address;
  net::KeyPair proxy;
  std::map<std::string, Samples> samples = {{"tidegate_desired_replicas",
                                             {{{{"model", "m-8b"}, {"variant", "h100"}}, 3},
                                              {{{"model", "m-8b"}, {"variant", "l4"}}, 1.5},
                                              {{{"model", "other"}, {"variant", "l4"}}, 7}}}};
};

TEST_F(ServerTest, EveryCallerIsWhoTheClusterSays) {
  const auto now = net::WorldClock::wall_now();
  net::TestAuthority stranger("front-proxy-ca", now);
  tokens["good"] = {{"username", "hpa"}, {"groups", {"ops"}}};
  may["anna"] = true;
  const net::KeyPair nothing;
  const net::KeyPair anna = client_ca.issue({.common_name = "anna", .organizations = {"dev"}});
  struct Case {
    const char* label;
    net::KeyPair pair;
    std::vector<std::pair<std::string, std::string>> headers;
    int status;
    std::string words;  // in the answer
  };
  const Case cases[] = {
      {"the front proxy speaks for one who may", proxy, {{"X-Remote-User", "hpa"}}, 200, "\"3\""},
      {"the front proxy speaks for one who may not",
       proxy,
       {{"X-Remote-User", "bob"}},
       403,
       R"(User \"bob\" cannot list resource \"tidegate_desired_replicas\" in API group )"
       R"(\"external.metrics.k8s.io\" in the namespace \"serve\": no RBAC rule)"},
      {"the front proxy speaks for nobody", proxy, {}, 401, "names no user"},
      {"headers without a certificate say nothing",
       nothing,
       {{"X-Remote-User", "hpa"}, {"X-Remote-Group", "system:masters"}},
       401,
       "no client certificate and no bearer token"},
      {"headers with a certificate of another CA say nothing",
       stranger.issue({.common_name = "front-proxy-client"}),
       {{"X-Remote-User", "hpa"}},
       401,
       "certificate signature failure"},
      {"headers with an expired certificate say nothing",
       front_proxy_ca.issue({.common_name = "front-proxy-client", .until = seconds(-60)}),
       {{"X-Remote-User", "hpa"}},
       401,
       "certificate has expired"},
      {"a proxy of a name that is not allowed",
       front_proxy_ca.issue({.common_name = "somebody"}),
       {{"X-Remote-User", "hpa"}},
       401,
       "none of requestheader-allowed-names"},
      {"a server's certificate is no client's",
       front_proxy_ca.issue({.common_name = "front-proxy-client", .usage = "serverAuth"}),
       {{"X-Remote-User", "hpa"}},
       401,
       "unsuitable certificate purpose"},
      {"one of the cluster's own CA who may", anna, {}, 200, "\"3\""},
      {"headers of one who is no proxy say nothing",
       client_ca.issue({.common_name = "bob"}),
       {{"X-Remote-User", "hpa"}},
       403,
       R"(User \"bob\")"},
      {"a bearer token of one who may", nothing, {{"Authorization", "Bearer good"}}, 200, "\"3\""},
      {"the scheme is written in any case", nothing, {{"Authorization", "bearer good"}}, 200, ""},
      {"a bearer token the cluster does not know",
       nothing,
       {{"Authorization", "Bearer bad"}},
       401,
       "the token is not accepted"},
      {"a bearer token that is too long",
       nothing,
       {{"Authorization", "Bearer " + std::string(Reviews::kMaxToken + 1, 'x')}},
       401,
       "1 to 16384 bytes"},
      {"another scheme", nothing, {{"Authorization", "Basic aHBhOmhwYQ=="}}, 401, "Unauthorized"},
      {"a certificate that does not count beside a token that does",
       stranger.issue({.common_name = "x"}),
       {{"Authorization", "Bearer good"}},
       200,
       "\"3\""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.label);
    auto answer = get(kValues, c.pair, headers_of(c.headers));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, c.status) << answer->body;
    EXPECT_NE(answer->body.find(c.words), std::string::npos) << answer->body;
    if (c.status == 200) continue;
    json status = parsed(*answer);
    EXPECT_EQ(status["kind"], "Status");
    EXPECT_EQ(status["code"], c.status);
    EXPECT_EQ(status["reason"], c.status == 401 ? "Unauthorized" : "Forbidden");
  }
}

TEST_F(ServerTest, TheApiServerIsAskedAboutTheCallerAsTheProxyNamedHim) {
  auto answer = get(kValues + "?labelSelector=model%3Dm-8b", proxy,
                    headers_of({{"X-Remote-User", "hpa"},
                                {"X-Remote-Uid", "u-1"},
                                {"X-Remote-Group", "b"},
                                {"X-Remote-Group", "a"},
                                {"X-Remote-Extra-Example.org%2fRole", "x"},
                                {"X-Remote-Extra-Example.org%2fRole", "y"}}));
  ASSERT_TRUE(answer);
  ASSERT_EQ(reviewed.size(), 1u);
  EXPECT_EQ(reviewed[0], json({{"user", "hpa"},
                               {"uid", "u-1"},
                               {"groups", {"b", "a", "system:authenticated"}},
                               {"extra", {{"example.org/role", {"x", "y"}}}},
                               {"resourceAttributes",
                                {{"group", "external.metrics.k8s.io"},
                                 {"version", "v1beta1"},
                                 {"resource", "tidegate_desired_replicas"},
                                 {"namespace", "serve"},
                                 {"verb", "list"}}}}));
  may["anna"] = true;
  const net::KeyPair anna = client_ca.issue({.common_name = "anna", .organizations = {"dev"}});
  ASSERT_TRUE(get("/apis", anna, {}));
  ASSERT_EQ(reviewed.size(), 2u);
  EXPECT_EQ(reviewed[1], json({{"user", "anna"},
                               {"groups", {"dev", "system:authenticated"}},
                               {"nonResourceAttributes", {{"path", "/apis"}, {"verb", "get"}}}}));
}

TEST_F(ServerTest, AnswersAboutACallerHoldForAWhileAndMastersAreNotAskedAbout) {
  tokens["good"] = {{"username", "hpa"}};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(get(kValues, {}, headers_of({{"Authorization", "Bearer good"}}))->status, 200);
    EXPECT_EQ(get(kValues, {}, headers_of({{"Authorization", "Bearer bad"}}))->status, 401);
    EXPECT_EQ(get(kValues, proxy, headers_of({{"X-Remote-User", "bob"}}))->status, 403);
    EXPECT_EQ(get(kValues, proxy,
                  headers_of({{"X-Remote-User", "root"}, {"X-Remote-Group", "system:masters"}}))
                  ->status,
              200);
  }
  EXPECT_EQ(token_reviews, 2);
  EXPECT_EQ(reviewed.size(), 2u);  // hpa and bob
}

TEST_F(ServerTest, WithoutTheApiServerNobodyIsAnsweredAndNothingIsKept) {
  api.down = true;
  auto answer = get(kValues, proxy, headers_of({{"X-Remote-User", "hpa"}}));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(parsed(*answer)["reason"], "ServiceUnavailable");
  EXPECT_EQ(answer->headers.get("Retry-After"), "1");
  api.down = false;
  EXPECT_EQ(get(kValues, proxy, headers_of({{"X-Remote-User", "hpa"}}))->status, 200);
}

TEST_F(ServerTest, AMissingRightToAskIsNamed) {
  api.fault = [](const net::Request& request) -> std::optional<kube::Answer> {
    if (request.method != "POST") return std::nullopt;
    return kube::failure(403, "Forbidden", "no");
  };
  auto answer = get(kValues, proxy, headers_of({{"X-Remote-User", "hpa"}}));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_NE(answer->body.find("subjectaccessreviews"), std::string::npos) << answer->body;
  EXPECT_NE(answer->body.find("system:auth-delegator"), std::string::npos) << answer->body;
}

TEST_F(ServerTest, ProbesAreAnsweredToAnybodyAndNothingElseIs) {
  for (const char* path : {"/healthz", "/livez", "/readyz"}) {
    auto answer = get(path, {}, {});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200) << path;
    EXPECT_EQ(answer->body, "ok") << path;
  }
  for (const char* path : {"/", "/metrics", "/apis", "/openapi/v2", "/healthz/x", "/version"}) {
    EXPECT_EQ(get(path, {}, {})->status, 401) << path;
  }
  EXPECT_EQ(hpa("/metrics").status, 404);
}

TEST_F(ServerTest, ValuesArePickedBySelectorAndNoneIsNotZero) {
  struct Case {
    const char* label;
    std::string path;
    int status;
    std::vector<std::string> values;  // in order
    std::string words;
  };
  const std::string base = "/apis/external.metrics.k8s.io/v1beta1/namespaces/";
  const Case cases[] = {
      {"all of a namespace", kValues, 200, {"3", "1500m", "7"}, ""},
      {"by equality", kValues + "?labelSelector=model%3Dm-8b", 200, {"3", "1500m"}, ""},
      {"by a set", kValues + "?labelSelector=variant+in+(h100)%2Cmodel", 200, {"3"}, ""},
      {"what nobody has decided is no item", kValues + "?labelSelector=model%3Dnew", 200, {}, ""},
      {"another namespace", base + "else/tidegate_desired_replicas", 200, {}, ""},
      {"a metric without a value yet", base + "serve/tidegate_queue_tokens", 200, {}, ""},
      {"a metric we do not have", base + "serve/cpu", 404, {}, "there are tidegate_desired_repl"},
      {"a selector that is none", kValues + "?labelSelector=a+within+b", 400, {}, "found 'within'"},
      {"the whole cluster at once",
       "/apis/external.metrics.k8s.io/v1beta1/tidegate_desired_replicas",
       404,
       {},
       "could not find"},
      {"beneath a metric", kValues + "/x", 404, {}, "could not find"},
      {"another version", "/apis/external.metrics.k8s.io/v1", 404, {}, "could not find"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.label);
    net::Response answer = hpa(c.path);
    ASSERT_EQ(answer.status, c.status) << answer.body;
    EXPECT_NE(answer.body.find(c.words), std::string::npos) << answer.body;
    if (c.status != 200) continue;
    json list = parsed(answer);
    EXPECT_EQ(list["kind"], "ExternalMetricValueList");
    EXPECT_EQ(list["apiVersion"], "external.metrics.k8s.io/v1beta1");
    ASSERT_TRUE(list["items"].is_array());
    std::vector<std::string> values;
    for (const json& item : list["items"]) {
      values.push_back(item["value"]);
      EXPECT_EQ(item["metricName"], "tidegate_desired_replicas");
      EXPECT_TRUE(item["metricLabels"].contains("model"));
      EXPECT_EQ(item["timestamp"].get<std::string>().size(), 20u);  // whole seconds, Z
    }
    EXPECT_EQ(values, c.values);
  }
}

TEST_F(ServerTest, WhatAnHpaMustNotHaveIsRefusedWithTheReason) {
  samples["tidegate_desired_replicas"][1].withheld = "Tidegate scales this target itself";
  net::Response answer = hpa(kValues + "?labelSelector=model%3Dm-8b");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(parsed(answer)["message"], "Tidegate scales this target itself");
  EXPECT_EQ(hpa(kValues + "?labelSelector=model%3Dother").status, 200);
}

TEST_F(ServerTest, OnlyReadingIsServed) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH"}) {
    net::Response answer = hpa(kValues, method);
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_EQ(parsed(answer)["reason"], "MethodNotAllowed") << method;
    EXPECT_EQ(answer.headers.get("Allow"), "GET, HEAD") << method;
  }
}

TEST_F(ServerTest, TheDocumentsNameEachOther) {
  json groups = parsed(hpa("/apis"));
  EXPECT_EQ(groups["kind"], "APIGroupList");
  EXPECT_EQ(groups["groups"][0]["name"], "external.metrics.k8s.io");
  json group = parsed(hpa("/apis/external.metrics.k8s.io"));
  EXPECT_EQ(group["preferredVersion"]["groupVersion"], "external.metrics.k8s.io/v1beta1");
  json resources = parsed(hpa("/apis/external.metrics.k8s.io/v1beta1"));
  EXPECT_EQ(resources["kind"], "APIResourceList");
  ASSERT_EQ(resources["resources"].size(), kMetrics.size());
  for (const json& one : resources["resources"]) {
    const std::string name = one["name"];
    EXPECT_EQ(hpa("/apis/external.metrics.k8s.io/v1beta1/namespaces/serve/" + name).status, 200);
  }
  EXPECT_EQ(parsed(hpa("/openapi/v2"))["swagger"], "2.0");
  json index = parsed(hpa("/openapi/v3"));
  for (const auto& [path, entry] : index["paths"].items()) {
    json document = parsed(hpa(entry["serverRelativeURL"]));
    EXPECT_EQ(document["openapi"], "3.0.0");
    EXPECT_TRUE(document["paths"].contains("/" + path + "/namespaces/{namespace}/{metric}"));
  }
}

TEST_F(ServerTest, BeforeTheTrustIsKnownTheProxyWaits) {
  server.reset();
  api.erase("v1", "configmaps", "kube-system", "extension-apiserver-authentication");
  start();
  EXPECT_EQ(get("/readyz", {}, {})->status, 503);
  EXPECT_EQ(get("/livez", {}, {})->status, 200);
  auto answer = get(kValues, proxy, headers_of({{"X-Remote-User", "hpa"}}));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_NE(answer->body.find("whom the cluster trusts"), std::string::npos) << answer->body;
  tokens["good"] = {{"username", "hpa"}};
  EXPECT_EQ(get(kValues, {}, headers_of({{"Authorization", "Bearer good"}}))->status, 200);
}

TEST_F(ServerTest, ItsDeathWhileSomebodyIsAskedAboutHarmsNobody) {
  std::optional<net::Response> seen;
  bool asked = false;
  api.fault = [&](const net::Request& request) -> std::optional<kube::Answer> {
    if (request.path.find("subjectaccessreviews") == std::string::npos) return std::nullopt;
    asked = true;
    loop->defer([this] { server.reset(); });
    return kube::Answer{201, {{"status", {{"allowed", true}}}}, "", {}};
  };
  auto answer = get(kValues, proxy, headers_of({{"X-Remote-User", "hpa"}}));
  EXPECT_TRUE(asked);
  EXPECT_FALSE(answer) << "the connection is broken";
}

TEST_F(ServerTest, RecordedRequestsOfARealClusterAreAnsweredAsRecorded) {
  const char* folder = std::getenv("TIDEGATE_KUBE_RECORDINGS");
  if (folder == nullptr) GTEST_SKIP() << "TIDEGATE_KUBE_RECORDINGS is not set";
  std::ifstream in(std::string(folder) + "/external_metrics.http");
  ASSERT_TRUE(in);
  samples["tidegate_desired_replicas"] = {{{{"model", "m-8b"}}, 4}};
  may["system:aggregator"] = may["system:kube-aggregator"] = true;
  int replayed = 0;
  std::string line, target;
  Headers headers;
  json recorded;
  auto replay = [&] {
    if (target.empty()) return;
    SCOPED_TRACE(target);
    auto answer = get(target, proxy, headers);
    ASSERT_TRUE(answer) << answer.error().message;
    ++replayed;
    if (recorded.is_null()) return;  // 404 of a server without OpenAPI: ours has it
    EXPECT_EQ(answer->status, 200) << answer->body;
    json ours = parsed(*answer);
    EXPECT_EQ(ours["kind"], recorded["kind"]);
    EXPECT_EQ(ours["apiVersion"], recorded["apiVersion"]);
    if (recorded.contains("resources")) {
      EXPECT_EQ(ours["resources"][0], recorded["resources"][0]);
    }
    if (recorded.contains("items")) {
      ASSERT_EQ(ours["items"].size(), 1u);
      ours["items"][0]["timestamp"] = recorded["items"][0]["timestamp"];
      EXPECT_EQ(ours, recorded);
    }
  };
  while (std::getline(in, line)) {
    if (line.starts_with("> GET ")) {
      replay();
      target = line.substr(6);
      headers.clear();
      recorded = nullptr;
    } else if (line.starts_with("> ") && line.find(": ") != std::string::npos && line[2] != '(') {
      const auto colon = line.find(": ");
      const std::string name = line.substr(2, colon - 2);
      if (name != "Host") headers.add(name, line.substr(colon + 2));
    } else if (line.starts_with("< {")) {
      recorded = json::parse(line.substr(2));
    }
  }
  replay();
  EXPECT_EQ(replayed, 7);
}

}  // namespace
}  // namespace tidegate::live::external_metrics
