#include "format/spec_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "format/spec_explain.h"
#include "format/spec_load_for_test.h"
#include "format/spec_reader.h"

namespace tidegate::format {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Spec, TheLeastModelHasEveryDefault) {
  SpecFile file = load("");
  ASSERT_TRUE(file.ok()) << texts(file);
  spec::Model expected;
  expected.name = "m";
  expected.served_names = {"m"};
  expected.variants.resize(1);
  expected.variants[0].name = "a";
  EXPECT_EQ(file.models.at(0).model, expected);
  EXPECT_EQ(file.models[0].file, "f");
  EXPECT_THAT(file.models[0].yaml, StartsWith("apiVersion"));
}

TEST(Spec, EveryDocumentIsAModelAndKeepsItsText) {
  std::string one = std::string(kHead) + "  variants: [{}]\n";
  std::string two = one;
  two.replace(two.find("name: m"), 7, "name: n");
  SpecFile file = load_spec(one + "---\n" + two, "f");
  ASSERT_EQ(file.models.size(), 2u) << texts(file);
  EXPECT_EQ(file.models[0].yaml, one);
  EXPECT_NE(file.models[0].hash, file.models[1].hash);
  EXPECT_EQ(load_spec(one, "other").models[0].hash, file.models[0].hash);
  EXPECT_EQ(file.models[1].model.variants[0].name, "default");
}

TEST(Spec, TheNamespaceOfAModelIsThatOfTargetsThatNameNone) {
  std::string text = std::string(kHead) +
                     "  variants:\n    - {name: a, target: {kubernetes: {name: m}}}\n"
                     "    - {name: b, target: {kubernetes: {name: m, namespace: own}}}\n";
  auto of = [](const SpecFile& file, std::size_t i) {
    return std::get<spec::KubernetesTarget>(file.models.at(0).model.variants.at(i).target).ns;
  };
  EXPECT_EQ(of(load_spec(text, "f"), 0), "default");
  text.replace(text.find("{name: m}"), 9, "{name: m, namespace: serve}");
  SpecFile file = load_spec(text, "f");
  ASSERT_TRUE(file.ok()) << texts(file);
  EXPECT_EQ(of(file, 0), "serve");
  EXPECT_EQ(of(file, 1), "own");
  std::map<std::string, std::string> origins;
  for (const Explained& e : explain(file.models[0])) origins[e.path] = e.origin;
  EXPECT_EQ(origins["spec.variants[0].target.kubernetes.namespace"], "f:3");
  text.replace(text.find("serve}"), 6, "Not_one}");
  EXPECT_THAT(texts(load_spec(text, "f")), HasSubstr("metadata.namespace: \"Not_one\""));
}

TEST(Spec, OneErrorYieldsNoModels) {
  SpecFile file = load_spec(std::string(kHead) + "  variants: [{}]\n---\nkind: Model\n", "f");
  EXPECT_FALSE(file.ok());
  EXPECT_TRUE(file.models.empty());
}

TEST(Spec, NamesMayBeUsedByOneModelOnly) {
  std::string one = std::string(kHead) + "  variants: [{}]\n";
  EXPECT_THAT(texts(load_spec(one + "---\n" + one, "f")),
              HasSubstr("f:9:18: error: metadata.name: another model is named \"m\" too"));
  SpecFile a = load_spec(one, "a"), b = load_spec(one, "b");
  auto found = check_together({&a, &b});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0].text(), StartsWith("b:3:18: error: metadata.name: another model"));
}

TEST(Spec, WarningsDoNotStopAFile) {
  SpecFile file = load("  scaling: {concurrencyTarget: 64}\n");
  EXPECT_TRUE(file.ok());
  EXPECT_EQ(file.models.size(), 1u);
  EXPECT_THAT(texts(file),
              StartsWith("f:5:32: warning: spec.scaling.concurrencyTarget: concurrencyTarget is 64 "
                         "but maxNumSeqs of variant a (from profile reference) is 256"));
}

TEST(Spec, ABareTimeOfWeightsIsTheirTime) {
  for (const char* text : {"{coldStart: {weights: 40s}}", "{coldStart: {weights: {time: 40s}}}"}) {
    SpecFile file = load_variant(text);
    ASSERT_TRUE(file.ok()) << texts(file);
    EXPECT_EQ(file.models[0].model.variants[0].cold_start.weights.time->p90, seconds(40)) << text;
  }
  SpecFile spread = load_variant("{coldStart: {weights: {p50: 1s, p90: 3s}}}");
  ASSERT_TRUE(spread.ok()) << texts(spread);
  EXPECT_EQ(spread.models[0].model.variants[0].cold_start.weights.time->p90, seconds(3));
}

TEST(Spec, WhatIsCommentedOutBelowAKeyIsItsDefault) {
  SpecFile file = load("  scaling:\n  #  window: 60s\n  adapters:\n");
  EXPECT_TRUE(file.ok()) << texts(file);
}

TEST(Spec, AnchorsServeSeveralVariants) {
  SpecFile file = load_spec(std::string(kHead) +
                                "  variants:\n    - &base {name: a, costPerHour: 2, maxReplicas: "
                                "3}\n    - {<<: *base, name: b}\n",
                            "f");
  ASSERT_TRUE(file.ok()) << texts(file);
  EXPECT_EQ(file.models[0].model.variants[1].cost_per_hour_dollars, 2);
  EXPECT_EQ(file.models[0].model.variants[1].name, "b");
}

class Files : public testing::Test {
 protected:
  Files() : root_(testing::TempDir() + "spec_yaml_" + std::to_string(::getpid())) {
    std::filesystem::create_directories(root_);
  }
  ~Files() override { std::filesystem::remove_all(root_); }
  std::string write(const std::string& name, std::string_view text) {
    std::ofstream(root_ + "/" + name) << text;
    return root_ + "/" + name;
  }
  std::string root_;
};

TEST_F(Files, SamplesAreReadBesideTheSpec) {
  write("starts.csv", "# measured\nreplica,seconds\na,30\nb,10.5\nc,20\n");
  std::string path =
      write("m.yaml",
            std::string(kHead) + "  variants: [{coldStart: {engine: {samples: starts.csv}}}]\n");
  SpecFile file = load_spec_file(path);
  ASSERT_TRUE(file.ok()) << texts(file);
  const spec::Spread& engine = file.models[0].model.variants[0].cold_start.engine;
  EXPECT_THAT(engine.samples, ElementsAre(millis(10'500), seconds(20), seconds(30)));
  EXPECT_EQ(engine.p50, seconds(20));
  EXPECT_EQ(engine.p90, seconds(30));
}

TEST_F(Files, ARecordCarriesWhatADecisionNeedsOfSamples) {
  write("starts.csv", "30\n10.5\n20\n");
  write("a \"b\".csv", "0.000000001\n7\n");
  const std::string kSpec = std::string(kHead) +
                            "  variants:\n"
                            "    - coldStart: {engine: {samples: starts.csv}, image: 3s,\n"
                            "                  weights: {time: {samples: 'a \"b\".csv'}}}";
  for (const char* more : {"", "\n---\n"}) {
    SCOPED_TRACE(more[0] == 0 ? "one model" : "two models of equal samples");
    std::string second = std::string(kSpec).replace(kSpec.find("name: m"), 7, "name: n");
    std::string path = write("m.yaml", more[0] == 0 ? kSpec : kSpec + more + second);
    SpecFile file = load_spec_file(path);
    ASSERT_TRUE(file.ok()) << texts(file);
    std::uint64_t before = 0;
    for (LoadedModel& loaded : file.models) {
      ASSERT_TRUE(resolve_profiles(loaded, {}).has_value());
      EXPECT_NE(loaded.hash, before);
      before = loaded.hash;
      SpecFile again = load_recorded_spec(loaded.yaml, "journal");
      ASSERT_TRUE(again.ok()) << texts(again) << loaded.yaml;
      ASSERT_EQ(again.models.size(), 1U);
      spec::Model expected = loaded.model;
      spec::ColdStart& cold = expected.variants[0].cold_start;
      EXPECT_EQ(cold.engine.samples.size(), 3U);
      cold.engine.samples.clear();
      EXPECT_EQ(cold.weights.time->p50, Duration(1));
      cold.weights.time->samples.clear();
      EXPECT_EQ(again.models[0].model, expected) << loaded.yaml;
    }
  }
  SpecFile one = load_spec_file(write("m.yaml", kSpec));
  write("starts.csv", "31\n10.5\n20\n");
  EXPECT_NE(load_spec_file(write("m.yaml", kSpec)).models[0].hash, one.models[0].hash)
      << "other times are another spec";
}

TEST_F(Files, ARecordOfBeforeSamplesWereCarriedKnowsNoTimes) {
  SpecFile file = load_recorded_spec(
      std::string(kHead) + "  variants: [{coldStart: {engine: {samples: starts.csv}}}]\n",
      "journal");
  ASSERT_TRUE(file.ok()) << texts(file);
  EXPECT_EQ(file.models[0].model.variants[0].cold_start.engine, spec::Spread{});
}

TEST_F(Files, WhatCannotBeReadIsADiagnostic) {
  EXPECT_EQ(texts(load_spec_file(root_ + "/none.yaml")),
            root_ + "/none.yaml: error: no such file; check the path\n");
  EXPECT_EQ(texts(load_spec_file(root_)), root_ + ": error: is a directory; name a file in it\n");
  std::string path = write(
      "m.yaml", std::string(kHead) + "  variants: [{coldStart: {engine: {samples: none.csv}}}]\n");
  EXPECT_THAT(
      texts(load_spec_file(path)),
      HasSubstr("m.yaml:5:35: error: spec.variants[0].coldStart.engine: none.csv: no such file"));
}

TEST_F(Files, AProfileThatIsNotThereIsAWarning) {
  std::string path =
      write("m.yaml", std::string(kHead) + "  variants: [{engine: {profile: my-gpu}}]\n");
  SpecFile file = load_spec_file(path);
  EXPECT_TRUE(file.ok());
  EXPECT_THAT(texts(file), HasSubstr("m.yaml:5:33: warning: spec.variants[0].engine.profile: there "
                                     "is no profile \"my-gpu\" in "));
}

TEST(Samples, AreRefusedWithTheirLine) {
  EXPECT_THAT(parse_samples("1\n2\nx\n").error().message,
              HasSubstr("line 3: \"x\" is not a number of seconds"));
  EXPECT_THAT(parse_samples("replica, start_seconds\n").error().message,
              HasSubstr("line 1: no column is named \"seconds\""));
  EXPECT_THAT(parse_samples("# none\n\n").error().message, HasSubstr("holds no samples"));
  EXPECT_THAT(parse_samples("-1\n").error().message, HasSubstr("line 1"));
  std::string most;
  for (std::size_t i = 0; i < kMaxSamples; ++i) most += "1\n";
  EXPECT_EQ(parse_samples(most).value().size(), kMaxSamples);
  EXPECT_THAT(parse_samples(most + "1\n").error().message, HasSubstr("more than 100000 samples"));
}

TEST(Explain, SaysWhereEachValueComesFrom) {
  SpecFile file =
      load_spec(std::string(kHead) +
                    "  scaling: {environment: ha}\n  variants: [{name: a, maxReplicas: 4}]\n",
                "f");
  ASSERT_TRUE(file.ok()) << texts(file);
  std::map<std::string, std::pair<std::string, std::string>> rows;
  for (const Explained& e : explain(file.models[0])) rows[e.path] = {e.value, e.origin};
  using P = std::pair<std::string, std::string>;
  EXPECT_EQ(rows["metadata.name"], P("m", "f:3"));
  EXPECT_EQ(rows["spec.servedNames"], P("[m]", "metadata.name"));
  EXPECT_EQ(rows["spec.scaling.environment"], P("ha", "f:5"));
  EXPECT_EQ(rows["spec.scaling.window"], P("1m", "default"));
  EXPECT_EQ(rows["spec.variants[0].maxReplicas"], P("4", "f:6"));
  EXPECT_EQ(rows["spec.variants[0].minReplicas"], P("2", "environment floor"));
  EXPECT_EQ(rows["spec.variants[0].engine.maxNumSeqs"], P("(the profile's)", "default"));
  EXPECT_EQ(rows["spec.variants[0].target"], P("(none: for simulate only)", "default"));
}

}  // namespace
}  // namespace tidegate::format
