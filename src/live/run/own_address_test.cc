#include "live/run/own_address.h"

#include <gtest/gtest.h>

namespace tidegate::live {
namespace {

TEST(OwnAddress, is_where_others_find_us) {
  struct Case {
    const char* label;
    net::Address listen;
    const char* server;
    const char* host;  // empty: an error
  };
  const Case cases[] = {
      {"who listens at one address is found there", {"10.1.2.3", 8443}, "https://x", "10.1.2.3"},
      {"at all: from where the API server is reached",
       {"0.0.0.0", 8443},
       "http://127.0.0.1:80",
       "127.0.0.1"},
      {"a path and no port", {"0.0.0.0", 1}, "https://127.0.0.1/k8s/clusters/c", "127.0.0.1"},
      {"at all of IPv6", {"::", 8443}, "https://[::1]:6443", "::1"},
      {"no port after brackets", {"::", 8443}, "https://[::1]", "::1"},
      {"a name", {"0.0.0.0", 8443}, "https://localhost:6443", "127.0.0.1"},
      {"a server that nobody knows", {"0.0.0.0", 8443}, "https://no.such.invalid", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.label);
    auto host = own_host(c.listen, c.server);
    if (*c.host == 0) {
      ASSERT_FALSE(host);
      EXPECT_NE(host.error().message.find("listen at one address"), std::string::npos);
    } else if (std::string_view(c.label) == "a name") {
      ASSERT_TRUE(host) << host.error().message;
      EXPECT_TRUE(*host == "127.0.0.1" || *host == "::1") << *host;
    } else {
      ASSERT_TRUE(host) << host.error().message;
      EXPECT_EQ(*host, c.host);
    }
  }
}

}  // namespace
}  // namespace tidegate::live
