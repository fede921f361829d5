#include "live/admin/admin.h"

#include <gtest/gtest.h>

#include "live/net/http_client.h"

namespace tidegate::live {
namespace {

TEST(WallTime, ReadsRfc3339AndPrintsItBack) {
  struct Row {
    const char* label;
    const char* in;
    const char* out;
  };
  for (const Row& row :
       {Row{"UTC", "2026-11-22T06:30:00Z", "2026-11-22T06:30:00.000Z"},
        Row{"with a fraction", "2026-11-22T06:30:00.25Z", "2026-11-22T06:30:00.250Z"},
        Row{"east of UTC", "2026-11-22T07:30:00+01:00", "2026-11-22T06:30:00.000Z"},
        Row{"a leap day", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"},
        Row{"seconds", "0", "1970-01-01T00:00:00.000Z"}}) {
    auto t = parse_wall_time(row.in);
    ASSERT_TRUE(t) << row.label;
    EXPECT_EQ(format_wall_time(*t), row.out) << row.label;
  }
  for (const char* bad : {"", "now", "2026-11-22", "2026-13-01T00:00:00Z", "2026-11-22T06:30:00",
                          "2026-11-22T06:30:00+1:00", "-5"}) {
    EXPECT_FALSE(parse_wall_time(bad)) << bad;
  }
}

class Admin : public ::testing::Test {
 protected:
  void start(std::string token) {
    api.status_json = [] { return std::string(R"({"models":[]})"); };
    api.metrics_text = [] { return std::string("tidegate_up 1\n"); };
    api.ready = [this] { return ready; };
    api.decisions_json = [this](const std::string& model, std::size_t limit,
                                std::optional<WallTime> until) -> Result<std::string> {
      if (model != "m" && model != "serve/m") return fail("no model \"" + model + "\"");
      last_limit = limit;
      last_until = until;
      return std::string("[]");
    };
    api.say = [this](const std::string& model, const control::OperatorSaid& said) -> Result<void> {
      if (model != "m") return fail("no model \"" + model + "\"");
      heard.push_back(said);
      return {};
    };
    server.emplace(*loop, api, AdminOptions{std::move(token)});
    auto bound = server->listen({"127.0.0.1", 0});
    ASSERT_TRUE(bound) << bound.error().message;
    address = *bound;
  }
  net::Response ask(const std::string& method, const std::string& path,
                    const std::string& body = "",
                    std::vector<std::pair<std::string, std::string>> headers = {}) {
    net::ClientRequest request{.address = address, .method = method, .path = path};
    for (auto& [name, value] : headers) request.headers.add(name, value);
    request.body = body;
    std::optional<Result<net::Response>> got;
    client.fetch(std::move(request), [&](Result<net::Response> r) { got = std::move(r); });
    EXPECT_TRUE(loop->run_until([&] { return got.has_value(); }, seconds(10)));
    return got && *got ? **got : net::Response{};
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  net::HttpClient client{*loop};
  AdminApi api;
  std::optional<AdminServer> server;
  net::Address address;
  bool ready = false;
  std::size_t last_limit = 0;
  std::optional<WallTime> last_until;
  std::vector<control::OperatorSaid> heard;
  std::vector<std::pair<std::string, std::string>> json_type = {
      {"Content-Type", "application/json"}};
};

TEST_F(Admin, ProbesAndMetricsNeedNoToken) {
  start("secret");
  EXPECT_EQ(ask("GET", "/healthz").status, 200);
  EXPECT_EQ(ask("GET", "/readyz").status, 503);
  ready = true;
  EXPECT_EQ(ask("GET", "/readyz").status, 200);
  EXPECT_EQ(ask("GET", "/metrics").body, "tidegate_up 1\n");
}

TEST_F(Admin, TheApiNeedsTheTokenWhereThereIsOne) {
  start("secret");
  EXPECT_EQ(ask("GET", "/api/v1/status").status, 401);
  EXPECT_EQ(ask("GET", "/api/v1/status", "", {{"Authorization", "Bearer secre"}}).status, 401);
  EXPECT_EQ(ask("GET", "/api/v1/status", "", {{"Authorization", "Bearer secret"}}).status, 200);
}

TEST_F(Admin, OffLoopbackItRefusesToListenWithoutAToken) {
  AdminServer open(*loop, api, {});
  auto bound = open.listen({"0.0.0.0", 0});
  ASSERT_FALSE(bound);
  EXPECT_NE(bound.error().message.find("TIDEGATE_ADMIN_TOKEN"), std::string::npos);
}

TEST_F(Admin, TheOperatorsWordArrives) {
  start("");
  EXPECT_EQ(
      ask("POST", "/api/v1/models/m/scale", R"({"variant":"v","replicas":3})", json_type).status,
      200);
  EXPECT_EQ(ask("POST", "/api/v1/models/m/pause", "{}", json_type).status, 200);
  EXPECT_EQ(ask("POST", "/api/v1/models/m/resume", R"({"for":"2h"})", json_type).status, 200);
  ASSERT_EQ(heard.size(), 3u);
  EXPECT_EQ(heard[0].variant, "v");
  EXPECT_EQ(heard[0].replicas, 3);
  EXPECT_EQ(heard[1].said, control::Said::kPause);
  EXPECT_EQ(heard[2].lasting, seconds(7200));
}

TEST_F(Admin, NonsenseIsRefusedAndSaysWhy) {
  start("");
  struct Row {
    const char* label;
    const char* method;
    const char* path;
    const char* body;
    int status;
    const char* says;
  };
  for (const Row& row : {
           Row{"an unknown path", "GET", "/api/v1/nothing", "", 404, "no such path"},
           Row{"an unknown model", "POST", "/api/v1/models/x/pause", "{}", 404, "no model"},
           Row{"a GET that writes", "GET", "/api/v1/models/m/pause", "", 405, "POST"},
           Row{"no number", "POST", "/api/v1/models/m/scale", "{}", 400, "replicas"},
           Row{"half a replica", "POST", "/api/v1/models/m/scale", R"({"replicas":1.5})", 400,
               "whole"},
           Row{"broken JSON", "POST", "/api/v1/models/m/scale", "{", 400, "JSON"},
           Row{"a duration without a unit", "POST", "/api/v1/models/m/resume", R"({"for":"soon"})",
               400, "for"},
           Row{"a limit out of range", "GET", "/api/v1/models/m/decisions?limit=0", "", 400,
               "limit"},
           Row{"a time that is none", "GET", "/api/v1/models/m/decisions?until=now", "", 400,
               "time"},
       }) {
    auto r = ask(row.method, row.path, row.body, json_type);
    EXPECT_EQ(r.status, row.status) << row.label;
    EXPECT_NE(r.body.find(row.says), std::string::npos) << row.label << ": " << r.body;
  }
  EXPECT_EQ(ask("POST", "/api/v1/models/m/pause", "{}").status, 415) << "a form of a foreign page";
  EXPECT_EQ(ask("GET", "/api/v1/status", "", {{"Host", "evil.example"}}).status, 421)
      << "DNS rebinding";
  EXPECT_TRUE(heard.empty());
}

TEST_F(Admin, DecisionsTakeALimitAndATime) {
  start("");
  EXPECT_EQ(ask("GET", "/api/v1/models/serve/m/decisions").status, 200)
      << "of one of several namespaces";
  EXPECT_EQ(ask("GET", "/api/v1/models/m/decisions?limit=5&until=2026-11-22T06:30:00Z").status,
            200);
  EXPECT_EQ(last_limit, 5u);
  EXPECT_EQ(format_wall_time(*last_until), "2026-11-22T06:30:00.000Z");
}

}  // namespace
}  // namespace tidegate::live
