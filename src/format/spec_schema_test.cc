#include "format/spec_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/spec/options.h"
#include "core/workload/scenario.h"
#include "format/spec_tree.h"
#include "format/spec_yaml.h"

namespace tidegate::format {
namespace {

using Json = nlohmann::ordered_json;
const std::string kRoot = TIDEGATE_SOURCE_DIR;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Docs, AreWhatTheTableSays) {
  EXPECT_TRUE(read(kRoot + "/docs/configuration.md") == configuration_markdown())
      << "docs/configuration.md is stale; run: tidegate schema --docs > docs/configuration.md";
}

TEST(Docs, NameEveryKey) {
  std::string docs = configuration_markdown();
  spec::for_each_option(
      spec::model_section(), "spec",
      [&](std::string_view path, const spec::Section&, const spec::Option& row) {
        auto parent = std::string(path.substr(0, path.size() - row.key.size() - 1));
        auto heading = docs.find("\n## " + parent + "\n");
        ASSERT_NE(heading, std::string::npos) << parent;
        auto next = docs.find("\n## ", heading + 1);
        EXPECT_LT(docs.find("\n| `" + std::string(row.key) + "` |", heading), next) << path;
      });
}

TEST(Docs, ExamplesAreSoundAndWise) {
  ::setenv("TIDEGATE_PROFILES", (kRoot + "/profiles").c_str(), 1);  // wherever it was built
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot + "/docs/examples")) {
    if (entry.path().extension() != ".yaml") continue;
    SpecFile file = load_spec_file(entry.path().string());
    for (const Diagnostic& d : file.diagnostics) ADD_FAILURE() << d.text();
    EXPECT_FALSE(file.models.empty());
    ++files;
  }
  EXPECT_GE(files, 4);
}

/// The value at "spec.variants[].name" of a schema.
const Json& at(const Json& root, std::string_view path) {
  const Json* node = &root;
  while (!path.empty()) {
    auto dot = std::min(path.find('.'), path.size());
    std::string key(path.substr(0, dot));
    bool list = key.ends_with("[]");
    if (list) key.resize(key.size() - 2);
    if (!node->contains("properties")) node = &node->at("anyOf").back();
    node = &node->at("properties").at(key);
    if (list) node = &node->at("items");
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return *node;
}

TEST(Schema, HasEveryKeyWithItsDefaultAndRange) {
  Json schema = Json::parse(json_schema());
  EXPECT_EQ(schema.at("$schema"), "https://json-schema.org/draft/2020-12/schema");
  spec::for_each_option(spec::model_section(), "spec",
                        [&](std::string_view path, const spec::Section&, const spec::Option& row) {
                          const Json& node = at(schema, path);
                          EXPECT_EQ(node.at("description"), std::string(row.doc)) << path;
                        });
  EXPECT_EQ(at(schema, "spec.scaling.window").at("default"), "1m");
  EXPECT_EQ(at(schema, "spec.queue.maxRequests").at("minimum"), 1);
  EXPECT_EQ(at(schema, "spec.scaling.targetUtilization").at("exclusiveMinimum"), 0);
  EXPECT_EQ(at(schema, "spec").at("required"), Json::array({"variants"}));
  EXPECT_EQ(at(schema, "spec").at("additionalProperties"), false);
  EXPECT_EQ(at(schema, "spec.variants[].target").at("maxProperties"), 1);
}

TEST(Schema, OfAScenarioFileHasEveryKeyOfBothKinds) {
  Json schema = Json::parse(scenario_json_schema());
  const Json& defs = schema.at("$defs");
  auto described = [](const Json& document, const spec::Section& section) {
    spec::for_each_option(
        section, "spec", [&](std::string_view path, const spec::Section&, const spec::Option& row) {
          EXPECT_EQ(at(document, path).at("description"), std::string(row.doc)) << path;
        });
  };
  described(defs.at("scenario"), workload::scenario_section());
  described(defs.at("model"), spec::model_section());
  EXPECT_EQ(at(defs.at("scenario"), "spec").at("additionalProperties"), false);
  EXPECT_EQ(schema.at("then").at("$ref"), "#/$defs/scenario");
}

/// What the API server asks of a structural schema.
void expect_structural(const Json& node, const std::string& path) {
  if (node.contains("x-kubernetes-preserve-unknown-fields")) return;
  EXPECT_TRUE(node.contains("type")) << path;
  EXPECT_FALSE(node.contains("patternProperties") || node.contains("$ref")) << path;
  // Today's defaults must not freeze in stored objects; the name is a list's key.
  EXPECT_EQ(node.contains("default"), path == ".spec.variants[].name") << path;
  EXPECT_FALSE(node.contains("properties") && node.contains("additionalProperties")) << path;
  EXPECT_FALSE(node.contains("exclusiveMinimum") && !node.at("exclusiveMinimum").is_boolean())
      << path;
  for (const char* any : {"oneOf", "anyOf"}) {
    if (!node.contains(any)) continue;
    for (const Json& branch : node.at(any))
      EXPECT_TRUE(branch.contains("required") && branch.size() == 1) << path;
  }
  if (node.contains("properties")) {
    for (const auto& [key, child] : node.at("properties").items())
      expect_structural(child, path + "." + key);
  }
  if (node.contains("items")) expect_structural(node.at("items"), path + "[]");
  if (node.contains("additionalProperties"))
    expect_structural(node.at("additionalProperties"), path + ".*");
}

/// Our tree of the CRD's YAML as JSON: scalars in JSON's own form.
Json json_of(const Node& node) {
  if (node.kind == NodeKind::kNull) return nullptr;
  if (node.kind == NodeKind::kScalar) return node.quoted ? Json(node.text) : Json::parse(node.text);
  Json out = node.kind == NodeKind::kMap ? Json::object() : Json::array();
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    if (node.kind == NodeKind::kMap)
      out[node.keys[i].first] = json_of(node.items[i]);
    else
      out.push_back(json_of(node.items[i]));
  }
  return out;
}

TEST(Crd, IsStructuralWithStatusAndColumns) {
  auto documents = parse_documents(crd_yaml());
  ASSERT_EQ(documents.size(), 1u);
  ASSERT_TRUE(documents[0].errors.empty()) << documents[0].errors[0].message;
  Json crd = json_of(documents[0].root);
  EXPECT_EQ(crd.at("metadata").at("name"), "models.tidegate.dev");
  const Json& version = crd.at("spec").at("versions").at(0);
  EXPECT_TRUE(version.at("subresources").contains("status"));
  EXPECT_EQ(version.at("additionalPrinterColumns").size(), 7u);
  const Json& schema = version.at("schema").at("openAPIV3Schema");
  expect_structural(schema, "");
  EXPECT_EQ(at(schema, "spec.variants[].maxReplicas").at("maximum"), 10'000);
  for (const Json& column : version.at("additionalPrinterColumns")) {
    auto path = column.at("jsonPath").get<std::string>();
    if (path == ".metadata.creationTimestamp") continue;
    EXPECT_NO_THROW(at(schema, path.substr(1))) << path;
  }
}

}  // namespace
}  // namespace tidegate::format
