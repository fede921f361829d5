#include "core/spec/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/spec/cron.h"
#include "core/spec/full_model_for_test.h"

namespace tidegate::spec {
namespace {

using testing::HasSubstr;

/// A model that is beyond reproach.
Model sound() {
  Model model;
  model.name = "m";
  model.served_names = {"m"};
  Variant variant;
  variant.name = "a";
  variant.min_replicas = Replicas(1);
  variant.max_replicas = Replicas(4);
  variant.engine.max_num_seqs = 64;
  model.variants = {variant};
  return model;
}

struct Row {
  const char* label;
  std::function<void(Model&)> spoil;
  const char* path;
  const char* message;
};

std::vector<Finding> found(const Row& row) {
  Model model = sound();
  row.spoil(model);
  return validate(model, {});
}

TEST(Validate, ASoundModelHasNoFindings) { EXPECT_TRUE(validate(sound(), {}).empty()); }

TEST(Validate, ContradictionsAreErrorsAtTheirKey) {
  const Row rows[] = {
      {"min above max", [](Model& m) { m.variants[0].min_replicas = Replicas(5); },
       "spec.variants[0].minReplicas", "minReplicas (5) is above maxReplicas (4)"},
      {"two variants of one name", [](Model& m) { m.variants.push_back(m.variants[0]); },
       "spec.variants[1].name",
       "variant \"a\" is there already, as spec.variants[0].name; names must differ"},
      {"a served name twice",
       [](Model& m) {
         m.served_names = {"x", "x"};
       },
       "spec.servedNames[1]", "served name \"x\" is there already"},
      {"an adapter named as the model",
       [](Model& m) {
         m.adapters = {{"m", "/p"}};
       },
       "spec.adapters[0].name", "could not tell them apart"},
      {"a priority class twice",
       [](Model& m) {
         m.priority_classes = {{"x", 1}, {"x", 2}};
       },
       "spec.priorityClasses[1].name", "priority class \"x\" is there already"},
      {"no variants", [](Model& m) { m.variants.clear(); }, "spec.variants",
       "at least one variant"},
      {"timed without a time", [](Model& m) { m.scaling.mode = Mode::kTimed; }, "spec.scaling.mode",
       "needs scaling.timedFor"},
      {"utilization in percent",
       [](Model& m) {
         m.scaling.metrics = {{SignalName::kKvUsage, "", MetricTarget::kUtilization, 70}};
       },
       "spec.scaling.metrics[0].target", "write 0.7 for 70 %"},
      {"a window with its bounds crossed",
       [](Model& m) {
         ScheduleWindow w;
         w.fields = parse_cron("* * * * *").value();
         w.min_replicas = Replicas(3);
         w.max_replicas = Replicas(2);
         m.scaling.schedule = {w};
       },
       "spec.scaling.schedule[0].minReplicas", "minReplicas (3) is above maxReplicas (2)"},
      {"fewer tokens a step than sequences",
       [](Model& m) { m.variants[0].engine.max_num_batched_tokens = 63; },
       "spec.variants[0].engine.maxNumBatchedTokens", "is below maxNumSeqs (64)"},
      {"weights by time and by bytes",
       [](Model& m) {
         m.variants[0].cold_start.weights = {1, WeightSource::kHub, std::nullopt, spread(1, 1)};
       },
       "spec.variants[0].coldStart.weights.time", "give one of the two"},
      {"a bandwidth without bytes",
       [](Model& m) { m.variants[0].cold_start.weights.bandwidth_bytes_per_second = 1; },
       "spec.variants[0].coldStart.weights.bandwidth", "says nothing without bytes"},
      {"weights from somewhere nobody fetches from",
       [](Model& m) { m.variants[0].cold_start.weights.source = "Qwen/Qwen3-32B"; },
       "spec.variants[0].coldStart.weights.source", "write hf://OWNER/NAME@REVISION"},
      {"an endpoint that is no URL",
       [](Model& m) { m.variants[0].target = EndpointsTarget{{"10.0.0.7:8000"}}; },
       "spec.variants[0].target.endpoints[0]", "write http://HOST:PORT"},
      {"an endpoint twice",
       [](Model& m) {
         m.variants[0].target = EndpointsTarget{{"http://a:1", "http://a:1"}};
       },
       "spec.variants[0].target.endpoints[1]", "is there already"},
      {"no endpoints", [](Model& m) { m.variants[0].target = EndpointsTarget{}; },
       "spec.variants[0].target.endpoints", "must not be empty"},
      {"a health path without a slash",
       [](Model& m) {
         m.variants[0].target = ProcessTarget{.command = {"x"}, .health_path = "health"};
       },
       "spec.variants[0].target.process.healthPath", "must begin with /"},
      {"a group's health path without a slash",
       [](Model& m) {
         m.variants[0].target = AwsAutoScalingGroupTarget{
             .name = "g", .region = "eu-central-1", .health_path = "health"};
       },
       "spec.variants[0].target.awsAutoScalingGroup.healthPath", "must begin with /"},
      {"a region that is none",
       [](Model& m) {
         m.variants[0].target = AwsAutoScalingGroupTarget{.name = "g", .region = "Frankfurt"};
       },
       "spec.variants[0].target.awsAutoScalingGroup.region", "write eu-central-1"},
      {"an endpoint that is no URL",
       [](Model& m) {
         m.variants[0].target = AwsAutoScalingGroupTarget{
             .name = "g", .region = "eu-central-1", .endpoint = "localhost:4566"};
       },
       "spec.variants[0].target.awsAutoScalingGroup.endpoint", "is not a URL"},
      {"an environment name with =",
       [](Model& m) {
         m.variants[0].target = ProcessTarget{.command = {"x"}, .env = {{"A=B", "c"}}};
       },
       "spec.variants[0].target.process.env", "must not hold '='"},
      {"a Prometheus without a scheme",
       [](Model& m) { m.prometheus = Prometheus{.url = "p:9090"}; }, "spec.prometheus.url",
       "write http://HOST:PORT"},
      {"a Prometheus whose URL holds a password",
       [](Model& m) { m.prometheus = Prometheus{.url = "http://me:secret@p:9090/x"}; },
       "spec.prometheus.url", "must not hold credentials"},
      {"a Prometheus given by its query path",
       [](Model& m) { m.prometheus = Prometheus{.url = "http://p:9090/api/v1/query"}; },
       "spec.prometheus.url", "up to what stands before /api/v1"},
      {"a header that would be two",
       [](Model& m) {
         m.prometheus = Prometheus{.url = "http://p:9090", .headers = {{"A", "b\r\nC: d"}}};
       },
       "spec.prometheus.headers", "no line breaks"},
      {"sensing from a Prometheus nobody named",
       [](Model& m) { m.variants[0].sense.from = SenseFrom::kPrometheus; },
       "spec.variants[0].sense.from", "add spec.prometheus.url"},
      {"the queue of our own gateway",
       [](Model& m) { m.front.queue_metrics = "http://epp:9090/metrics"; },
       "spec.front.queueMetrics", "write by: proxy"},
      {"a queue's page that is no URL",
       [](Model& m) { m.front = {.by = Front::kProxy, .queue_metrics = "epp:9090"}; },
       "spec.front.queueMetrics", "write http://HOST:PORT/metrics"},
      {"a token for no page",
       [](Model& m) { m.front = {.by = Front::kProxy, .bearer_token_file = "/token"}; },
       "spec.front.bearerTokenFile", "queueMetrics"},
      {"a selector in braces", [](Model& m) { m.variants[0].sense.selector = "{job=\"x\"}"; },
       "spec.variants[0].sense.selector", "without braces"},
      {"a page of GPUs that is no URL",
       [](Model& m) { m.variants[0].sense.gpu_metrics = {"{host}:9400"}; },
       "spec.variants[0].sense.gpuMetrics[0]", "write http://{host}:9400/metrics"},
  };
  for (const Row& row : rows) {
    auto findings = found(row);
    ASSERT_EQ(findings.size(), 1u) << row.label;
    EXPECT_TRUE(findings[0].error) << row.label;
    EXPECT_EQ(findings[0].path, row.path) << row.label;
    EXPECT_THAT(findings[0].message, HasSubstr(row.message)) << row.label;
  }
}

void metric(Model& m, std::vector<std::string> queries) {
  m.scaling.policy = PolicyKind::kHpa;
  m.prometheus = Prometheus{.url = "http://p:9090"};
  for (auto& q : queries) m.scaling.metrics.push_back({std::nullopt, q, MetricTarget::kValue, 1});
}

TEST(Validate, WhatIsLegalAndUnwiseIsAWarning) {
  const Row rows[] = {
      {"a target above the batch", [](Model& m) { m.scaling.concurrency_target = 100; },
       "spec.scaling.concurrencyTarget", "queue inside the engine"},
      {"a target below the batch", [](Model& m) { m.scaling.concurrency_target = 10; },
       "spec.scaling.concurrencyTarget", "is never used"},
      {"waking takes longer than anyone waits",
       [](Model& m) {
         m.variants[0].min_replicas = Replicas(0);
         m.variants[0].cold_start.engine = spread(60, 121);
       },
       "spec.variants[0].minReplicas", "takes 2m1s (p90), longer than queue.maxWait (2m)"},
      {"to zero under a tight SLO, with the break-even",
       [](Model& m) {
         m.variants[0].min_replicas = Replicas(0);
         m.variants[0].cost_per_hour_dollars = 3.9;
         m.variants[0].cold_start.engine = spread(60, 60);
         m.slo.ttft = LatencyBound{0.99, seconds(2)};
       },
       "spec.variants[0].minReplicas",
       "$3.9 an hour, as much as 3.9 million tokens at $1 per million"},
      {"a floor above the ceiling",
       [](Model& m) {
         m.scaling.environment = Environment::kHa;
         m.variants[0].min_replicas.reset();
         m.variants[0].max_replicas = Replicas(1);
       },
       "spec.variants[0].maxReplicas", "environment ha asks for 2 replicas, maxReplicas allows 1"},
      {"a static number out of bounds",
       [](Model& m) {
         m.scaling.policy = PolicyKind::kStatic;
         m.scaling.policy_knob = 9;
       },
       "spec.scaling.policy", "outside the bounds of variant a (1 to 4)"},
      {"down faster than up", [](Model& m) { m.variants[0].cold_start.engine = spread(900, 901); },
       "spec.scaling.scaleDownDelay", "shorter than a cold start"},
      {"a command that is not told its port",
       [](Model& m) {
         m.variants[0].target = ProcessTarget{.command = {"vllm", "serve"}};
       },
       "spec.variants[0].target.process.command", "no word of it, and no value of env, has {port}"},
      {"a start that never lasts long enough",
       [](Model& m) {
         m.variants[0].cold_start.engine = spread(10, 60);
         m.variants[0].target =
             ProcessTarget{.command = {"x", "{port}"}, .start_timeout = seconds(59)};
       },
       "spec.variants[0].target.process.startTimeout", "stopped before they are ready"},
      {"a drain that cuts answers",
       [](Model& m) {
         m.slo.e2e = LatencyBound{0.95, seconds(30)};
         m.variants[0].target =
             ProcessTarget{.command = {"x", "{port}"}, .drain_timeout = seconds(29)};
       },
       "spec.variants[0].target.process.drainTimeout", "cuts answers"},
      {"E2E below TTFT",
       [](Model& m) {
         m.slo.ttft = LatencyBound{0.99, seconds(2)};
         m.slo.e2e = LatencyBound{0.99, seconds(1)};
       },
       "spec.slo.e2e", "is below the TTFT bound"},
      {"a body that can never wait",
       [](Model& m) { m.queue.max_body_bytes = m.queue.max_bytes + 1; }, "spec.queue.maxBodyBytes",
       "can never wait"},
      {"a time for another mode", [](Model& m) { m.scaling.timed_for = seconds(60); },
       "spec.scaling.timedFor", "the mode is auto"},
      {"a duty cycle alone", [](Model& m) { metric(m, {"avg(DCGM_FI_DEV_GPU_UTIL)"}); },
       "spec.scaling.metrics[0].promql", "says nothing about load"},
      {"a duty cycle under the maximum of metrics",
       [](Model& m) {
         metric(m, {"sum(x)", "avg(DCGM_FI_PROF_GR_ENGINE_ACTIVE)"});
       },
       "spec.scaling.metrics[1].promql", "ratchets to maxReplicas"},
      {"a rate for each replica", [](Model& m) { metric(m, {"rate(tokens_total[1m])"}); },
       "spec.scaling.metrics[0].promql", "write sum(rate(...))"},
      {"an aggregation's name inside another word is none",
       [](Model& m) { metric(m, {"rate(checksum_total[1m])"}); }, "spec.scaling.metrics[0].promql",
       "write sum(rate(...))"},
      {"the engines' queues, which late binding empties",
       [](Model& m) { metric(m, {"sum(vllm:num_requests_waiting)"}); },
       "spec.scaling.metrics[0].promql", "use signal: waiting"},
      {"metrics for a policy that reads none",
       [](Model& m) {
         metric(m, {"sum(x)"});
         m.scaling.policy = PolicyKind::kStatic;
       },
       "spec.scaling.metrics", "policy static does not read metrics"},
      {"PromQL and nobody to ask",
       [](Model& m) {
         metric(m, {"sum(x)"});
         m.prometheus.reset();
       },
       "spec.scaling.metrics[0].promql", "add spec.prometheus.url"},
      {"a zero behind a proxy that nobody would end",
       [](Model& m) {
         m.front.by = Front::kProxy;
         for (Variant& v : m.variants) v.min_replicas = Replicas(0);
       },
       "spec.front.by", "write minReplicas: 1"},
      {"samples that age between two queries",
       [](Model& m) { m.prometheus = Prometheus{.url = "http://p:9090", .max_age = seconds(9)}; },
       "spec.prometheus.maxAge", "below two intervals of 5s"},
      {"a day that never comes",
       [](Model& m) {
         ScheduleWindow w;
         w.cron = "0 0 30 feb *";
         w.fields = parse_cron(w.cron).value();
         w.min_replicas = Replicas(1);
         m.scaling.schedule = {w};
       },
       "spec.scaling.schedule[0].cron", "matches no day of any year"},
  };
  for (const Row& row : rows) {
    auto findings = found(row);
    ASSERT_EQ(findings.size(), 1u) << row.label;
    EXPECT_FALSE(findings[0].error) << row.label;
    EXPECT_EQ(findings[0].path, row.path) << row.label;
    EXPECT_THAT(findings[0].message, HasSubstr(row.message)) << row.label;
  }
}

TEST(Validate, WhatIsWiseIsNotWarnedOf) {
  const Row rows[] = {
      {"a target for all ranks together",
       [](Model& m) {
         m.scaling.concurrency_target = 128;
         m.variants[0].engine.data_parallel_size = 2;
       },
       "", ""},
      {"an unknown profile's batch",
       [](Model& m) {
         m.scaling.concurrency_target = 100;
         m.variants[0].engine.max_num_seqs.reset();
         m.variants[0].engine.profile = "unknown";
       },
       "", ""},
      {"zero replicas that wake in time",
       [](Model& m) {
         m.variants[0].min_replicas = Replicas(0);
         m.variants[0].cold_start.engine = spread(60, 120);
       },
       "", ""},
      {"a summed rate", [](Model& m) { metric(m, {"sum by (model) (rate(tokens_total[1m]))"}); },
       "", ""},
      {"a port that is told by the environment",
       [](Model& m) {
         m.variants[0].target = ProcessTarget{.command = {"serve.sh"}, .env = {{"PORT", "{port}"}}};
       },
       "", ""},
      {"weights already in the image",
       [](Model& m) {
         m.variants[0].min_replicas = Replicas(0);
         m.variants[0].cold_start.weights = {1LL << 40, WeightSource::kImage, std::nullopt,
                                             std::nullopt};
       },
       "", ""},
  };
  for (const Row& row : rows) EXPECT_TRUE(found(row).empty()) << row.label;
}

TEST(Validate, AProfileFillsInTheBatch) {
  Model model = sound();
  model.variants[0].engine.max_num_seqs.reset();
  model.scaling.concurrency_target = 64;
  EXPECT_TRUE(validate(model, {}).empty());
  auto findings = validate(model, {.profile_max_num_seqs = {{"reference", 256}}});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_THAT(findings[0].message, HasSubstr("(from profile reference) is 256"));
}

TEST(Validate, AdviceWaitsUntilTheErrorsAreGone) {
  Model model = sound();
  model.scaling.concurrency_target = 1;
  model.variants[0].min_replicas = Replicas(9);
  auto findings = validate(model, {});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_TRUE(findings[0].error);
}

TEST(ValidateTogether, OneNameGoesToOneModel) {
  Model a = sound(), b = sound(), c = sound();
  b.name = "b";
  b.served_names = {"b", "m"};
  c.served_names = {"other"};
  const Model* models[] = {&a, &b, &c};
  auto findings = validate_together(models);
  EXPECT_TRUE(findings[0].empty());
  ASSERT_EQ(findings[1].size(), 1u);
  EXPECT_EQ(findings[1][0].path, "spec.servedNames[1]");
  EXPECT_THAT(findings[1][0].message, HasSubstr("\"m\" is served by model \"m\" already"));
  ASSERT_EQ(findings[2].size(), 1u) << "c is named m as a is";
  EXPECT_EQ(findings[2][0].path, "metadata.name");
}

TEST(ColdStart, SumsTheStagesAtTheir90thPercentile) {
  ColdStart cold = full_cold_start();  // 120 + 40 + 27 GB / 1.5 GB/s + 40
  EXPECT_EQ(cold_start_p90(cold), seconds(218));
  cold.weights = {0, WeightSource::kHub, std::nullopt, spread(7, 9)};
  EXPECT_EQ(cold_start_p90(cold), seconds(209));
}

}  // namespace
}  // namespace tidegate::spec
