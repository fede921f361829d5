#include "live/run/target_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tidegate::live {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(TargetService, TheOneThatPicksItsPods) {
  const std::vector<kube::Labels> pods = {
      {{"app", "llm"}, {"gpu", "h100"}, {"tidegate.dev/awake", "true"}}};
  const std::map<std::string, std::vector<kube::Labels>> others = {
      {"m/b", {{{"app", "llm"}, {"gpu", "a100"}}}}};
  struct Row {
    std::string label;
    Services services;
    std::string chosen, why;
  };
  const std::vector<Row> rows = {
      {"by any name",
       {{"vllm", {{{"gpu", "h100"}}}}, {"x", {{{"gpu", "l4"}}}}},
       "vllm",
       "gpu=h100"},
      {"awake pods alone, as the template has it",
       {{"s", {{{"gpu", "h100"}, {"tidegate.dev/awake", "true"}}}}},
       "s",
       "tidegate.dev/awake=true"},
      {"a label more than the pods have",
       {{"s", {{{"gpu", "h100"}, {"x", "y"}}}}},
       "",
       "no Service"},
      {"of two the target's own name",
       {{"a", {{{"gpu", "h100"}}}}, {"m", {{{"gpu", "h100"}}}}},
       "m",
       ""},
      {"of two the narrower",
       {{"a", {{{"gpu", "h100"}}}}, {"b", {{{"app", "llm"}, {"gpu", "h100"}}}}},
       "b",
       ""},
      {"Ready endpoints before others",
       {{"a", {{{"app", "llm"}, {"gpu", "h100"}}, true}}, {"b", {{{"gpu", "h100"}}}}},
       "b",
       ""},
      {"those that publish others, where there is no other",
       {{"a", {{{"gpu", "h100"}}, true}}},
       "a",
       ""},
      {"one for both variants is none of either",
       {{"s", {{{"app", "llm"}}}}},
       "",
       "of m/b as well"},
      {"one without a selector by its name alone", {{"m", {}}, {"x", {}}}, "m", "no selector"},
      {"none at all", {}, "", "no Service picks the pods of m"},
  };
  for (const Row& row : rows) {
    const ServiceChoice choice = choose_service({"m", pods, ""}, row.services, others);
    EXPECT_EQ(choice.service, row.chosen) << row.label;
    EXPECT_THAT(choice.why, HasSubstr(row.why)) << row.label;
  }
  const ServiceChoice unread = choose_service({"m", {}, "403"}, {{"s", {{{"gpu", "h100"}}}}}, {});
  EXPECT_EQ(unread, (ServiceChoice{"m", "by its name: 403"})) << "pods not known: as it is called";
}

TEST(TargetService, IsReadFromObjectsAsTheyAre) {
  const json service = {
      {"spec", {{"selector", {{"app", "llm"}, {"bad", 1}}}, {"publishNotReadyAddresses", true}}}};
  EXPECT_EQ(read_service(service).selector, (kube::Labels{{"app", "llm"}}));
  EXPECT_TRUE(read_service(service).publishes_unready);
  EXPECT_THAT(read_service(json::object()).selector, IsEmpty());
  const json pod = {{"metadata", {{"labels", {{"app", "llm"}}}}}};
  EXPECT_THAT(pod_templates({{"spec", {{"template", pod}}}}),
              ElementsAre(kube::Labels{{"app", "llm"}}));
  EXPECT_THAT(pod_templates({{"spec", {{"leaderWorkerTemplate", {{"workerTemplate", pod}}}}}}),
              ElementsAre(kube::Labels{{"app", "llm"}}));
  for (const json& other :
       {json::object(), json("x"), json{{"spec", 1}}, json{{"spec", {{"template", 1}}}}}) {
    EXPECT_THAT(pod_templates(other), IsEmpty()) << other;
  }
}

}  // namespace
}  // namespace tidegate::live
