#pragma once
// A cluster for tests of this room: an API server that holds our definition, and a client
// (test only).

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "format/spec_schema.h"
#include "format/spec_tree.h"
#include "live/kube/client.h"
#include "live/kube/testing/api_server.h"

namespace tidegate::live {

/// YAML as kubectl sends it: what looks like a number or a boolean is one.
inline nlohmann::json json_of(const format::Node& node) {
  using nlohmann::json;
  if (node.kind == format::NodeKind::kNull) return nullptr;
  if (node.kind == format::NodeKind::kScalar) {
    json value = node.quoted ? json(node.text) : json::parse(node.text, nullptr, false);
    return value.is_discarded() ? json(node.text) : value;
  }
  json out = node.kind == format::NodeKind::kMap ? json::object() : json::array();
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    if (node.kind == format::NodeKind::kMap)
      out[node.keys[i].first] = json_of(node.items[i]);
    else
      out.push_back(json_of(node.items[i]));
  }
  return out;
}
inline nlohmann::json json_of(const std::string& yaml) {
  return json_of(format::parse_documents(yaml).at(0).root);
}

class TestCluster {
 public:
  static constexpr Duration kPatience = seconds(20);
  const kube::Resource models{"tidegate.dev/v1alpha1", "models", "serve"};

  TestCluster() {
    auto made = ask(kube::create({"apiextensions.k8s.io/v1", "customresourcedefinitions", ""},
                                 json_of(format::crd_yaml())));
    EXPECT_TRUE(made) << made.error().message;
  }
  bool until(const std::function<bool()>& done) { return loop->run_until(done, kPatience); }
  kube::ApiResult<nlohmann::json> ask(const kube::ApiCall& call) {
    kube::ApiResult<nlohmann::json> out;
    bool answered = false;
    client->call(call, [&](kube::ApiResult<nlohmann::json> answer) {
      out = std::move(answer);
      answered = true;
    });
    EXPECT_TRUE(until([&] { return answered; }));
    return out;
  }
  /// Creates a Model, or writes its spec anew.
  kube::ApiResult<nlohmann::json> put(const std::string& name, const std::string& spec,
                                      const std::string& ns = "serve") {
    nlohmann::json object = {{"apiVersion", "tidegate.dev/v1alpha1"},
                             {"kind", "Model"},
                             {"metadata", {{"name", name}, {"namespace", ns}}},
                             {"spec", json_of(spec)}};
    const kube::Resource of{models.api_version, models.plural, ns};
    auto before = server.find(of.api_version, of.plural, ns, name);
    if (before == nullptr) return ask(kube::create(of, object));
    object["metadata"]["resourceVersion"] = (*before)["metadata"]["resourceVersion"];
    return ask(kube::replace(of, name, object));
  }
  nlohmann::json status(const std::string& name) const {
    auto object = server.find(models.api_version, models.plural, "serve", name);
    return object == nullptr ? nlohmann::json() : object->value("status", nlohmann::json::object());
  }
  std::vector<nlohmann::json> events() const {
    std::vector<nlohmann::json> out;
    for (const auto& event : server.all("events.k8s.io/v1", "events", "serve")) {
      out.push_back(*event);
    }
    return out;
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  kube::ApiServer server{*loop};
  std::shared_ptr<kube::KubeClient> client =
      std::make_shared<kube::KubeClient>(*loop, server.access());
};

}  // namespace tidegate::live
