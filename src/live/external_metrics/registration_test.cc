#include "live/external_metrics/registration.h"

#include "live/external_metrics/test_cluster.h"

namespace tidegate::live::external_metrics {
namespace {

class RegistrationTest : public TestCluster {
 protected:
  void start(Write write) {
    registration = std::make_unique<Registration>(
        client, ServiceName{"serve", "tidegate", 443, write}, [this] { return ca; }, millis(5));
  }
  void put(const std::string& ns, const std::string& name, const std::string& ca_pem) {
    api.put("apiregistration.k8s.io/v1", "apiservices", api_service({ns, name, 443}, ca_pem));
  }
  json stored() const {
    auto object = api.find("apiregistration.k8s.io/v1", "apiservices", "", kApiServiceName);
    return object ? *object : json();
  }
  std::size_t writes() const {
    std::size_t out = 0;
    for (const std::string& one : api.requests) out += one.starts_with("GET") ? 0 : 1;
    return out;
  }
  /// It has looked at least twice more: what it does once it would have done.
  bool looks_again() {
    const std::size_t before = api.requests.size();
    return until([&] { return api.requests.size() >= before + 4; });
  }

  std::string ca = "the CA";
  std::unique_ptr<Registration> registration;
};

TEST_F(RegistrationTest, WithoutBeingAskedToNothingIsWritten) {
  start(Write::kNo);
  ASSERT_TRUE(until([&] { return registration->standing() == Standing::kNone; }));
  put("serve", "tidegate", "another CA");
  ASSERT_TRUE(until([&] { return registration->standing() == Standing::kOurs; }));
  EXPECT_TRUE(looks_again());
  EXPECT_EQ(writes(), 0u);
}

TEST_F(RegistrationTest, WhoDoesNotLeadWritesNothingUntilItDoes) {
  ca = "";
  start(Write::kYes);
  EXPECT_TRUE(until([&] { return api.requests.size() >= 4; }));
  EXPECT_EQ(writes(), 0u) << "there is none";
  put("serve", "tidegate", "the CA of the leader before");
  ASSERT_TRUE(until([&] { return registration->standing() == Standing::kOurs; }));
  EXPECT_TRUE(looks_again());
  EXPECT_EQ(writes(), 0u) << "there is one of another CA";
  ca = "the CA";
  EXPECT_TRUE(until([&] { return stored()["spec"]["caBundle"] == kube::encode_base64("the CA"); }));
}

TEST_F(RegistrationTest, WhereThereIsNoneItIsMadeAndKeptUpToDate) {
  start(Write::kYes);
  ASSERT_TRUE(until([&] { return registration->standing() == Standing::kOurs; }));
  json made = stored();
  EXPECT_EQ(made["spec"]["group"], "external.metrics.k8s.io");
  EXPECT_EQ(made["spec"]["version"], "v1beta1");
  EXPECT_EQ(made["spec"]["service"],
            json({{"namespace", "serve"}, {"name", "tidegate"}, {"port", 443}}));
  EXPECT_EQ(made["spec"]["caBundle"], kube::encode_base64("the CA"));
  EXPECT_TRUE(looks_again());
  EXPECT_EQ(writes(), 1u);
  ca = "the next CA";
  ASSERT_TRUE(
      until([&] { return stored()["spec"]["caBundle"] == kube::encode_base64("the next CA"); }));
  EXPECT_TRUE(looks_again());
  EXPECT_EQ(writes(), 2u);
}

TEST_F(RegistrationTest, WhatIsSomebodyElsesIsNeverTouched) {
  put("keda", "keda-operator-metrics-apiserver", "KEDA's CA");
  const json before = stored();
  start(Write::kYes);
  ASSERT_TRUE(until([&] { return registration->standing() == Standing::kForeign; }));
  EXPECT_EQ(registration->owner(), "keda/keda-operator-metrics-apiserver");
  EXPECT_TRUE(looks_again());
  EXPECT_EQ(writes(), 0u);
  EXPECT_EQ(stored(), before);
}

TEST_F(RegistrationTest, WhoTakesItOverInBetweenKeepsIt) {
  put("serve", "tidegate", "an old CA");
  bool taken = false;
  api.fault = [&](const net::Request& request) -> std::optional<kube::Answer> {
    if (request.method == "PATCH" && !taken) {
      taken = true;
      put("keda", "keda-operator-metrics-apiserver", "KEDA's CA");
    }
    return std::nullopt;
  };
  start(Write::kYes);
  ASSERT_TRUE(until([&] { return registration->standing() == Standing::kForeign; }));
  EXPECT_TRUE(taken);
  EXPECT_EQ(stored()["spec"]["service"]["namespace"], "keda");
  EXPECT_EQ(stored()["spec"]["caBundle"], kube::encode_base64("KEDA's CA"));
}

TEST_F(RegistrationTest, AnApiServerThatDoesNotAnswerIsAskedAgain) {
  api.down = true;
  start(Write::kYes);
  EXPECT_TRUE(looks_again());
  EXPECT_EQ(registration->standing(), Standing::kUnknown);
  api.down = false;
  EXPECT_TRUE(until([&] { return registration->standing() == Standing::kOurs; }));
}

}  // namespace
}  // namespace tidegate::live::external_metrics
