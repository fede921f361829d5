#include "live/kube/testing/table.h"

#include <gtest/gtest.h>

#include <sstream>

#include "live/kube/testing/api_server.h"
#include "live/kube/time_text.h"
#include "live/net/http_client.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

TEST(Table, APathLeadsWhereADefinitionSays) {
  const json object = json::parse(R"({"spec": {"replicas": 3, "a.b": "dotted", "none": null},
      "list": ["x", {"y": 1}],
      "status": {"conditions": [{"type": "Other", "status": "Unknown"},
                                {"type": "Ready", "status": "True"}]}})");
  struct Case {
    const char* label;
    const char* path;
    const char* value;
  };
  const Case cases[] = {
      {"a field", ".spec.replicas", "3"},
      {"a name with a dot, escaped", ".spec.a\\.b", "\"dotted\""},
      {"the same in brackets", ".spec['a.b']", "\"dotted\""},
      {"an element", ".list[0]", "\"x\""},
      {"beneath an element", ".list[1].y", "1"},
      {"the one that has a value", ".status.conditions[?(@.type=='Ready')].status", "\"True\""},
      {"in other quotes", ".status.conditions[?(@.type == \"Ready\")].status", "\"True\""},
      {"none that has it", ".status.conditions[?(@.type=='Gone')].status", "null"},
      {"not there", ".spec.missing.below", "null"},
      {"there and null", ".spec.none", "null"},
      {"beneath what is no object", ".spec.replicas.x", "null"},
      {"past the end of a list", ".list[2]", "null"},
      {"no number", ".list[x]", "null"},
      {"a bracket that stays open", ".list[0", "null"},
      {"two dots", "..spec", "null"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(value_at(object, c.path).dump(), c.value) << c.label;
  }
}

TEST(Table, AnAgeIsWrittenAsPeopleReadIt) {
  const std::int64_t minute = 60, hour = 3600, day = 86'400, year = 365 * day;
  struct Case {
    std::int64_t seconds;
    const char* text;
  };
  const Case cases[] = {{-5, "<invalid>"},
                        {-1, "0s"},
                        {0, "0s"},
                        {119, "119s"},
                        {120, "2m"},
                        {5 * minute + 7, "5m7s"},
                        {10 * minute + 7, "10m"},
                        {3 * hour - 1, "179m"},
                        {3 * hour + 5 * minute, "3h5m"},
                        {8 * hour + 5 * minute, "8h"},
                        {47 * hour, "47h"},
                        {2 * day + 4 * hour, "2d4h"},
                        {8 * day + 4 * hour, "8d"},
                        {400 * day, "400d"},
                        {2 * year, "2y"},
                        {3 * year + 10 * day, "3y10d"},
                        {9 * year + 10 * day, "9y"}};
  for (const Case& c : cases) EXPECT_EQ(age_text(seconds(c.seconds)), c.text);
}

TEST(Table, ACellHasItsColumnsTypeOrNothing) {
  ServedKind kind;
  kind.columns = json::parse(R"([{"name": "I", "type": "integer", "jsonPath": ".i"},
      {"name": "N", "type": "number", "jsonPath": ".n"}, {"name": "B", "type": "boolean", "jsonPath": ".b"},
      {"name": "S", "type": "string", "jsonPath": ".s", "description": "said"},
      {"name": "D", "type": "date", "jsonPath": ".d", "priority": 1}])");
  const WallTime now = *parse_time("2026-01-02T03:09:05Z");
  auto object = [](const char* text) { return std::make_shared<const json>(json::parse(text)); };
  const json table = table_of(
      kind,
      {object(R"({"metadata": {"name": "a"}, "i": 3, "n": 0.5, "b": false, "s": "x",
                  "d": "2026-01-02T03:04:05Z"})"),
       object(
           R"({"metadata": {"name": "b"}, "i": "3", "n": "1", "b": "true", "s": ["x"], "d": "soon"})"),
       object(R"({"metadata": {"name": "c"}})")},
      {.object = TableWish::Object::kNone}, now);
  EXPECT_EQ(table["rows"][0]["cells"], json({"a", 3, 0.5, false, "x", "5m"}));
  EXPECT_EQ(table["rows"][1]["cells"],
            json({"b", nullptr, nullptr, nullptr, "[\"x\"]", "<invalid>"}));
  EXPECT_EQ(table["rows"][2]["cells"], json({"c", nullptr, nullptr, nullptr, nullptr, nullptr}));
  EXPECT_EQ(table["columnDefinitions"][4]["description"], "said");
  EXPECT_EQ(table["columnDefinitions"][5]["priority"], 1);
  EXPECT_EQ(table["rows"][0]["object"], nullptr);
}

TEST(Table, ListsObjectsAndWatchesAreTablesForWhoeverAsks) {
  auto loop = net::Loop::create().value();
  ApiServer server(*loop);
  server.watch_second = millis(1);
  net::HttpClient client(*loop);
  auto ask = [&](const std::string& target, const std::string& accept) {
    net::ClientRequest request;
    request.address = server.address();
    request.path = target;
    request.headers.add("Accept", accept);
    std::string out;
    bool answered = false;
    client.fetch(std::move(request), [&](Result<net::Response> answer) {
      answered = true;
      if (answer) out = answer->body;
    });
    EXPECT_TRUE(loop->run_until([&] { return answered; }, seconds(20)));
    return out;
  };
  for (const char* name : {"a", "b"}) {
    server.put("v1", "configmaps", {{"metadata", {{"name", name}, {"namespace", "serve"}}}});
  }
  const std::string maps = "/api/v1/namespaces/serve/configmaps";
  const std::string table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const json page = json::parse(ask(maps + "?limit=1", table));
  EXPECT_EQ(page["kind"], "Table");
  ASSERT_EQ(page["rows"].size(), 1u);
  EXPECT_EQ(page["rows"][0]["cells"][0], "a");
  EXPECT_TRUE(page["metadata"].contains("continue")) << page;
  EXPECT_EQ(page["columnDefinitions"][1]["name"], "Age");
  EXPECT_EQ(page["rows"][0]["object"]["kind"], "PartialObjectMetadata");
  EXPECT_EQ(json::parse(ask(maps + "/b", table))["rows"][0]["cells"][0], "b");
  EXPECT_EQ(json::parse(ask(maps + "/b", "application/json"))["kind"], "ConfigMap");
  EXPECT_EQ(json::parse(ask(maps + "/c", table))["kind"], "Status") << "what fails is no table";
  EXPECT_EQ(
      json::parse(ask(maps, "application/json;as=Table;v=v1beta1;g=meta.k8s.io"))["apiVersion"],
      "meta.k8s.io/v1beta1");
  std::istringstream events(
      ask(maps + "?watch=1&timeoutSeconds=1&includeObject=Object&allowWatchBookmarks=true", table));
  std::vector<json> told;
  for (std::string line; std::getline(events, line);) told.push_back(json::parse(line));
  ASSERT_EQ(told.size(), 3u) << "two that are there, and the bookmark of the end";
  EXPECT_TRUE(told[0]["object"]["columnDefinitions"].is_array());
  EXPECT_TRUE(told[1]["object"]["columnDefinitions"].is_null()) << "told before";
  EXPECT_EQ(told[1]["object"]["rows"][0]["object"]["kind"], "ConfigMap");
  EXPECT_EQ(told[2]["type"], "BOOKMARK");
  EXPECT_EQ(told[2]["object"]["kind"], "Table");
}

}  // namespace
}  // namespace tidegate::live::kube
