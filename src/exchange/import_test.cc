#include "exchange/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidegate::exchange {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string said(const Imported& imported) {
  std::string out;
  for (const auto& d : imported.diagnostics) out += d.text() + "\n";
  return out;
}

Imported done(ImportKind kind, const std::string& text) {
  auto imported = import(kind, text, "in.yaml");
  EXPECT_TRUE(imported) << imported.error().message << text;
  if (!imported) return {};
  auto file = format::load_spec(imported->text, "out.yaml");
  EXPECT_TRUE(file.ok()) << imported->text;
  return std::move(*imported);
}

std::string scaled_object(const std::string& query, const std::string& more = "",
                          const std::string& trigger = "") {
  return R"(apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: llama, namespace: serve}
spec:
  scaleTargetRef: {name: llama}
  minReplicaCount: 1
  maxReplicaCount: 4
)" + more +
         R"(
  triggers:
    - type: prometheus
)" + trigger +
         R"(
      metadata:
        serverAddress: http://p:9090
        threshold: "5"
        query: ')" +
         query + "'\n";
}

TEST(ImportKeda, NamesTheTrapOfEachQuery) {
  struct Row {
    const char* label;
    const char* query;
    const char* says;
    const char* writes;
  };
  const Row kRows[] = {
      {"a duty cycle ratchets", "avg(DCGM_FI_DEV_GPU_UTIL)", "ratchets the fleet to its maximum",
       "policy: keda"},
      {"a rate is one series a replica", "rate(vllm:prompt_tokens_total[1m])",
       "rate() without sum()", "promql:"},
      {"a name vLLM does not emit", "sum(vllm_num_requests_waiting)",
       "vLLM emits no vllm_num_requests_waiting: the metric stays empty. Did you mean "
       "vllm:num_requests_waiting?",
       "signal: waiting"},
      {"a name that is close", "sum(vllm:num_request_waiting)",
       "Did you mean vllm:num_requests_waiting?", "promql:"},
      {"a name of V0", "sum(vllm:num_requests_swapped)", "V1 never emits it", "promql:"},
      {"another name of V0", "sum(vllm:avg_generation_throughput_toks_per_s)", "V1 never emits it",
       "promql:"},
      {"a part of the queue", "sum(vllm:num_requests_waiting_by_reason{reason=\"deferred\"})",
       "the engines' queues alone are counted", "promql:"},
      {"the old KV name", "avg(vllm:gpu_cache_usage_perc)", "is the old name", "signal: kvUsage"},
      {"a queue alone", "sum(vllm:num_requests_waiting)", "the queue is the only trigger",
       "signal: waiting"},
      {"engines' queues behind a gateway", "sum(vllm:num_requests_waiting)",
       "the engines' queues alone are counted", "signal: waiting"},
      {"a mean divided again", "avg(vllm:num_requests_running)", "divides by the replicas twice",
       "signal: running"},
      {"empty is zero", "sum(vllm:num_requests_running)", "ignoreNullValues is not false",
       "signal: running"},
      {"no fallback", "sum(vllm:num_requests_running)", "no fallback", "target: 5"},
      {"the window nobody chose", "sum(vllm:num_requests_running)", "Kubernetes' 300 s hold",
       "stabilizationWindowSeconds: 300"},
  };
  for (const Row& row : kRows) {
    Imported out = done(ImportKind::kKeda, scaled_object(row.query));
    EXPECT_THAT(said(out), HasSubstr(row.says)) << row.label;
    EXPECT_THAT(out.text, HasSubstr(row.writes)) << row.label;
    EXPECT_THAT(out.text, HasSubstr("mode: observe")) << row.label;
  }
}

TEST(ImportKeda, ASoundQueryIsNoTrap) {
  Imported out =
      done(ImportKind::kKeda,
           scaled_object("sum(tidegate_queue_requests) + sum(vllm:num_requests_waiting) + "
                         "sum(vllm:num_requests_running)",
                         "  fallback: {failureThreshold: 3, replicas: 2}\n  advanced: "
                         "{horizontalPodAutoscalerConfig: {behavior: {scaleDown: "
                         "{stabilizationWindowSeconds: 600}}}}"));
  EXPECT_THAT(out.text, HasSubstr("signal: inFlight"));
  EXPECT_THAT(out.text, HasSubstr("stabilizationWindowSeconds: 600"));
  EXPECT_EQ(out.diagnostics.size(), 1u) << said(out);  // ignoreNullValues
}

TEST(ImportKeda, ToZeroOnEnginesOwnMetricsNeverWakes) {
  std::string text = scaled_object("sum(vllm:num_requests_waiting)");
  text.replace(text.find("minReplicaCount: 1"), 18, "minReplicaCount: 0");
  EXPECT_THAT(said(done(ImportKind::kKeda, text)), HasSubstr("nothing ever wakes it"));
}

TEST(ImportKeda, UnknownFieldsAndTriggersAreSaid) {
  std::string text = scaled_object("sum(vllm:num_requests_running)", "  idleReplicaCount: 0",
                                   "      authenticationRef: {name: secret}");
  text += "    - {type: kafka, metadata: {topic: t}}\n    - {type: cpu, metadata: {value: '5'}}\n";
  std::string found = said(done(ImportKind::kKeda, text));
  EXPECT_THAT(found, HasSubstr("in.yaml:8:3: warning: spec.idleReplicaCount has no counterpart"));
  EXPECT_THAT(found, HasSubstr("spec.triggers[0].authenticationRef has no counterpart"));
  EXPECT_THAT(found, HasSubstr("a trigger of type \"kafka\""));
  EXPECT_THAT(found, HasSubstr("a cpu trigger says nothing"));
}

TEST(ImportHpa, NamesWithoutTheColonTheCustomMetricsApiCannotTake) {
  Imported out = done(ImportKind::kHpa, R"(apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: llama}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llama}
  maxReplicas: 9
  metrics:
  - {type: Pods, pods: {metric: {name: vllm_num_requests_waiting}, target: {type: AverageValue, averageValue: "5"}}}
)");
  EXPECT_THAT(out.text, HasSubstr("signal: waiting"));
  EXPECT_THAT(said(out), Not(HasSubstr("vLLM emits no")));
}

TEST(ImportHpa, PodsMetricsQuantitiesAndCpu) {
  Imported out = done(ImportKind::kHpa, R"(apiVersion: v1
kind: List
items:
- apiVersion: autoscaling/v2
  kind: HorizontalPodAutoscaler
  metadata: {name: llama.prod, namespace: serve, uid: x}
  spec:
    scaleTargetRef: {apiVersion: leaderworkerset.x-k8s.io/v1, kind: LeaderWorkerSet, name: llama}
    maxReplicas: 9
    metrics:
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}
    - {type: Pods, pods: {metric: {name: "vllm:kv_cache_usage_perc"}, target: {type: AverageValue, averageValue: 750m}}}
    - {type: External, external: {metric: {name: my_rate, selector: {matchLabels: {a: b}}}, target: {type: AverageValue, averageValue: "3"}}}
    behavior: {scaleUp: {tolerance: 50m, policies: [{type: Pods, value: 2, periodSeconds: 90}]}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: other}}
)");
  EXPECT_THAT(out.text, HasSubstr("name: llama-prod"));
  EXPECT_THAT(out.text, HasSubstr("kind: LeaderWorkerSet"));
  EXPECT_THAT(out.text, HasSubstr("maxReplicas: 9"));
  EXPECT_THAT(out.text, HasSubstr("target: 0.75"));
  EXPECT_THAT(out.text, HasSubstr("tolerance: 0.05"));
  EXPECT_THAT(out.text, HasSubstr("sum(my_rate{a="));
  std::string found = said(out);
  EXPECT_THAT(found, HasSubstr("CPU and memory say nothing"));
  EXPECT_THAT(found, HasSubstr("kind \"ConfigMap\""));
  EXPECT_THAT(found, HasSubstr("\"llama.prod\" becomes llama-prod"));
}

TEST(ImportKnative, DeadlinesLimitsAndWindows) {
  Imported out = done(ImportKind::kKnative, R"(apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: llama}
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/min-scale: "0"
        autoscaling.knative.dev/window: 90s
        autoscaling.knative.dev/target-utilization-percentage: "80"
        autoscaling.knative.dev/panic-threshold-percentage: "150"
    spec:
      containerConcurrency: 32
      timeoutSeconds: 120
      containers:
      - args: [--model=meta/llama, --port, "8000"]
        startupProbe: {periodSeconds: 10, failureThreshold: 120}
)");
  EXPECT_THAT(out.text, HasSubstr("policy: kpa"));
  EXPECT_THAT(out.text, HasSubstr("concurrencyTarget: 32"));
  EXPECT_THAT(out.text, HasSubstr("targetUtilization: 0.8"));
  EXPECT_THAT(out.text, HasSubstr("window: 1m30s"));
  EXPECT_THAT(out.text, HasSubstr("meta/llama"));
  std::string found = said(out);
  EXPECT_THAT(found, HasSubstr("the startup probe allows 20m but the progress deadline is 10m"));
  EXPECT_THAT(found, HasSubstr("panic-threshold-percentage has no counterpart"));
  EXPECT_THAT(found, HasSubstr("timeoutSeconds is 120"));
  EXPECT_THAT(found, HasSubstr("max-scale is not given"));
}

TEST(ImportVariantAutoscaling, ObjectsOfOneModelAreItsVariants) {
  Imported out = done(ImportKind::kVariantAutoscaling, R"(apiVersion: llmd.ai/v1alpha1
kind: VariantAutoscaling
metadata: {name: llama-h100, namespace: serve}
spec:
  scaleTargetRef: {kind: Deployment, name: llama-h100}
  modelID: meta/llama-3.1-70b
  variantCost: "80.0"
  minReplicas: 1
  maxReplicas: 10
  acceleratorType: H100
  variantProfile: {maxBatchSize: 256, perfParms: {decodeParms: {alpha: "15", beta: "0.3"}}}
---
apiVersion: llmd.ai/v1alpha1
kind: VariantAutoscaling
metadata: {name: llama-a100}
spec:
  scaleTargetRef: {kind: Deployment, name: llama-a100}
  modelID: meta/llama-3.1-70b
  sloClassRef: {name: c, key: k}
  modelProfile: {accelerators: [{acc: A100, accCount: 2, maxBatchSize: 64}]}
)");
  auto file = format::load_spec(out.text, "out.yaml");
  ASSERT_EQ(file.models.size(), 1u) << out.text;
  const spec::Model& model = file.models[0].model;
  EXPECT_EQ(model.name, "llama-3-1-70b");
  ASSERT_EQ(model.variants.size(), 2u);
  EXPECT_EQ(model.variants[0].cost_per_hour_dollars, 80);
  EXPECT_EQ(model.variants[0].max_replicas, Replicas(10));
  EXPECT_EQ(model.variants[1].hardware.count, 2);
  EXPECT_EQ(model.variants[1].engine.max_num_seqs, 64);
  EXPECT_THAT(said(out), HasSubstr("sloClassRef names a ConfigMap"));
  EXPECT_THAT(said(out), HasSubstr("perfParms"));
}

TEST(Import, TextsOfTheirsReachNoTerminalAndNoLineAsTheyAre) {
  std::string text = scaled_object("sum(vllm:num_requests_running)");
  text += "    - {type: \"a\\e[2Jb\\rkind: Secret\", metadata: {}}\n";
  Imported out = done(ImportKind::kKeda, text);
  for (const std::string& shown : {said(out), out.text}) {
    EXPECT_EQ(shown.find_first_of("\x1b\r"), std::string::npos) << shown;
  }
}

TEST(Import, BadInputIsAnErrorThatSaysWhatIsWrong) {
  const std::vector<std::tuple<const char*, std::string, const char*>> kRows = {
      {"another kind", "kind: Deployment\napiVersion: apps/v1\n", "no object of kind ScaledObject"},
      {"nothing", "", "no object of kind ScaledObject"},
      {"no YAML", "a: [", "in.yaml:"},
      {"bounds that contradict",
       "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec: "
       "{scaleTargetRef: {name: a}, minReplicaCount: 9, maxReplicaCount: 3}\n",
       "makes no valid spec"},
      {"a target without a name",
       "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec: {}\n",
       "makes no valid spec"},
  };
  for (const auto& [label, text, says] : kRows) {
    auto imported = import(ImportKind::kKeda, text, "in.yaml");
    ASSERT_FALSE(imported) << label << imported->text;
    EXPECT_THAT(imported.error().message, HasSubstr(says)) << label;
  }
}

}  // namespace
}  // namespace tidegate::exchange
