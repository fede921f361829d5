// What is said of a spec that cannot be taken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/spec_load_for_test.h"

namespace tidegate::format {
namespace {

using testing::StartsWith;

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

TEST(SpecErrors, OfVariants) {
  const Row rows[] = {
      {"two targets", "{target: {endpoints: [\"http://a\"], process: {command: [x]}}}",
       "f:6:42: error: spec.variants[0].target: only one of process, endpoints, exec, kubernetes, "
       "awsAutoScalingGroup may be given, this has endpoints, process\n"},
      {"a target misspelt", "{target: {proces: {command: [x]}}}",
       "f:6:17: error: spec.variants[0].target: unknown key \"proces\"; did you mean \"process\"? "
       "Accepted: "},
      {"a key that was", "{warmPool: {level: 2}}",
       "f:6:19: error: spec.variants[0].warmPool: \"level\" is no key any more; write state: "
       "level1 in the place of level: 1, and state: level2 for level: 2\n"},
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
      {"another autoscaler's", "apiVersion: tidegate.dev/v1alpha1\nkind: ScaledObject\n",
       "f:2:7: error: kind: \"ScaledObject\" is not known here; accepted: Model (tidegate import "
       "keda makes a Model of it)\n"},
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
  EXPECT_EQ(texts(load_spec(std::string("a: \0b", 5), "f")),
            "f: error: this is no text: byte 4 is 0; give a YAML file in UTF-8\n");
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

}  // namespace
}  // namespace tidegate::format
