#pragma once
// What the operator wants: one Model, its SLO, queue, scaling and variants (docs/configuration.md).
//
// Plain values with every default in place. Text never comes here: format/spec_yaml.h turns files
// into these, by the option table of core/spec/options.h. Units: Duration in ns, bytes, tokens,
// dollars an hour. Thread-safety: values.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/base/fields.h"
#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/spec/front.h"
#include "core/spec/profile.h"
#include "core/spec/start.h"
#include "core/spec/target.h"

namespace tidegate::spec {

/// A bound on one latency and the share of requests that must keep it: p99: 2s -> {0.99, 2 s}.
struct LatencyBound {
  double percentile = 0.99;  ///< in (0, 1)
  Duration bound{0};         ///< > 0
  bool operator==(const LatencyBound&) const = default;
};

struct Slo {
  std::optional<LatencyBound> ttft;
  std::optional<LatencyBound> itl;  ///< on (last - first) / (tokens - 1)
  std::optional<LatencyBound> e2e;
  std::optional<double> miss_cost_dollars;  ///< price of one missed request
  bool operator==(const Slo&) const = default;
};

enum class PolicyKind : std::uint8_t {
  kStatic,
  kConcurrency,
  kHpa,
  kKeda,
  kKpa,
  kTargetTracking,
  kTide,
  kSaturation,
  kPlanner,
  kOracle
};
enum class Mode : std::uint8_t { kObserve, kTimed, kAuto };
/// What `tide` is made of; one part may be left out to see what it buys.
enum class TidePart : std::uint8_t { kNone, kForecast, kLeadTime, kSeason, kWarmPool, kLearning };
enum class Environment : std::uint8_t { kHa, kDev, kCost };
enum class MetricTarget : std::uint8_t { kAverageValue, kValue, kUtilization };
enum class ScalePolicyType : std::uint8_t { kPercent, kPods };
enum class SelectPolicy : std::uint8_t { kMax, kMin, kDisabled };
enum class EngineType : std::uint8_t { kVllm, kSglang, kTgi, kTrtllm, kTriton, kLlamaCpp, kDynamo };
enum class BatchingKind : std::uint8_t { kContinuous, kDynamic, kStatic };
enum class SenseFrom : std::uint8_t { kEngines, kPrometheus };

/// A signal a metric may name; the meaning is Tidegate's own word (docs/architecture.md), not an
/// engine's.
enum class SignalName : std::uint8_t {
  kWaiting,         ///< gateway queue + engines' waiting, requests
  kRunning,         ///< in the engines' batches, requests
  kInFlight,        ///< waiting + running, requests
  kQueueTokens,     ///< tokens waiting at the gateway
  kKvUsage,         ///< mean share of KV tokens in use over replicas, 0..1
  kTtftP99Seconds,  ///< at the gateway over `window`
  kItlP99Seconds,
  kRequestRate,  ///< arrivals per second at the gateway
  kTokenRate,    ///< prompt + output tokens per second
};

/// One entry of scaling.metrics.
struct MetricSpec {
  std::optional<SignalName> signal;  ///< exactly one of signal and promql
  std::string promql;
  MetricTarget type = MetricTarget::kAverageValue;
  double target = 0;  ///< > 0; for Utilization a share in (0, 1]
  bool operator==(const MetricSpec&) const = default;
};

/// HPA v2 `behavior`, one direction.
struct ScalePolicy {
  ScalePolicyType type = ScalePolicyType::kPercent;
  std::int64_t value = 100;
  Duration period = seconds(15);
  bool operator==(const ScalePolicy&) const = default;
};
struct ScalingRules {
  std::optional<Duration> stabilization_window;
  SelectPolicy select_policy = SelectPolicy::kMax;
  std::optional<double> tolerance;
  std::vector<ScalePolicy> policies;  ///< empty: no limit of its own
  bool operator==(const ScalingRules&) const = default;
};

/// Act when waiting reaches `threshold` of queue.maxRequests.
struct Prewarm {
  double threshold = 0.7;
  Duration lead_time = seconds(180);
  bool operator==(const Prewarm&) const = default;
};

/// The five fields of a cron line as bit masks (core/spec/cron.h).
struct CronFields {
  std::uint64_t minutes = 0;        ///< bit m: minute m, 0..59
  std::uint32_t hours = 0;          ///< bit h: hour h, 0..23
  std::uint32_t days_of_month = 0;  ///< bit d: day d, 1..31
  std::uint32_t months = 0;         ///< bit m: month m, 1..12
  std::uint32_t days_of_week = 0;   ///< bit w: 0 is Sunday .. 6
  bool any_day_of_month = false;    ///< written as * or */n: the other day field decides alone
  bool any_day_of_week = false;
  bool operator==(const CronFields&) const = default;
};

/// From `unix_seconds` on, local time is UTC + `utc_offset_seconds`.
struct ZoneTransition {
  std::int64_t unix_seconds = 0;
  std::int64_t utc_offset_seconds = 0;
  bool operator==(const ZoneTransition&) const = default;
};

/// Bounds in force in a cron window, which lasts `duration` from each match. `fields` and `zone`
/// are filled when the file is read, so that core/spec/cron.h needs no time zone database.
struct ScheduleWindow {
  std::string cron;  ///< five fields, as written
  std::string time_zone = "UTC";
  Duration duration = seconds(3600);
  CronFields fields;                 ///< of `cron`
  std::vector<ZoneTransition> zone;  ///< of `time_zone`, ascending; empty: UTC
  std::optional<Replicas> min_replicas;
  std::optional<Replicas> max_replicas;
  bool operator==(const ScheduleWindow&) const = default;
};

struct Scaling {
  PolicyKind policy = PolicyKind::kConcurrency;
  std::optional<double> policy_knob;  ///< after the colon: static:4, keda:5
  Mode mode = Mode::kAuto;
  Duration timed_for{0};  ///< mode: timed, how long to act
  Environment environment = Environment::kDev;
  Duration window = seconds(60);
  std::optional<Duration> scale_down_delay;        ///< see scale_down_delay() below
  std::optional<std::int64_t> concurrency_target;  ///< requests per replica; default: maxNumSeqs
  double target_utilization = 0.7;
  std::vector<MetricSpec> metrics;
  ScalingRules scale_up;
  ScalingRules scale_down;
  std::optional<Prewarm> prewarm;
  std::vector<ScheduleWindow> schedule;
  TidePart tide_without = TidePart::kNone;
  bool paused = false;
  bool operator==(const Scaling&) const = default;
};

/// How long demand must stay low: as given, else 15 minutes. `tide` itself asks what getting a
/// replica back would cost, and needs less.
inline Duration scale_down_delay(const Scaling& scaling) {
  const Duration usual = seconds(scaling.policy == PolicyKind::kTide ? 300 : 900);
  return scaling.scale_down_delay.value_or(usual);
}

/// Who waits behind whom, of one tenant: those late for slo.ttft behind those that can still make
/// it, or everybody in the order of deadlines.
enum class QueueOrder : std::uint8_t { kSlo, kArrival };

struct Queue {
  std::int64_t max_requests = 2000;
  std::int64_t max_bytes = 256LL << 20;
  Duration max_wait = seconds(120);
  std::int64_t max_body_bytes = 32LL << 20;  ///< one request
  QueueOrder order = QueueOrder::kSlo;
  bool pace_prefill = true;
  bool operator==(const Queue&) const = default;
};

/// A Prometheus server that is asked for scaling.metrics[].promql and by variants that sense from
/// it.
struct Prometheus {
  std::string url;                             ///< http(s)://HOST[:PORT][/PREFIX]
  std::string bearer_token_file;               ///< read again each time; empty: no token
  std::map<std::string, std::string> headers;  ///< of every query; not secret
  std::string ca_file;                         ///< PEM; empty: the system's
  Duration interval = seconds(5);              ///< one query each
  Duration timeout = seconds(3);               ///< wall time of one query
  Duration max_age = seconds(60);              ///< of the samples; older ones are no news
  bool operator==(const Prometheus&) const = default;
};

struct Adapter {
  std::string name;
  std::string path;
  bool operator==(const Adapter&) const = default;
};

struct Hardware {
  std::string accelerator;  ///< free text, e.g. h100; empty: any
  std::int64_t count = 1;   ///< devices per replica
  double fraction = 1;      ///< share of each device, (0, 1]
  double interference = 1;  ///< step time factor from neighbours on the device, >= 1
  bool operator==(const Hardware&) const = default;
};

struct Engine {
  EngineType type = EngineType::kVllm;
  std::string profile = "reference";
  std::optional<std::int64_t> max_num_seqs;            ///< default: the profile's
  std::optional<std::int64_t> max_num_batched_tokens;  ///< default: the profile's
  std::int64_t data_parallel_size = 1;
  BatchingKind batching = BatchingKind::kContinuous;
  bool operator==(const Engine&) const = default;
};

/// How the engines of a variant are measured.
struct Sense {
  SenseFrom from = SenseFrom::kEngines;
  std::string selector;                    ///< PromQL label matchers, without braces
  std::string replica_label = "instance";  ///< its value is a replica's host:port, host or name
  std::vector<std::string> gpu_metrics;    ///< pages of a DCGM exporter; {host}: of each replica
  bool operator==(const Sense&) const = default;
};

struct Variant {
  std::string name;
  double cost_per_hour_dollars = 0;  ///< per replica
  Hardware hardware;
  std::optional<Replicas> min_replicas;  ///< default: the environment's floor (ha 2, dev 1, cost 0)
  Replicas max_replicas{1};
  Engine engine;
  Profile profile;  ///< what engine.profile names; reference until format::resolve_profiles
  ColdStart cold_start;
  WarmPool warm_pool;
  Sense sense;
  Target target;
  bool operator==(const Variant&) const = default;
};

/// An hour of one sleeper: as said, else that of an awake one where it holds its device, else none.
inline double sleeper_cost_dollars(const Variant& v) {
  double held = holds_device(v.warm_pool) ? v.cost_per_hour_dollars : 0;
  return v.warm_pool.cost_per_hour_dollars.value_or(held);
}

/// Who may call, and with what we call the engines. Values are never logged or journalled.
struct Auth {
  std::vector<std::string> client_keys_env;  ///< names of environment variables that hold keys
  std::string upstream_key_env;
  bool operator==(const Auth&) const = default;
};

/// A priority class: a name clients send in the header x-tidegate-priority; weight by tokens.
struct PriorityClass {
  std::string name;
  std::int64_t weight = 1;
  bool operator==(const PriorityClass&) const = default;
};

struct Model {
  std::string name;
  std::vector<std::string> served_names;  ///< never empty after defaults: at least {name}
  std::vector<Adapter> adapters;
  Slo slo;
  Scaling scaling;
  Queue queue;
  InFront front;
  Auth auth;
  std::optional<Prometheus> prometheus;
  std::vector<PriorityClass> priority_classes;  ///< index 0 is the most urgent; empty: one class
  std::vector<Variant> variants;                ///< at least one
  bool operator==(const Model&) const = default;
};

/// The floor that scaling.environment gives where minReplicas is not set.
constexpr Replicas environment_floor(Environment e) {
  return Replicas(e == Environment::kHa ? 2 : e == Environment::kDev ? 1 : 0);
}
inline Replicas min_replicas(const Model& model, const Variant& variant) {
  Replicas floor = variant.min_replicas.value_or(environment_floor(model.scaling.environment));
  return floor > variant.max_replicas ? variant.max_replicas : floor;
}

}  // namespace tidegate::spec

namespace tidegate {
template <>
struct EnumTokens<spec::PolicyKind> {
  static constexpr std::string_view kTokens[] = {"static",  "concurrency",    "hpa",  "keda",
                                                 "kpa",     "targettracking", "tide", "saturation",
                                                 "planner", "oracle"};
};
template <>
struct EnumTokens<spec::Mode> {
  static constexpr std::string_view kTokens[] = {"observe", "timed", "auto"};
};
template <>
struct EnumTokens<spec::QueueOrder> {
  static constexpr std::string_view kTokens[] = {"slo", "arrival"};
};
template <>
struct EnumTokens<spec::TidePart> {
  static constexpr std::string_view kTokens[] = {"none",   "forecast", "leadTime",
                                                 "season", "warmPool", "learning"};
};
template <>
struct EnumTokens<spec::Environment> {
  static constexpr std::string_view kTokens[] = {"ha", "dev", "cost"};
};
template <>
struct EnumTokens<spec::MetricTarget> {
  static constexpr std::string_view kTokens[] = {"AverageValue", "Value", "Utilization"};
};
template <>
struct EnumTokens<spec::ScalePolicyType> {
  static constexpr std::string_view kTokens[] = {"Percent", "Pods"};
};
template <>
struct EnumTokens<spec::SelectPolicy> {
  static constexpr std::string_view kTokens[] = {"Max", "Min", "Disabled"};
};
template <>
struct EnumTokens<spec::EngineType> {
  static constexpr std::string_view kTokens[] = {"vllm",   "sglang",   "tgi",   "trtllm",
                                                 "triton", "llamacpp", "dynamo"};
};
template <>
struct EnumTokens<spec::BatchingKind> {
  static constexpr std::string_view kTokens[] = {"continuous", "dynamic", "static"};
};
template <>
struct EnumTokens<spec::SenseFrom> {
  static constexpr std::string_view kTokens[] = {"engines", "prometheus"};
};
template <>
struct EnumTokens<spec::SignalName> {
  static constexpr std::string_view kTokens[] = {"waiting",       "running",     "inFlight",
                                                 "queueTokens",   "kvUsage",     "ttftP99Seconds",
                                                 "itlP99Seconds", "requestRate", "tokenRate"};
};
}  // namespace tidegate
