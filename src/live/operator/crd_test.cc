// Our definition as an API server takes it, and what it then lets in.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "core/spec/full_model_for_test.h"
#include "format/yaml_of_for_test.h"
#include "live/operator/model_object.h"
#include "live/operator/test_cluster.h"

namespace tidegate::live {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class CrdTest : public ::testing::Test, protected TestCluster {};

TEST_F(CrdTest, a_model_with_no_default_is_taken_whole_and_reads_back_the_same) {
  const spec::Model from = spec::full_model();
  const std::string yaml = format::yaml_of(spec::model_section(), &from);
  auto taken = put("m", yaml);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ((*taken)["spec"], json_of(yaml)) << "nothing was pruned";
  ModelObject read = read_model(*taken, {.trusted = true});
  ASSERT_TRUE(read.loaded) << read.faults;
  EXPECT_EQ(read.loaded->model.variants, from.variants);
  EXPECT_EQ(read.loaded->model.slo, from.slo);
}

TEST_F(CrdTest, what_check_accepts_is_accepted) {
  int count = 0;
  for (const char* folder : {"/docs/examples", "/scenarios"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(TIDEGATE_SOURCE_DIR) + folder)) {
      if (entry.path().extension() != ".yaml") continue;
      std::ifstream file(entry.path());
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      for (const auto& document : format::parse_documents(text)) {
        json object = json_of(document.root);
        if (!object.is_object() || object.value("kind", "") != "Model") continue;
        object["metadata"]["name"] = "m" + std::to_string(++count);
        auto taken = ask(kube::create(this->TestCluster::models, object));
        EXPECT_TRUE(taken) << entry.path() << ": " << taken.error().message;
        if (taken) {
          json sent = object["spec"];
          for (json& variant : sent["variants"]) {
            if (!variant.contains("name")) variant["name"] = "default";
          }
          EXPECT_EQ((*taken)["spec"], sent) << entry.path();
        }
      }
    }
  }
  EXPECT_GE(count, 5);
}

TEST_F(CrdTest, what_contradicts_itself_is_refused_with_the_field) {
  const struct {
    const char* why;
    const char* spec;
    const char* said;
  } rows[] = {
      {"fewest above most", "variants: [{minReplicas: 3, maxReplicas: 2}]",
       "spec.variants[0].minReplicas"},
      {"fewest above the default of most", "variants: [{minReplicas: 2}]",
       "which is 1 where it is not given"},
      {"a batch of fewer tokens than sequences",
       "variants: [{engine: {maxNumSeqs: 64, maxNumBatchedTokens: 32}}]",
       "spec.variants[0].engine.maxNumBatchedTokens"},
      {"sleepers above their most", "variants: [{warmPool: {minReplicas: 2, maxReplicas: 1}}]",
       "spec.variants[0].warmPool.minReplicas"},
      {"timed for no time", "{scaling: {mode: timed}, variants: [{}]}", "timedFor"},
      {"a share above all",
       "{scaling: {metrics: [{signal: kvUsage, type: Utilization, target: 70}]}, variants: [{}]}",
       "must be at most 1"},
      {"a schedule upside down",
       "{scaling: {schedule: [{cron: 0 8 * * *, duration: 1h, minReplicas: 4, maxReplicas: 1}]}, "
       "variants: [{}]}",
       "spec.scaling.schedule[0].minReplicas"},
      {"two variants of a name", "variants: [{name: a}, {name: a}]", "Duplicate value"},
      {"two without one", "variants: [{maxReplicas: 1}, {maxReplicas: 2}]", "Duplicate value"},
      {"a name served twice", "{servedNames: [x, x], variants: [{}]}", "Duplicate value"},
      {"no variant", "{}", "spec.variants: Required value"},
      {"an empty list of them", "variants: []", "at least 1 items"},
      {"two targets at once",
       "variants: [{target: {endpoints: ['http://a:1'], kubernetes: {name: m}}}]",
       "must have at most 1 properties"},
      {"a duration without unit", "{scaling: {window: '30'}, variants: [{}]}",
       "spec.scaling.window"},
      {"an unknown policy", "{scaling: {policy: kuda}, variants: [{}]}", "spec.scaling.policy"},
      {"more than can be", "variants: [{maxReplicas: 10001}]",
       "should be less than or equal to 10000"},
  };
  for (const auto& row : rows) {
    auto taken = put("m", row.spec);
    ASSERT_FALSE(taken) << row.why << ": accepted";
    EXPECT_EQ(taken.error().code, 422) << row.why;
    EXPECT_THAT(taken.error().message, HasSubstr(row.said)) << row.why;
  }
  EXPECT_FALSE(put("a.b", "variants: [{}]")) << "a name is a label: it is one of metrics too";
}

}  // namespace
}  // namespace tidegate::live
