#pragma once
// For tests: a cluster that knows its callers: an API server that reviews tokens and rights, its
// CAs, and callers with their certificates.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "live/kube/testing/api_server.h"
#include "live/net/clock.h"
#include "live/net/curl/curl_client.h"
#include "live/net/tls/test_authority.h"

namespace tidegate::live::external_metrics {

using nlohmann::json;
constexpr Duration kPatience = seconds(20);

class TestCluster : public ::testing::Test {
 protected:
  TestCluster()
      : front_proxy_ca("front-proxy-ca", net::WorldClock::wall_now()),
        client_ca("cluster-ca", net::WorldClock::wall_now()),
        server_ca("server-ca", net::WorldClock::wall_now()) {
    kube::ServedKind kind{"apiregistration.k8s.io", "v1", "apiservices", "apiservice",
                          "APIService"};
    kind.namespaced = false;
    api.serve(kind);
    api.fault = [this](const net::Request& request) { return review(request); };
    client = std::make_shared<kube::KubeClient>(*loop, api.access());
  }

  json config_map() const {
    return {{"metadata",
             {{"name", "extension-apiserver-authentication"}, {"namespace", "kube-system"}}},
            {"data",
             {{"client-ca-file", client_ca.pem()},
              {"requestheader-client-ca-file", front_proxy_ca.pem()},
              {"requestheader-allowed-names", R"(["front-proxy-client"])"},
              {"requestheader-username-headers", R"(["X-Remote-User"])"},
              {"requestheader-uid-headers", R"(["X-Remote-Uid"])"},
              {"requestheader-group-headers", R"(["X-Remote-Group"])"},
              {"requestheader-extra-headers-prefix", R"(["X-Remote-Extra-"])"}}}};
  }
  void tell_trust() { api.put("v1", "configmaps", config_map()); }
  bool until(const std::function<bool()>& done) { return loop->run_until(done, kPatience); }

  /// One request of a caller who shows `pair`, if any.
  Result<net::Response> ask(const std::string& url, const net::KeyPair& pair,
                            const net::Headers& headers = {}, const std::string& method = "GET") {
    auto tls = std::make_shared<net::Tls>();
    tls->ca_pem = server_ca.pem();
    tls->certificate_pem = pair.certificate_pem;
    tls->key_pem = pair.key_pem;
    net::CurlRequest request;
    request.method = method;
    request.url = url;
    request.headers = headers;
    request.tls = tls;
    Result<net::Response> out = fail("no answer");
    bool answered = false;
    net::CurlClient curl(*loop);
    curl.fetch(std::move(request), [&](Result<net::Response> response) {
      out = std::move(response);
      answered = true;
    });
    EXPECT_TRUE(until([&] { return answered; }));
    return out;
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  net::TestAuthority front_proxy_ca, client_ca, server_ca;
  kube::ApiServer api{*loop};
  std::shared_ptr<kube::KubeClient> client;

  std::map<std::string, json> tokens;  ///< bearer token -> its user
  std::map<std::string, bool> may;     ///< user -> allowed; others: not
  std::vector<json> reviewed;          ///< specs of SubjectAccessReviews
  int token_reviews = 0;

 private:
  std::optional<kube::Answer> review(const net::Request& request) {
    if (request.method != "POST") return std::nullopt;
    json body = json::parse(request.body);
    if (request.path == "/apis/authentication.k8s.io/v1/tokenreviews") {
      ++token_reviews;
      auto known = tokens.find(body["spec"]["token"]);
      body["status"] = {{"authenticated", known != tokens.end()}};
      if (known != tokens.end()) body["status"]["user"] = known->second;
    } else if (request.path == "/apis/authorization.k8s.io/v1/subjectaccessreviews") {
      reviewed.push_back(body["spec"]);
      const bool allowed = may[body["spec"]["user"].get<std::string>()];
      body["status"] = {{"allowed", allowed}};
      if (!allowed) body["status"]["reason"] = "no RBAC rule";
    } else {
      return std::nullopt;
    }
    return kube::Answer{201, body, "", {}};
  }
};

}  // namespace tidegate::live::external_metrics
