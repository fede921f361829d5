#include "live/kube/json_parts.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

TEST(JsonParts, APathLeadsToWhatIsThereOrToNothing) {
  const json pod = json::parse(R"({"metadata": {"name": "a", "generation": 3, "labels": [1]},
                                   "spec": null})");
  EXPECT_EQ(text(pod, "metadata", "name"), "a");
  EXPECT_EQ(whole_number(pod["metadata"], "generation"), 3);
  EXPECT_EQ(&part(pod, "metadata", "labels"), &pod["metadata"]["labels"]) << "no copy";
  EXPECT_EQ(text(pod, "metadata", "generation"), "") << "a number is no text";
  EXPECT_EQ(whole_number(pod["metadata"], "name"), std::nullopt);
  for (const json& node : {pod, json(), json("text"), json(1), json::array({pod})}) {
    EXPECT_TRUE(part(node, "metadata", "labels", "x").is_null()) << node;
    EXPECT_TRUE(part(node, "spec", "nodeName").is_null()) << node;
    EXPECT_EQ(text(node, "status"), "") << node;
  }
}

}  // namespace
}  // namespace tidegate::live::kube
