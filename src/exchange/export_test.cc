#include "exchange/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "exchange/cron_trigger.h"
#include "exchange/diff.h"
#include "exchange/import.h"
#include "exchange/model_yaml.h"
#include "exchange/names.h"
#include "exchange/queries.h"
#include "format/spec_tree.h"
#include "format/spec_yaml.h"

namespace tidegate::exchange {
namespace {

using testing::HasSubstr;
using testing::Not;

spec::Model model_with(const std::string& scaling, const std::string& variant = "") {
  std::string text = R"(apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {name: qwen3}
spec:
  servedNames: [Qwen/Qwen3-32B]
  slo: {ttft: {p99: 2s}}
)" + scaling + R"(
  variants:
    - name: h100
      costPerHour: 3.9
      minReplicas: 2
      maxReplicas: 8
      engine: {maxNumSeqs: 64}
      coldStart: {weights: 60s, engine: 40s}
)" + variant + R"(
      target: {kubernetes: {namespace: serve, name: qwen3}}
)";
  auto file = format::load_spec(text, "test.yaml");
  EXPECT_TRUE(file.ok()) << (file.diagnostics.empty() ? "" : file.diagnostics[0].text());
  return file.models.empty() ? spec::Model{} : file.models[0].model;
}

Export made(const spec::Model& model, const ExportOptions& options) {
  return {model, exported_law(model, options), {}, options};
}

std::string text_of(const spec::Model& model, const ExportOptions& options) {
  auto files = export_files(made(model, options));
  EXPECT_TRUE(files) << (files ? "" : files.error().message);
  return files ? files->front().text : "";
}

TEST(Export, EveryKindGivesYamlThatParsesAndIsTheSameTwice) {
  spec::Model model = model_with("");
  for (auto kind :
       {ExportKind::kKeda, ExportKind::kHpa, ExportKind::kPrometheusAdapter, ExportKind::kKustomize,
        ExportKind::kRules, ExportKind::kPrometheusRule, ExportKind::kGrafana}) {
    for (bool follow : {false, true}) {
      ExportOptions options{.kind = kind, .follow = follow};
      auto files = export_files(made(model, options));
      ASSERT_TRUE(files) << token(kind) << files.error().message;
      auto again = export_files(made(model, options));
      for (std::size_t i = 0; i < files->size(); ++i) {
        EXPECT_EQ((*files)[i].text, (*again)[i].text);
        for (const auto& d : format::parse_documents((*files)[i].text)) {
          EXPECT_TRUE(d.errors.empty()) << (*files)[i].name << ": " << d.errors[0].message << "\n"
                                        << (*files)[i].text;
        }
      }
    }
  }
}

TEST(Export, AQueueIsNeverTheOnlyTrigger) {
  for (const char* policy : {"keda", "hpa"}) {
    spec::Model model = model_with(std::string("  scaling: {policy: ") + policy +
                                   ", metrics: [{signal: waiting, target: 5}]}");
    for (auto kind : {ExportKind::kKeda, ExportKind::kHpa}) {
      Law law = exported_law(model, {.kind = kind});
      ASSERT_EQ(law.model.scaling.metrics.size(), 2u);
      EXPECT_EQ(law.model.scaling.metrics[1].signal, spec::SignalName::kInFlight);
      EXPECT_THAT(law.notes.front(), HasSubstr("queue alone"));
    }
  }
}

TEST(Export, WhatWaitsIsCountedAtTheGatewayAndInTheEngines) {
  spec::Model model = model_with("");
  auto waiting = query(model, model.variants[0], spec::SignalName::kWaiting);
  ASSERT_TRUE(waiting);
  EXPECT_EQ(*waiting,
            "sum(tidegate_queue_requests{model=\"qwen3\"}) + "
            "(sum(vllm:num_requests_waiting{model_name=\"Qwen/Qwen3-32B\"}) or "
            "sum(tidegate_replicas{model=\"qwen3\",state=\"ready\"}) == 0)");
  auto in_flight = query(model, model.variants[0], spec::SignalName::kInFlight);
  ASSERT_TRUE(in_flight);
  EXPECT_THAT(*in_flight, HasSubstr("vllm:num_requests_running"));
  EXPECT_THAT(*in_flight, HasSubstr("tidegate_queue_requests"));
}

TEST(Export, VariantsShareTheGatewaysQueueAndAreToldApartByTheirPods) {
  spec::Model model = model_with("");
  model.variants.push_back(model.variants[0]);
  model.variants[1].name = "a100";
  model.variants[1].max_replicas = Replicas(24);
  std::get<spec::KubernetesTarget>(model.variants[1].target).name = "qwen3-a100";
  double shares = 0;
  for (const auto& variant : model.variants) {
    auto waiting = query(model, variant, spec::SignalName::kWaiting);
    ASSERT_TRUE(waiting);
    shares += std::stod(*waiting);
    EXPECT_THAT(*waiting, HasSubstr("variant=\"" + variant.name + "\""));
  }
  EXPECT_DOUBLE_EQ(shares, 1);
  auto waiting = query(model, model.variants[1], spec::SignalName::kWaiting);
  EXPECT_THAT(*waiting, HasSubstr("namespace=\"serve\",pod=~\"qwen3-a100-.*\""));
}

TEST(Export, AnEngineThatDoesNotTellItIsAnErrorThatNamesIt) {
  spec::Model model = model_with(
      "  scaling: {policy: hpa, metrics: [{signal: kvUsage, type: Value, target: 0.8}]}");
  model.variants[0].engine.type = spec::EngineType::kTgi;
  auto files = export_files(made(model, {.kind = ExportKind::kHpa}));
  ASSERT_FALSE(files);
  EXPECT_THAT(files.error().message, HasSubstr("engine of type tgi"));
  // By itself it would not have been asked for.
  EXPECT_TRUE(export_files(made(model_with(""), {.kind = ExportKind::kHpa})));
}

TEST(Export, TheSafeStartIsWrittenUnlessTakenAway) {
  spec::Model model = model_with("");
  EXPECT_THAT(text_of(model, {.kind = ExportKind::kKeda}),
              HasSubstr("autoscaling.keda.sh/paused: \"true\""));
  EXPECT_THAT(text_of(model, {.kind = ExportKind::kHpa}), HasSubstr("selectPolicy: Disabled"));
  EXPECT_THAT(text_of(model, {.kind = ExportKind::kKeda, .active = true}),
              Not(HasSubstr("paused")));
  EXPECT_THAT(text_of(model, {.kind = ExportKind::kHpa, .active = true}),
              Not(HasSubstr("Disabled")));
}

TEST(Export, ToleranceIsLeftOutForServersThatLackIt) {
  spec::Model model = model_with("");
  EXPECT_THAT(text_of(model, {.kind = ExportKind::kHpa, .follow = true}),
              HasSubstr("tolerance: \"0\""));
  EXPECT_THAT(text_of(model, {.kind = ExportKind::kHpa, .follow = true, .tolerance = false}),
              Not(HasSubstr("tolerance")));
}

TEST(Export, AFollowerHasNoWindowsOfItsOwn) {
  spec::Model model = model_with("  scaling: {scaleDownDelay: 10m}");
  std::string hpa = text_of(model, {.kind = ExportKind::kHpa, .follow = true});
  EXPECT_THAT(hpa, Not(HasSubstr("stabilizationWindowSeconds: 600")));
  EXPECT_THAT(hpa, HasSubstr("name: tidegate_desired_replicas"));
  std::string keda = text_of(model, {.kind = ExportKind::kKeda, .follow = true});
  EXPECT_THAT(keda, HasSubstr("type: external-push"));
  EXPECT_THAT(keda, HasSubstr("variant: h100"));
}

TEST(Export, NamesAreHeldAgainstWhatKubernetesTakes) {
  EXPECT_TRUE(label({"a", "b"}));
  EXPECT_TRUE(label({std::string(63, 'a')}));
  auto longer = label({std::string(40, 'a'), std::string(23, 'b')});
  ASSERT_FALSE(longer);
  EXPECT_THAT(longer.error().message, HasSubstr("has 64 characters"));
  auto odd = label({"Qwen_3"});
  ASSERT_FALSE(odd);
  EXPECT_THAT(odd.error().message, HasSubstr("rename it"));
  spec::Model model = model_with("");
  std::get<spec::KubernetesTarget>(model.variants[0].target).name = "a.b";
  EXPECT_FALSE(export_files(made(model, {.kind = ExportKind::kHpa})));
}

TEST(Export, AGroupGetsTwoPoliciesAndSomethingElseIsRefused) {
  spec::Model model = model_with("");
  auto refused = export_files(made(model, {.kind = ExportKind::kAsg}));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("awsAutoScalingGroup"));
  spec::AwsAutoScalingGroupTarget group;
  group.name = "llm";
  group.region = "eu-central-1";
  model.variants[0].target = group;
  std::string text = text_of(model, {.kind = ExportKind::kAsg});
  EXPECT_THAT(text, HasSubstr("MetricName: LLMQueueDepth"));
  EXPECT_THAT(text, HasSubstr("MetricName: DesiredReplicas"));
  EXPECT_THAT(text, HasSubstr("DisableScaleIn: true"));
}

TEST(Export, TheCommentSaysWhatWasSimulated) {
  spec::Model model = model_with("");
  Export what = made(model, {.kind = ExportKind::kHpa});
  what.simulated = {.trace = "azure.csv", .seed = 7, .requests = 1234, .outcomes = {}};
  what.simulated.outcomes.push_back({.policy = "hpa, as exported", .attainment = 0.9876});
  std::string head = head_comment(what, "HPA");
  EXPECT_THAT(head, HasSubstr("1234 requests of azure.csv, seed 7"));
  EXPECT_THAT(head, HasSubstr("98.76%"));
  for (std::size_t at = 0; at < head.size(); at = head.find('\n', at) + 1) EXPECT_EQ(head[at], '#');
}

/// Bounds, metrics with targets, windows and rates: what a manifest carries.
void expect_same_law(const spec::Model& was, const spec::Model& is, const std::string& label) {
  ASSERT_EQ(is.variants.size(), 1u) << label;
  EXPECT_EQ(is.variants[0].min_replicas, was.variants[0].min_replicas) << label;
  EXPECT_EQ(is.variants[0].max_replicas, was.variants[0].max_replicas) << label;
  EXPECT_EQ(is.scaling.metrics, was.scaling.metrics) << label;
  EXPECT_EQ(is.scaling.scale_up, was.scaling.scale_up) << label;
  EXPECT_EQ(is.scaling.scale_down, was.scaling.scale_down) << label;
  EXPECT_EQ(is.scaling.scale_down_delay, was.scaling.scale_down_delay) << label;
  EXPECT_EQ(is.scaling.policy, was.scaling.policy) << label;
  EXPECT_EQ(is.scaling.schedule, was.scaling.schedule) << label;
  EXPECT_EQ(is.variants[0].target, was.variants[0].target) << label;
}

TEST(RoundTrip, WhatIsExportedIsImportedAsTheSameLaw) {
  const std::vector<std::pair<const char*, const char*>> kRows = {
      {"every default", ""},
      {"a queue alone", "  scaling: {policy: keda, metrics: [{signal: waiting, target: 7}]}"},
      {"a share of the concurrency target",
       "  scaling: {policy: hpa, concurrencyTarget: 50, metrics: [{signal: inFlight, type: "
       "Utilization, target: 0.5}]}"},
      {"a latency and a rate",
       "  scaling: {policy: hpa, metrics: [{signal: ttftP99Seconds, type: Value, target: 1.5}, "
       "{signal: requestRate, target: 3}]}"},
      {"a queue and office hours, by KEDA's clock alone",
       "  scaling: {metrics: [{signal: inFlight, target: 9}], policy: hpa, schedule: [{cron: \"30 "
       "8 * "
       "* mon-fri\", timeZone: Europe/Berlin, duration: 10h, minReplicas: 3}]}"},
      {"rules of its own",
       "  scaling: {scaleDownDelay: 10m, behavior: {scaleUp: {stabilizationWindowSeconds: 30, "
       "selectPolicy: Min, policies: [{type: Pods, value: 3, periodSeconds: 60}]}}}"},
  };
  for (const auto& [label, scaling] : kRows) {
    spec::Model model = model_with(scaling);
    for (auto [kind, back] :
         {std::pair{ExportKind::kKeda, ImportKind::kKeda}, {ExportKind::kHpa, ImportKind::kHpa}}) {
      ExportOptions options{.kind = kind, .active = true};
      std::string text = text_of(model, options);
      auto imported = import(back, text, "exported.yaml");
      ASSERT_TRUE(imported) << label << ": " << imported.error().message << "\n" << text;
      auto file = format::load_spec(imported->text, "imported.yaml");
      ASSERT_TRUE(file.ok()) << label << "\n" << imported->text;
      expect_same_law(exported_law(model, options).model, file.models[0].model,
                      std::string(label) + "\n" + text + imported->text);
    }
  }
}

TEST(Export, WhatTheOtherCannotSayIsNotSimulatedEither) {
  spec::Model model = model_with(
      "  scaling: {prewarm: {threshold: 0.5}, schedule: [{cron: \"0 8 * * *\", duration: 2h, "
      "minReplicas: 3}, {cron: \"0 20 * * *\", duration: 2h, maxReplicas: 4}]}");
  model.variants[0].warm_pool.max_replicas = Replicas(1);
  Law keda = exported_law(model, {.kind = ExportKind::kKeda});
  EXPECT_EQ(keda.model.scaling.schedule.size(), 1u);
  EXPECT_THAT(text_of(model, {.kind = ExportKind::kKeda}), HasSubstr("end: \"0 10 * * *\""));
  Law hpa = exported_law(model, {.kind = ExportKind::kHpa});
  EXPECT_TRUE(hpa.model.scaling.schedule.empty());
  for (const Law* law : {&keda, &hpa}) {
    EXPECT_FALSE(law->model.scaling.prewarm);
    EXPECT_EQ(law->model.variants[0].warm_pool, spec::WarmPool{});
    EXPECT_EQ(std::count_if(law->notes.begin(), law->notes.end(),
                            [](const std::string& n) { return n.starts_with("Left out"); }),
              3);
  }
}

TEST(CronTrigger, StartAndDurationAreStartAndEnd) {
  struct Row {
    const char* label;
    const char* cron;
    Duration lasts;
    const char* end;  // nullptr: cannot be said
  };
  const Row kRows[] = {
      {"a morning", "0 8 * * mon-fri", seconds(7'200), "0 10 * * mon-fri"},
      {"an odd hour", "45 8 1 * *", seconds(90 * 60), "15 10 1 * *"},
      {"over midnight, every day", "0 22 * * *", seconds(4 * 3'600), "0 2 * * *"},
      {"over midnight on a weekday", "0 22 * * fri", seconds(4 * 3'600), nullptr},
      {"each hour", "0 * * * *", seconds(600), nullptr},
      {"a whole day", "0 0 * * *", seconds(86'400), nullptr},
      {"half a minute", "0 0 * * *", seconds(90), nullptr},
  };
  for (const Row& row : kRows) {
    spec::ScheduleWindow window;
    window.cron = row.cron;
    window.duration = row.lasts;
    auto span = cron_span(window);
    ASSERT_EQ(span.has_value(), row.end != nullptr) << row.label;
    if (!span) continue;
    EXPECT_EQ(span->end, row.end) << row.label;
    EXPECT_EQ(cron_duration(span->start, span->end), row.lasts) << row.label;
  }
  EXPECT_FALSE(cron_duration("0 8 * * mon", "0 9 * * tue"));
  EXPECT_FALSE(cron_duration("0 8 * * *", ""));
  EXPECT_FALSE(cron_duration("0 8 * * * *", "0 9 * * *"));
}

TEST(Export, AModelWrittenIsTheModelThatWasRead) {
  for (const char* scaling :
       {"",
        "  scaling: {policy: 'keda:5', mode: observe, paused: true, schedule: [{cron: \"0 8 * * "
        "mon-fri\", timeZone: Europe/Berlin, minReplicas: 2}]}",
        "  queue: {maxRequests: 7, maxBytes: 1MiB}"}) {
    spec::Model model = model_with(scaling);
    auto again = format::load_spec(to_yaml(model_document(model)), "again.yaml");
    ASSERT_TRUE(again.ok()) << again.diagnostics[0].text();
    EXPECT_EQ(again.models[0].model, model) << to_yaml(model_document(model));
  }
}

TEST(Diff, ShowsWhatChangesAndNothingElse) {
  EXPECT_EQ(diff("a\nb\n", "a\nb\n", "f"), "");
  EXPECT_EQ(diff("1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\nX\n5\n6\n7\n", "f"),
            "--- f\n+++ f\n 2\n 3\n-4\n+X\n 5\n 6\n");
  EXPECT_EQ(diff("", "a\n", "f"), "--- f\n+++ f\n+a\n");
  std::string many;
  for (std::size_t i = 0; i <= kMaxDiffLines; ++i) many += std::to_string(i) + "\n";
  EXPECT_THAT(diff(many, "0\n", "f"), HasSubstr("-0\n"));  // beyond the bound: all of it
}

}  // namespace
}  // namespace tidegate::exchange
