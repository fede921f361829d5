#include "live/gateway/forwarding.h"

#include <gtest/gtest.h>

namespace tidegate::live {
namespace {

net::Headers headers(std::initializer_list<std::pair<const char*, const char*>> list) {
  net::Headers h;
  for (auto [name, value] : list) h.add(name, value);
  return h;
}

TEST(Forwarding, FieldsOfOneHopStayHere) {
  net::Headers given = headers({{"Connection", "close , X-Mine,x-Also"},
                                {"x-mine", "1"},
                                {"X-Also", "1"},
                                {"Proxy-Authorization", "1"},
                                {"TE", "trailers"},
                                {"Upgrade", "h2c"},
                                {"Trailer", "x"},
                                {"Transfer-Encoding", "chunked"},
                                {"Content-Type", "application/json"}});
  for (const net::Headers& out : {to_engine(given, "", "id"), to_client(given, "id")}) {
    ASSERT_EQ(out.all().size(), 2u);
    EXPECT_EQ(out.get("content-type"), "application/json");
    EXPECT_EQ(out.get("x-request-id"), "id");
  }
}

TEST(Forwarding, KeysMatchWholeOnly) {
  const std::vector<std::string> keys = {"alpha", "beta"};
  EXPECT_EQ(match_key(keys, "alpha"), 0);
  EXPECT_EQ(match_key(keys, "beta"), 1);
  for (const char* wrong : {"", "alph", "alphaa", "Alpha", "alphabeta"}) {
    EXPECT_EQ(match_key(keys, wrong), -1) << wrong;
  }
  EXPECT_EQ(match_key({}, ""), -1);
  EXPECT_TRUE(constant_time_equal("", ""));
}

TEST(Forwarding, RequestIdsThatCouldForgeALineAreNotTaken) {
  EXPECT_TRUE(sane_request_id("abc-123"));
  EXPECT_TRUE(sane_request_id(std::string(128, 'a')));
  for (const std::string& bad :
       {std::string(), std::string(129, 'a'), std::string("a b"), std::string("a\tb"),
        std::string("a\x7f"), std::string("\xc3\xa9")}) {
    EXPECT_FALSE(sane_request_id(bad)) << bad;
  }
}

}  // namespace
}  // namespace tidegate::live
