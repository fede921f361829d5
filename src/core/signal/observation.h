#pragma once
// Observation: all that was measured of one model at one instant. A value; what a decision sees.
//
// A Signal is fresh, stale or absent. Unknown is not zero: `value` means nothing while absent.
// Units are in the names. Bounded: aggregates per variant, never a row per request.

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "core/base/fields.h"
#include "core/base/strong.h"
#include "core/base/time.h"

namespace tidegate::signal {

enum class Freshness : std::uint8_t { kAbsent, kStale, kFresh };
enum class Source : std::uint8_t { kNone, kGateway, kEngine, kPrometheus, kKubernetes };

struct Signal {
  double value = 0;
  Instant at;  ///< when it was measured (the oldest part of an aggregate)
  Source source = Source::kNone;
  Freshness freshness = Freshness::kAbsent;
  double coverage = 0;  ///< share of replicas heard, 0..1
  bool absent() const { return freshness == Freshness::kAbsent; }
  /// Fresh and from every replica: the only kind that may lower a count.
  bool complete() const { return freshness == Freshness::kFresh && coverage >= 1.0; }
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"value", &Signal::value}, Field{"at", &Signal::at},
                      Field{"source", &Signal::source}, Field{"freshness", &Signal::freshness},
                      Field{"coverage", &Signal::coverage});
  }
  bool operator==(const Signal&) const = default;
};

/// Replicas of one variant by state, as the actuator knows them.
struct Fleet {
  Replicas ordered, starting, ready, sleeping, draining, failed;
  /// Booting or ready, and bound for the warm pool: in none of the counts above, nobody's capacity.
  Replicas pooled;
  /// Ordered capacity that serves or will: what a policy must not order again.
  Replicas on_the_way() const { return ordered + starting; }
  Replicas active() const { return ordered + starting + ready; }
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"ordered", &Fleet::ordered}, Field{"starting", &Fleet::starting},
                      Field{"ready", &Fleet::ready}, Field{"sleeping", &Fleet::sleeping},
                      Field{"draining", &Fleet::draining}, Field{"failed", &Fleet::failed},
                      Field{"pooled", &Fleet::pooled});
  }
  bool operator==(const Fleet&) const = default;
};

/// Aggregates over the ready replicas of one variant.
struct VariantObservation {
  std::string variant;
  Fleet fleet;
  Signal running_requests;         ///< sum
  Signal engine_waiting_requests;  ///< sum
  Signal kv_usage;                 ///< mean share, 0..1
  Signal kv_usage_min, kv_usage_max;
  Signal engine_waiting_min, engine_waiting_max;
  Signal unsaturated_replicas;  ///< sum; with room by SaturationRule, at their peak of a minute
  Signal spare_kv_usage;        ///< mean over those: below the rule's limit; absent: none has room
  Signal spare_waiting;         ///< likewise, requests
  Signal preemptions_per_second;  ///< sum
  Signal prompt_tokens_per_second;
  Signal output_tokens_per_second;
  Signal finished_requests_per_second;
  Signal prefix_query_tokens_per_second;  ///< prompt tokens looked up in the prefix cache
  Signal prefix_hit_tokens_per_second;    ///< of those, found: no prefill to do
  std::int64_t overdue = 0;      ///< of those on the way: past their deadline, not to be counted on
  std::int64_t cold_starts = 0;  ///< measured, order -> ready; the latest, at most 16; no wakes
  double cold_start_p90_seconds = 0;  ///< of those; nothing where there are none
  std::int64_t wakes = 0;             ///< measured, told to wake -> ready; likewise
  double wake_p90_seconds = 0;
  static constexpr auto fields(auto...) {
    using V = VariantObservation;
    return std::tuple(
        Field{"variant", &V::variant}, Field{"fleet", &V::fleet},
        Field{"runningRequests", &V::running_requests},
        Field{"engineWaitingRequests", &V::engine_waiting_requests}, Field{"kvUsage", &V::kv_usage},
        Field{"kvUsageMin", &V::kv_usage_min}, Field{"kvUsageMax", &V::kv_usage_max},
        Field{"engineWaitingMin", &V::engine_waiting_min},
        Field{"engineWaitingMax", &V::engine_waiting_max},
        Field{"unsaturatedReplicas", &V::unsaturated_replicas},
        Field{"spareKvUsage", &V::spare_kv_usage}, Field{"spareWaiting", &V::spare_waiting},
        Field{"preemptionsPerSecond", &V::preemptions_per_second},
        Field{"promptTokensPerSecond", &V::prompt_tokens_per_second},
        Field{"outputTokensPerSecond", &V::output_tokens_per_second},
        Field{"finishedRequestsPerSecond", &V::finished_requests_per_second},
        Field{"prefixQueryTokensPerSecond", &V::prefix_query_tokens_per_second},
        Field{"prefixHitTokensPerSecond", &V::prefix_hit_tokens_per_second},
        Field{"overdue", &V::overdue}, Field{"coldStarts", &V::cold_starts},
        Field{"coldStartP90Seconds", &V::cold_start_p90_seconds}, Field{"wakes", &V::wakes},
        Field{"wakeP90Seconds", &V::wake_p90_seconds});
  }
  bool operator==(const VariantObservation&) const = default;
};

/// What the gateway's router knows exactly. Totals are cumulative since the start of the process.
struct Demand {
  std::int64_t queued_requests = 0;
  std::int64_t queued_tokens = 0;  ///< prompt tokens waiting at the gateway
  std::int64_t queued_bytes = 0;
  std::int64_t dispatched_requests = 0;  ///< bound to a replica and not finished
  Duration oldest_wait{0};
  std::int64_t arrived_total = 0;  ///< rejected ones included: they are demand
  std::int64_t finished_total = 0;
  std::int64_t rejected_total = 0;
  std::int64_t prompt_tokens_total = 0;
  std::int64_t output_tokens_total = 0;
  std::int64_t expected_output_tokens_total = 0;  ///< of what arrived, as judged when it did
  std::int64_t queued_output_tokens = 0;          ///< expected of what waits
  /// KV tokens that a request holds, summed over the steps of its answer, expected: of what
  /// arrived, and of what waits.
  std::int64_t expected_kv_token_steps_total = 0, queued_kv_token_steps = 0;
  std::int64_t credit_requests = 0;    ///< sequences that replicas may hold now, by the router
  std::int64_t withheld_requests = 0;  ///< taken off that where KV thrashes
  std::int64_t judged_total = 0;  ///< requests whose SLO was judged: all but those clients left
  std::int64_t met_total = 0;     ///< of those, met
  static constexpr auto fields(auto...) {
    using D = Demand;
    return std::tuple(
        Field{"queuedRequests", &D::queued_requests}, Field{"queuedTokens", &D::queued_tokens},
        Field{"queuedBytes", &D::queued_bytes},
        Field{"dispatchedRequests", &D::dispatched_requests}, Field{"oldestWait", &D::oldest_wait},
        Field{"arrivedTotal", &D::arrived_total}, Field{"finishedTotal", &D::finished_total},
        Field{"rejectedTotal", &D::rejected_total},
        Field{"promptTokensTotal", &D::prompt_tokens_total},
        Field{"outputTokensTotal", &D::output_tokens_total},
        Field{"expectedOutputTokensTotal", &D::expected_output_tokens_total},
        Field{"queuedOutputTokens", &D::queued_output_tokens},
        Field{"expectedKvTokenStepsTotal", &D::expected_kv_token_steps_total},
        Field{"queuedKvTokenSteps", &D::queued_kv_token_steps},
        Field{"creditRequests", &D::credit_requests},
        Field{"withheldRequests", &D::withheld_requests}, Field{"judgedTotal", &D::judged_total},
        Field{"metTotal", &D::met_total});
  }
  bool operator==(const Demand&) const = default;
};

struct Observation {
  std::string model;
  Instant at;
  WallTime wall;
  Signal gateway;  ///< freshness of `demand`; absent: no gateway in front
  Demand demand;
  Signal front_waiting_requests;  ///< in the queue of another front; absent: not told, or none
  Signal ttft_p99_seconds;        ///< at the gateway, over scaling.window
  Signal itl_p99_seconds;
  std::vector<VariantObservation> variants;  ///< in the order of the spec
  std::vector<Signal> metrics;               ///< promql values, in the order of scaling.metrics
  static constexpr auto fields(auto...) {
    using O = Observation;
    return std::tuple(Field{"model", &O::model}, Field{"at", &O::at}, Field{"wall", &O::wall},
                      Field{"gateway", &O::gateway}, Field{"demand", &O::demand},
                      Field{"frontWaitingRequests", &O::front_waiting_requests},
                      Field{"ttftP99Seconds", &O::ttft_p99_seconds},
                      Field{"itlP99Seconds", &O::itl_p99_seconds}, Field{"variants", &O::variants},
                      Field{"metrics", &O::metrics});
  }
  bool operator==(const Observation&) const = default;
};

/// waiting = queue in front (the gateway's, or that of another that tells it) + engines' waiting;
/// in-flight = waiting + running. Where the gateway is
/// in front, running is what it has dispatched (exact); engines' waiting is part of that and not
/// added again. Absent where neither side is known.
Signal waiting_requests(const Observation& o);
Signal in_flight_requests(const Observation& o);

}  // namespace tidegate::signal

namespace tidegate {
template <>
struct EnumTokens<signal::Freshness> {
  static constexpr std::string_view kTokens[] = {"absent", "stale", "fresh"};
};
template <>
struct EnumTokens<signal::Source> {
  static constexpr std::string_view kTokens[] = {"none",       "gateway",    "engine",
                                                 "prometheus", "kubernetes", "cloud"};
};
}  // namespace tidegate
