#pragma once
// A model in which every member differs from its default (test only).
//
// The structured bindings name every member: a member that is added breaks the build here, so that
// nobody forgets its row in the option table.

#include "core/spec/cron.h"
#include "core/spec/model.h"

namespace tidegate::spec {

inline Spread spread(std::int64_t p50, std::int64_t p90) {
  return {seconds(p50), seconds(p90), {}};
}

inline ScalingRules full_rules(std::int64_t n) {
  ScalingRules rules;
  auto& [stabilization, select, tolerance, policies] = rules;
  stabilization = seconds(n);
  select = SelectPolicy::kMin;
  tolerance = 0.25;
  policies = {{ScalePolicyType::kPods, n, seconds(n + 1)}};
  return rules;
}

inline Scaling full_scaling() {
  Scaling scaling;
  auto& [policy, knob, mode, timed_for, environment, window, delay, concurrency, utilization,
         metrics, up, down, prewarm, schedule, without, paused] = scaling;
  policy = PolicyKind::kKeda;
  knob = 7;
  mode = Mode::kTimed;
  timed_for = seconds(7'200);
  environment = Environment::kHa;
  window = seconds(30);
  delay = seconds(600);
  concurrency = 48;
  utilization = 0.9;
  metrics = {{SignalName::kWaiting, "", MetricTarget::kAverageValue, 5},
             {std::nullopt, "sum(x)", MetricTarget::kUtilization, 0.5}};
  up = full_rules(20);
  down = full_rules(40);
  prewarm = Prewarm{0.5, seconds(90)};
  ScheduleWindow w;
  auto& [cron, zone, duration, fields, transitions, least, most] = w;
  cron = "0 8 * * mon-fri";
  zone = "Etc/UTC";
  duration = seconds(36'000);
  fields = parse_cron(cron).value();
  transitions = {};  // UTC
  least = Replicas(2);
  most = Replicas(6);
  schedule = {w};
  without = TidePart::kSeason;
  paused = true;
  return scaling;
}

inline ColdStart full_cold_start() {
  ColdStart cold;
  auto& [procurement, image, weights, engine, cached, wake1, wake2] = cold;
  procurement = spread(60, 120);
  image = spread(40, 40);
  auto& [bytes, from, bandwidth, time, source] = weights;
  bytes = 27'000'000'000;
  from = WeightSource::kObjectStore;
  bandwidth = 1'500'000'000;
  time = std::nullopt;  // excludes bytes; full_model's second variant has it
  source = "hf://acme/m-8b@main";
  engine = spread(25, 40);
  cached = spread(5, 6);
  wake1 = spread(1, 2);
  wake2 = spread(3, 4);
  return cold;
}

inline ProcessTarget full_process() {
  ProcessTarget target;
  auto& [command, env, health, start, drain, grace] = target;
  command = {"vllm", "serve", "{model}", "--port", "{port}"};
  env = {{"HF_HUB_OFFLINE", "1"}, {"EMPTY", "\""}};
  health = "/ready";
  start = seconds(900);
  drain = seconds(60);
  grace = seconds(10);
  return target;
}

inline Variant full_variant(const std::string& variant_name, Target variant_target) {
  Variant variant;
  // `resolved` is not written in a spec: it is what engine.profile names.
  auto& [name, cost, hardware, least, most, engine, resolved, cold, pool, sense, target] = variant;
  (void)resolved;
  name = variant_name;
  cost = 3.9;
  auto& [accelerator, count, fraction, interference] = hardware;
  accelerator = "h100";
  count = 2;
  fraction = 0.5;
  interference = 1.25;
  least = Replicas(1);
  most = Replicas(8);
  auto& [type, profile, seqs, tokens, ranks, batching] = engine;
  type = EngineType::kSglang;
  profile = "mine";
  seqs = 64;
  tokens = 8'192;
  ranks = 2;
  batching = BatchingKind::kDynamic;
  cold = full_cold_start();
  auto& [asleep_least, asleep_most, state, holds, sleeper_cost] = pool;
  asleep_least = Replicas(1);
  asleep_most = Replicas(2);
  state = PoolState::kLevel2;
  holds = false;
  sleeper_cost = 0.4;
  auto& [from, selector, label, pages] = sense;
  from = SenseFrom::kPrometheus;
  selector = "job=\"vllm\"";
  label = "pod";
  pages = {"http://{host}:9400/metrics"};
  target = std::move(variant_target);
  return variant;
}

/// One variant for each kind of target.
inline Model full_model() {
  Model model;
  auto& [name, served, adapters, slo, scaling, queue, front, auth, prometheus, classes, variants] =
      model;
  name = "m";
  served = {"org/M", "M"};
  adapters = {{"sql", "/adapters/sql"}};
  auto& [ttft, itl, e2e, miss] = slo;
  ttft = LatencyBound{0.999, seconds(2)};
  itl = LatencyBound{0.95, millis(60)};
  e2e = LatencyBound{0.5, seconds(30)};
  miss = 0.002;
  scaling = full_scaling();
  auto& [requests, bytes, wait, body, order, paces] = queue;
  requests = 500;
  bytes = 64 << 20;
  wait = seconds(300);
  body = 1 << 20;
  order = QueueOrder::kArrival;
  paces = false;
  front = {Front::kProxy, "http://epp:9090/metrics"};
  auto& [keys, upstream] = auth;
  keys = {"KEY_A", "KEY_B"};
  upstream = "UP";
  auto& [url, token_file, headers, ca_file, interval, timeout, max_age] = prometheus.emplace();
  url = "https://prometheus:9090/p";
  token_file = "/run/token";
  headers = {{"X-Scope-OrgID", "team"}};
  ca_file = "/etc/ca.pem";
  interval = seconds(10);
  timeout = seconds(1);
  max_age = seconds(90);
  classes = {{"interactive", 10}, {"batch", 2}};
  variants.push_back(full_variant("process", full_process()));
  variants.push_back(full_variant("endpoints", EndpointsTarget{{"http://10.0.0.7:8000"}}));
  variants.back().cold_start.weights = {0, WeightSource::kHub, std::nullopt, spread(7, 9), ""};
  variants.push_back(
      full_variant("exec", ExecTarget{{"./scale", "{replicas}"}, {"./list"}, seconds(5)}));
  variants.push_back(full_variant(
      "kubernetes", KubernetesTarget{"leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "n", "prod",
                                     8080, "app=n", seconds(600), "/etc/kubeconfig", "c"}));
  variants.push_back(full_variant(
      "aws", AwsAutoScalingGroupTarget{"group", "eu-central-1", 8001, "/ready", seconds(400),
                                       seconds(30), "drain", true, AwsPoolState::kHibernated, true,
                                       "prod", "http://127.0.0.1:4566"}));
  for (std::size_t i = 1; i + 1 < variants.size(); ++i) variants[i].warm_pool = {};  // cannot sleep
  return model;
}

}  // namespace tidegate::spec
