#include "format/spec_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "format/spec_explain.h"
#include "format/spec_reader.h"

namespace tidegate::format {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kHead =
    "apiVersion: tidegate.dev/v1alpha1\n"
    "kind: Model\n"
    "metadata: {name: m}\n"
    "spec:\n";

/// A document whose spec holds `body`, from line 5 on, and one sound variant after it.
SpecFile load(std::string_view body) {
  return load_spec(std::string(kHead) + std::string(body) + "  variants: [{name: a}]\n", "f");
}

std::string texts(const SpecFile& file) {
  std::string out;
  for (const Diagnostic& d : file.diagnostics) out += d.text() + "\n";
  return out;
}

struct Row {
  const char* label;
  const char* body;
  const char* said;
};

TEST(SpecErrors, SayPlaceValueFormAndWhatWasMeant) {
  const Row rows[] = {
      {"an unknown key, nearly right", "  scaling: {scaleDownDelai: 5m}\n",
       "f:5:13: error: spec.scaling: unknown key \"scaleDownDelai\"; did you mean "
       "\"scaleDownDelay\"? Accepted: policy, "},
      {"a knob in the wrong place", "  minReplicas: 3\n",
       "f:5:3: error: spec: unknown key \"minReplicas\"; it belongs under spec.variants[]. "
       "Accepted: servedNames, "},
      {"a key nobody knows", "  foo: 3\n",
       "f:5:3: error: spec: unknown key \"foo\". Accepted: servedNames, "},
      {"a duration without a unit", "  scaling: {window: 60}\n",
       "f:5:21: error: spec.scaling.window: \"60\" has no unit; expected a duration from 1s to 1h, "
       "such as 1m\n"},
      {"a duration out of range", "  scaling: {window: 2h}\n",
       "f:5:21: error: spec.scaling.window: 2h is too large; expected a duration from 1s to 1h, "
       "such as 1m\n"},
      {"a size with a strange unit", "  queue: {maxBytes: 3 parsecs}\n",
       "f:5:21: error: spec.queue.maxBytes: \"3 parsecs\" has an unknown unit or is out of range; "
       "expected a size from 1MiB to 1TiB, such as 256MiB\n"},
      {"a fraction of a request", "  queue: {maxRequests: 1.5}\n",
       "f:5:24: error: spec.queue.maxRequests: \"1.5\" is not a whole number; expected a whole "
       "number from 1 to 10000000\n"},
      {"a number beyond 64 bits", "  queue: {maxRequests: 99999999999999999999}\n",
       "f:5:24: error: spec.queue.maxRequests: \"99999999999999999999\" is out of range; expected "
       "a whole number from 1 to 10000000\n"},
      {"a number in quotes", "  scaling: {concurrencyTarget: \"64\"}\n",
       "f:5:32: error: spec.scaling.concurrencyTarget: \"64\" is text; leave the quotes out; "
       "expected a whole number from 1 to 100000\n"},
      {"not a number", "  scaling: {targetUtilization: .nan}\n",
       "f:5:32: error: spec.scaling.targetUtilization: \".nan\" is not a number; expected a number "
       "above 0 up to 1\n"},
      {"a share in percent", "  scaling: {targetUtilization: 70}\n",
       "f:5:32: error: spec.scaling.targetUtilization: 70 is too large; expected a number above 0 "
       "up to 1\n"},
      {"a yes for a true", "  scaling: {paused: yes}\n",
       "f:5:21: error: spec.scaling.paused: \"yes\" is not true or false; expected true or "
       "false\n"},
      {"a token with a typo", "  scaling: {mode: Auto}\n",
       "f:5:19: error: spec.scaling.mode: \"Auto\" is unknown; did you mean auto? Expected one of "
       "observe, timed, auto\n"},
      {"text that other readers take for a number", "  servedNames: [123]\n",
       "f:5:17: error: spec.servedNames[0]: 123 is not text to every YAML reader; write \"123\"\n"},
      {"a list where one value belongs", "  scaling: {window: [60s]}\n",
       "f:5:21: error: spec.scaling.window: got a list; expected a duration from 1s to 1h, such as "
       "1m\n"},
      {"one value where a list belongs", "  servedNames: a\n",
       "f:5:16: error: spec.servedNames: got \"a\"; expected a list of text, such as "
       "[Qwen/Qwen3-32B]\n"},
      {"a value where a map belongs", "  queue: 5\n",
       "f:5:10: error: spec.queue: expected a map with maxRequests, maxBytes, maxWait, "
       "maxBodyBytes, order, pacePrefill, got \"5\"\n"},
      {"a map where a list of maps belongs", "  adapters: {name: x}\n",
       "f:5:13: error: spec.adapters: expected a list of maps (begin each with \"- \"), got a "
       "map\n"},
      {"no value", "  scaling:\n    window:\n",
       "f:6:5: error: spec.scaling.window: has no value; expected a duration from 1s to 1h, such "
       "as 1m, or leave the key out\n"},
      {"a bare SLO", "  slo: {ttft: 2s}\n",
       "f:5:15: error: spec.slo.ttft: \"2s\" lacks the percentile; expected one percentile with a "
       "duration above 0s up to 1h, such as {p99: 2s}\n"},
      {"a percentile without its p", "  slo: {ttft: {99: 2s}}\n",
       "f:5:15: error: spec.slo.ttft: \"99\" is not a percentile; write p99; expected"},
      {"two percentiles", "  slo: {ttft: {p50: 1s, p99: 2s}}\n",
       "f:5:15: error: spec.slo.ttft: has 2 percentiles where the SLO is judged by one; expected"},
      {"neither signal nor promql", "  scaling: {metrics: [{target: 5}]}\n",
       "f:5:23: error: spec.scaling.metrics[0]: one of signal, promql is missing\n"},
      {"both signal and promql",
       "  scaling: {metrics: [{target: 5, signal: waiting, promql: x}]}\n",
       "f:5:52: error: spec.scaling.metrics[0]: only one of signal, promql may be given, this has "
       "signal, promql\n"},
      {"a metric without a target", "  scaling: {metrics: [{signal: waiting}]}\n",
       "f:5:23: error: spec.scaling.metrics[0]: \"target\" is missing; expected a number above "
       "0\n"},
      {"a broken cron line", "  scaling: {schedule: [{cron: \"0 25 * * *\", minReplicas: 1}]}\n",
       "f:5:31: error: spec.scaling.schedule[0].cron: hour \"25\" is not understood; accepted: *, "
       "0-23, ranges a-b, lists a,b and steps */n\n"},
      {"a zone with a path in it",
       "  scaling: {schedule: [{cron: \"0 2 * * *\", minReplicas: 1, timeZone: ../etc/passwd}]}\n",
       "f:5:70: error: spec.scaling.schedule[0].timeZone: \"../etc/passwd\" is not the name of a "
       "time zone\n"},
      {"a window that changes nothing", "  scaling: {schedule: [{cron: \"0 2 * * *\"}]}\n",
       "f:5:24: error: spec.scaling.schedule[0]: at least one of minReplicas, maxReplicas is "
       "missing\n"},
      {"a knob that cannot be", "  scaling: {policy: \"static:1.5\"}\n",
       "f:5:21: error: spec.scaling.policy: \"static:1.5\" needs a knob from 0 to 10000, a whole "
       "number of replicas; expected one of static, "},
      {"a key twice", "  queue: {maxWait: 1s, maxWait: 2s}\n",
       "f:5:24: error: the key \"maxWait\" is there already, at line 5\n"},
  };
  for (const Row& row : rows) {
    SpecFile file = load(row.body);
    EXPECT_FALSE(file.ok()) << row.label;
    EXPECT_TRUE(file.models.empty()) << row.label;
    EXPECT_EQ(file.diagnostics.size(), 1u) << row.label << ":\n" << texts(file);
    EXPECT_THAT(texts(file), StartsWith(row.said)) << row.label;
  }
}

SpecFile load_variant(std::string_view variant) {
  return load_spec(std::string(kHead) + "  variants:\n    - " + std::string(variant) + "\n", "f");
}

TEST(SpecErrors, OfVariants) {
  const Row rows[] = {
      {"two targets", "{target: {endpoints: [\"http://a\"], process: {command: [x]}}}",
       "f:6:42: error: spec.variants[0].target: only one of process, endpoints, exec, kubernetes, "
       "awsAutoScalingGroup may be given, this has endpoints, process\n"},
      {"a target misspelt", "{target: {proces: {command: [x]}}}",
       "f:6:17: error: spec.variants[0].target: unknown key \"proces\"; did you mean \"process\"? "
       "Accepted: "},
      {"a command in one piece", "{target: {process: {command: vllm serve}}}",
       "f:6:36: error: spec.variants[0].target.process.command: got \"vllm serve\"; expected a "
       "list of text, such as [\"vllm\", "},
      {"no command", "{target: {process: {}}}",
       "f:6:26: error: spec.variants[0].target.process: \"command\" is missing; expected a list of "
       "text, such as"},
      {"a number in a command", "{target: {process: {command: [x, --port, 80]}}}",
       "f:6:48: error: spec.variants[0].target.process.command[2]: 80 is not text to every YAML "
       "reader; write \"80\"\n"},
      {"money with its sign", "{costPerHour: $3.90}",
       "f:6:21: error: spec.variants[0].costPerHour: \"$3.90\" must be a bare number; leave the $ "
       "out; expected dollars, a number from 0 to 1000000\n"},
      {"percentiles the wrong way round", "{coldStart: {image: {p50: 40s, p90: 10s}}}",
       "f:6:27: error: spec.variants[0].coldStart.image: {p50: 40s, p90: 10s} has its p90 below "
       "its p50; expected"},
      {"half a distribution", "{coldStart: {image: {p50: 40s}}}",
       "f:6:27: error: spec.variants[0].coldStart.image: needs both p50 and p90; expected"},
      {"samples of a text that is no file", "{coldStart: {image: {samples: x.csv}}}",
       "f:6:27: error: spec.variants[0].coldStart.image: x.csv: samples can be read only for a "
       "spec that is a file; expected"},
      {"a bandwidth without its time", "{coldStart: {weights: {bytes: 1GB, bandwidth: 1GB}}}",
       "f:6:53: error: spec.variants[0].coldStart.weights.bandwidth: \"1GB\" is not a size per "
       "second; expected a bandwidth"},
      {"a contradiction", "{minReplicas: 3, maxReplicas: 2}",
       "f:6:21: error: spec.variants[0].minReplicas: minReplicas (3) is above maxReplicas (2)\n"},
      {"a name that is no label", "{name: H100_fp8}",
       "f:6:14: error: spec.variants[0].name: H100_fp8 may hold only a-z, 0-9 and '-' (an RFC 1123 "
       "label); expected a name"},
  };
  for (const Row& row : rows) {
    SpecFile file = load_variant(row.body);
    EXPECT_EQ(file.diagnostics.size(), 1u) << row.label << ":\n" << texts(file);
    EXPECT_THAT(texts(file), StartsWith(row.said)) << row.label;
  }
}

TEST(SpecErrors, OfDocuments) {
  const Row rows[] = {
      {"nothing", "",
       "f: error: holds no document; begin with apiVersion: tidegate.dev/v1alpha1\n"},
      {"comments alone", "# none\n---\n", "f: error: holds no document"},
      {"a list", "- a\n",
       "f:1:1: error: expected a map with apiVersion, kind, metadata and spec, got a list\n"},
      {"another kind", "apiVersion: tidegate.dev/v1alpha1\nkind: Deployment\n",
       "f:2:7: error: kind: \"Deployment\" is not known here; accepted: Model\n"},
      {"another group", "apiVersion: apps/v1\nkind: Model\n",
       "f:1:13: error: apiVersion: \"apps/v1\" is not known here; accepted: "
       "tidegate.dev/v1alpha1\n"},
      {"a name with capitals",
       "apiVersion: tidegate.dev/v1alpha1\nkind: Model\nmetadata: {name: Qwen}\nspec: {variants: "
       "[{}]}\n",
       "f:3:18: error: metadata.name: \"Qwen\" may hold only a-z, 0-9 and '-' (an RFC 1123 label); "
       "expected a name such as qwen3-32b\n"},
      {"no name",
       "apiVersion: tidegate.dev/v1alpha1\nkind: Model\nmetadata: {labels: {a: b}}\nspec: "
       "{variants: [{}]}\n",
       "f:3:11: error: metadata: \"name\" is missing; expected a name of a-z, 0-9 and '-'\n"},
      {"no spec", "apiVersion: tidegate.dev/v1alpha1\nkind: Model\nmetadata: {name: m}\n",
       "f:1:1: error: \"spec\" is missing; it needs at least one item under variants\n"},
      {"no variants",
       "apiVersion: tidegate.dev/v1alpha1\nkind: Model\nmetadata: {name: m}\nspec: {variants: "
       "[]}\n",
       "f:4:18: error: spec.variants: must have at least one item\n"},
      {"broken YAML", "a: [1\n", "f:1:4: error: this list has no closing ]\n"},
  };
  for (const Row& row : rows) {
    SpecFile file = load_spec(row.body, "f");
    EXPECT_EQ(file.diagnostics.size(), 1u) << row.label << ":\n" << texts(file);
    EXPECT_THAT(texts(file), StartsWith(row.said)) << row.label;
  }
}

TEST(SpecErrors, AllOfAFileAreReportedInOrder) {
  SpecFile file = load("  slo: {ttft: 2s}\n  scaling: {mode: x, window: 1}\n");
  ASSERT_EQ(file.diagnostics.size(), 3u);
  EXPECT_EQ(file.diagnostics[0].line, 5);
  EXPECT_EQ(file.diagnostics[1].line, 6);
  EXPECT_LT(file.diagnostics[1].column, file.diagnostics[2].column);
}

TEST(SpecErrors, AreCutAtAHundredAndCounted) {
  std::string body = "  servedNames: [";
  for (int i = 0; i < 60; ++i) body += "1, ";
  SpecFile sixty = load(body + "]\n");
  EXPECT_EQ(sixty.diagnostics.size(), 60u);
  std::string two = std::string(kHead) + body + "]\n---\n" + std::string(kHead) + body + "]\n";
  SpecFile file = load_spec(two, "f");
  ASSERT_EQ(file.diagnostics.size(), 101u);
  EXPECT_EQ(file.diagnostics.back().text(), "f: error: and 22 more");
}

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
            root_ + "/none.yaml: error: no such file\n");
  EXPECT_EQ(texts(load_spec_file(root_)), root_ + ": error: is a directory\n");
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
