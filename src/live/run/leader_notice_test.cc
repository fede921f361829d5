#include "live/run/leader_notice.h"

#include <gtest/gtest.h>

namespace tidegate::live {
namespace {

TEST(LeaderNotice, WhatIsLeftInTheLeaseIsReadAgain) {
  const Leader metrics{{"10.0.0.7", 8443}, "PEM\nPEM\n", "tidegate.serve.svc"};
  const Leader gateways{{"::1", 8083}, "", ""};
  const std::string text = notice_text({{"externalMetrics", metrics}, {"gateways", gateways}});
  for (const auto& [service, told] :
       {std::pair("externalMetrics", metrics), {"gateways", gateways}}) {
    const auto read = leader_in(text, service);
    ASSERT_TRUE(read) << service;
    EXPECT_EQ(read->address, told.address);
    EXPECT_EQ(read->certificate_pem, told.certificate_pem);
    EXPECT_EQ(read->server_name, told.server_name);
  }
  EXPECT_FALSE(leader_in(text, "other")) << "a service that is not there";
}

TEST(LeaderNotice, WhatIsNoNoticeSaysNothing) {
  for (const char* text :
       {"", "x", "[]", "{}", R"({"gateways": 1})", R"({"gateways": {}})",
        R"({"gateways": {"address": "x:y", "certificate": "", "serverName": ""}})",
        R"({"gateways": {"address": "x:1", "certificate": null, "serverName": ""}})"}) {
    EXPECT_FALSE(leader_in(text, "gateways")) << text;
  }
}

}  // namespace
}  // namespace tidegate::live
