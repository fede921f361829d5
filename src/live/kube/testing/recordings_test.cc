// The API server for tests answers what a real one answered: every recorded request, in order.
#include <gmock/gmock.h>

#include <cstdlib>
#include <regex>

#include "live/kube/testing/api_server.h"
#include "live/kube/testing/recording.h"
#include "live/net/http_client.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

constexpr Duration kPatience = seconds(20);

/// Nothing that a clock, a counter or chance decides.
json comparable(json node) {
  static const std::set<std::string> kOwn = {"uid",  "resourceVersion", "creationTimestamp",
                                             "time", "continue",        "storageVersionHash"};
  if (node.is_object()) {
    for (auto it = node.begin(); it != node.end();) {
      if (kOwn.contains(it.key()) && it->is_string()) {
        it = node.erase(it);
      } else {
        *it = comparable(*it);
        ++it;
      }
    }
    if (node.contains("message") && node["message"].is_string()) {
      node["message"] = std::regex_replace(node["message"].get<std::string>(),
                                           std::regex(R"(too old resource version: \d+ \(\d+\))"),
                                           "too old resource version");
    }
  } else if (node.is_array()) {
    for (json& item : node) item = comparable(item);
  }
  return node;
}

json lines(const std::string& text) {
  json out = json::array();
  std::size_t at = 0;
  while (at < text.size()) {
    auto end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    if (!line.empty()) out.push_back(json::parse(line));
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return out;
}

class RecordingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("TIDEGATE_KUBE_RECORDINGS");
    if (folder == nullptr) GTEST_SKIP() << "set TIDEGATE_KUBE_RECORDINGS to the folder of *.http";
    folder_ = folder;
    server.watch_second = millis(3);
  }
  std::vector<Recorded> recording(const std::string& name) {
    return parse_recording(read_file(folder_ + "/" + name + ".http").value());
  }
  net::Response ask(const Recorded& one, std::string target = "") {
    net::ClientRequest request;
    request.address = server.address();
    request.method = one.method;
    request.path = target.empty() ? one.target : target;
    request.body = one.body;
    request.headers.add("User-Agent", "curl/8");
    for (const auto& [name, value] : one.headers) request.headers.add(name, value);
    net::Response out;
    bool answered = false;
    client.fetch(std::move(request), [&](Result<net::Response> answer) {
      answered = true;
      EXPECT_TRUE(answer) << answer.error().message;
      if (answer) out = std::move(*answer);
    });
    EXPECT_TRUE(loop->run_until([&] { return answered; }, kPatience)) << one.note;
    return out;
  }
  void expect_same(const Recorded& one, const net::Response& got) {
    EXPECT_EQ(got.status, one.status) << one.note << ": " << got.body;
    for (const auto& [name, value] : one.answer_headers) {
      EXPECT_EQ(got.headers.get(name), value) << one.note;
    }
    json recorded = json::parse(one.answer, nullptr, false);
    if (recorded.is_discarded()) {
      EXPECT_EQ(got.body.substr(0, got.body.find('\n')),
                one.answer.substr(0, one.answer.find('\n')))
          << one.note;
      return;
    }
    json want = comparable(recorded), have = comparable(json::parse(got.body, nullptr, false));
    EXPECT_EQ(have, want) << one.note << "\n" << json::diff(want, have).dump(1);
  }
  /// Everything in order, as it is.
  void replay(const std::string& name) {
    for (const Recorded& one : recording(name)) expect_same(one, ask(one));
  }
  /// As Deployment and ReplicaSet controllers left it before the first recorded request.
  void add_deployment() {
    server.put("apps/v1", "deployments",
               {{"metadata", {{"name", "m-8b"}, {"namespace", "serve"}, {"generation", 1}}},
                {"spec", {{"replicas", 2}, {"selector", {{"matchLabels", {{"app", "m-8b"}}}}}}},
                {"status", {{"replicas", 2}}}});
  }
  std::string version_of(const std::string& api_version, const std::string& plural,
                         const std::string& name) {
    auto object = server.find(api_version, plural, "serve", name);
    return object ? (*object)["metadata"]["resourceVersion"].get<std::string>() : "";
  }

  std::string folder_;
  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  ApiServer server{*loop};
  net::HttpClient client{*loop};
};

TEST_F(RecordingsTest, scale) {
  add_deployment();
  for (const Recorded& one : recording("scale")) {
    // What the controller did meanwhile.
    json recorded = json::parse(one.answer);
    if (recorded.contains("spec") && one.target.find("m-8b") != std::string::npos) {
      json object = *server.find("apps/v1", "deployments", "serve", "m-8b");
      object["status"]["replicas"] = recorded["status"]["replicas"];
      server.put("apps/v1", "deployments", object);
    }
    expect_same(one, ask(one));
  }
}

TEST_F(RecordingsTest, errors) {
  for (Recorded& one : recording("errors")) {
    if (one.note == "no such token") {
      server.tokens = {"the right one"};
      one.headers.emplace_back("Authorization", "Bearer a wrong one");
    }
    expect_same(one, ask(one));
    server.tokens.clear();
  }
}

TEST_F(RecordingsTest, lists) {
  auto all = recording("list");
  for (const char* page : {"first page of pods", "second page"}) {
    for (const Recorded& one : all) {
      if (one.note != page) continue;
      json page_of_pods = json::parse(one.answer);
      for (const json& pod : page_of_pods["items"]) server.put("v1", "pods", pod);
    }
  }
  std::string token;
  for (Recorded& one : all) {
    std::string target = one.target;
    if (one.note == "second page") {
      target = target.substr(0, target.find("&continue=")) + "&continue=" + token;
    }
    if (one.note == "metadata only") {
      one.headers.emplace_back("Accept",
                               "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
    }
    auto got = ask(one, target);
    expect_same(one, got);
    json meta = json::parse(got.body).value("metadata", json::object());
    if (meta.contains("continue")) token = meta["continue"];
  }
  EXPECT_FALSE(token.empty());
}

TEST_F(RecordingsTest, watches) {
  auto all = recording("watch");
  ASSERT_EQ(all.size(), 5u);
  std::string now = std::to_string(server.store().version());
  std::string from = std::regex_replace(all[0].target, std::regex("resourceVersion=\\d+"),
                                        "resourceVersion=" + now);
  loop->defer([&] {
    auto write = [&](const std::string& method, const std::string& path, const json& body) {
      Recorded one;
      one.method = method;
      one.target = "/api/v1/namespaces/serve/configmaps" + path;
      one.headers = {{"Content-Type",
                      method == "PATCH" ? "application/merge-patch+json" : "application/json"}};
      if (!body.is_null()) one.body = body.dump();
      ask(one);
    };
    write("POST", "", {{"metadata", {{"name", "a"}}}, {"data", {{"k", "1"}}}});
    write("PATCH", "/a", {{"data", {{"k", "2"}}}});
    write("DELETE", "/a", nullptr);
  });
  server.watch_second = millis(50);
  auto got = ask(all[0], from);
  json want = comparable(lines(all[0].answer)), have = comparable(lines(got.body));
  EXPECT_EQ(have, want) << json::diff(want, have).dump(1);
  server.watch_second = millis(3);
  server.store().compact();
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (all[i].status != 200) {
      expect_same(all[i], ask(all[i]));
    } else {
      EXPECT_EQ(comparable(lines(ask(all[i]).body)), comparable(lines(all[i].answer)))
          << all[i].note;
    }
  }
}

TEST_F(RecordingsTest, leases) {
  for (Recorded& one : recording("lease")) {
    // Recorded versions are that server's; ours is put in its place, or an older one.
    if (one.note == "renew") {
      one.body =
          std::regex_replace(one.body, std::regex("\"resourceVersion\": \"\\d+\""),
                             "\"resourceVersion\": \"" +
                                 version_of("coordination.k8s.io/v1", "leases", "scaler") + "\"");
    }
    expect_same(one, ask(one));
  }
}

TEST_F(RecordingsTest, events) { replay("events"); }

TEST_F(RecordingsTest, discovery) {
  for (const Recorded& one : recording("discovery")) {
    if (one.note != "version") {
      expect_same(one, ask(one));
      continue;
    }
    json version = json::parse(ask(one).body), recorded = json::parse(one.answer);
    EXPECT_EQ(version["major"], recorded["major"]);
    EXPECT_EQ(version["minor"], recorded["minor"]);
  }
}

TEST_F(RecordingsTest, an_autoscaler_object) {
  add_deployment();
  for (const Recorded& one : recording("hpa")) {
    json recorded = json::parse(one.answer);
    if (one.method == "GET") {  // its controller has been there
      server.put("autoscaling/v2", "horizontalpodautoscalers", recorded);
    }
    expect_same(one, ask(one));
  }
}

TEST_F(RecordingsTest, custom_kinds) {
  for (const Recorded& one : recording("crd")) {
    if (one.method.empty()) continue;  // conditions, as its controller writes them
    expect_same(one, ask(one));
  }
  int asked = 0;
  for (const Recorded& one : recording("custom")) {
    if (one.method.empty()) continue;
    expect_same(one, ask(one));
    ++asked;
  }
  EXPECT_GE(asked, 12);
  // Of the last request the header alone was recorded, and the answer.
  const std::string text = read_file(folder_ + "/custom.http").value();
  const std::string before = "# printer columns: Accept: ";
  const auto note = text.find(before), answer = text.find('\n', note);
  ASSERT_NE(note, std::string::npos);
  Recorded table;
  table.method = "GET";
  table.target = "/apis/example.org/v1alpha1/namespaces/serve/widgets";
  table.status = 200;
  table.headers = {{"Accept", text.substr(note + before.size(), answer - note - before.size())}};
  table.answer = text.substr(answer + 1);
  table.note = "printer columns";
  expect_same(table, ask(table));
}

}  // namespace
}  // namespace tidegate::live::kube
