#pragma once
// Size: how many replicas a steady load wants, by arithmetic (`tidegate size`).
//
//   LittleAnswer l = little({.requests_per_second = 12, .latency_seconds = 8, .max_num_seqs = 64});
//   l.replicas;   // ceil(12 * 8 / (64 * 0.7)) = 3
//
//   SizeAnswer s = size(profile, ask, LengthMix::of({{500, 500}}));
//   s.replicas, s.binding, s.ttft_seconds;
//
// little(): L = lambda * W. W must be the latency *at* the concurrency it ends with: an idle
// engine's is shorter and makes the answer too small.
//
// size(): the capacity within the ITL bound (core/engine/capacity.h), filled to
// target_utilization, then as many more as TTFT needs. TTFT = wait for a slot + wait for the
// prompts ahead + own prefill: Erlang C with the Allen-Cunneen correction over the slots of all
// replicas (one queue, late binding), M/G/1 with an exponential tail for prompts on one rank, and
// the prompt's own steps at this load. Arrivals are Poisson and the load is steady: bursts, cold
// starts and policies are `tidegate simulate`'s. Units: seconds, tokens, requests per second.
// Thread-safety: functions. Sources: Little 1961; Erlang C; Allen-Cunneen and Pollaczek-Khinchine.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/fields.h"
#include "core/engine/capacity.h"

namespace tidegate::engine {

/// No answer has more replicas: above it the load is called infeasible.
inline constexpr std::int64_t kMostSizedReplicas = 1'000'000;

/// Requests' lengths as sizing needs them.
struct LengthMix {
  static constexpr std::size_t kPrompts = 1'000;
  LengthMoments moments;
  std::vector<double> prompts;  ///< ascending, equal weight, at most kPrompts
  /// `samples` are equally likely; none counts as one of {1, 1}.
  static LengthMix of(std::vector<Lengths> samples);
};

struct LittleAsk {
  double requests_per_second = 0;
  double latency_seconds = 0;  ///< of a whole request, at the concurrency it is served with
  std::int64_t max_num_seqs = 256;
  double kv_tokens = 0;    ///< 0: KV is no limit
  double held_tokens = 0;  ///< KV tokens of a sequence, mean; read where kv_tokens > 0
  double target_utilization = 0.7;
};
struct LittleAnswer {
  double concurrency = 0;  ///< requests in flight
  double per_replica = 0;  ///< what one replica holds: c
  bool kv_binds = false;   ///< else max_num_seqs
  double replicas = 0;     ///< whole
  double utilization = 0;  ///< of c, with those replicas
};
LittleAnswer little(const LittleAsk& ask);

enum class SizeBinding : std::uint8_t { kSequences, kKv, kBatchedTokens, kItl, kTtft };
enum class Infeasible : std::uint8_t {
  kNot,
  kItl,   ///< a step with one sequence is slower than the bound
  kTtft,  ///< prompts at the percentile take longer alone than the bound
  kKv,    ///< the mean sequence does not fit
  kLoad,  ///< more than kMostSizedReplicas
};

struct SizeAsk {
  double requests_per_second = 0;
  std::int64_t max_num_seqs = 256;
  std::int64_t max_num_batched_tokens = 2'048;
  std::int64_t data_parallel_size = 1;
  double step_factor = 1;
  double target_utilization = 0.7;
  double itl_seconds = 0;   ///< 0: no bound
  double ttft_seconds = 0;  ///< 0: no bound
  double ttft_percentile = 0.99;
};

struct SizeAnswer {
  Infeasible infeasible = Infeasible::kNot;
  std::int64_t replicas = 0;
  SizeBinding binding = SizeBinding::kSequences;
  double requests_per_second = 0;       ///< one replica within the ITL bound, full
  double slots = 0;                     ///< sequences a replica holds whatever the ITL: Little's c
  double latency_at_slots_seconds = 0;  ///< of a mean request with all of them taken
  double utilization = 0;               ///< of requests_per_second, with these replicas
  double headroom = 0;            ///< more requests/s, as a share, before the bound is reached
  double running = 0;             ///< sequences of one replica at this load
  double itl_seconds = 0;         ///< at this load
  double ttft_seconds = 0;        ///< at this load, at the percentile
  double ttft_alone_seconds = 0;  ///< the same with nothing else running
};
SizeAnswer size(const Profile& profile, const SizeAsk& ask, const LengthMix& lengths);

/// Own replicas against a price by the token, over a month of 730 hours.
inline constexpr double kHoursPerMonth = 730;
struct PriceAsk {
  double cost_per_hour_dollars = 0;  ///< one replica
  double per_mtok_in_dollars = 0, per_mtok_out_dollars = 0;
};
struct BreakEven {
  double own_month_dollars = 0;   ///< all replicas
  double api_month_dollars = 0;   ///< the same requests
  double requests_per_month = 0;  ///< one replica kept costs as much as so many by the token
  double tokens_per_month = 0;    ///< those requests' tokens, both ways
  /// That share of what a replica sustains: above 1 own replicas never pay.
  double utilization = 0;
  bool own_is_cheaper = false;  ///< at this load
};
BreakEven break_even(const SizeAsk& ask, const SizeAnswer& answer, const LengthMoments& lengths,
                     const PriceAsk& price);

/// May the fleet go to zero when nothing arrives?
struct ZeroAsk {
  double cold_start_seconds = 0;        ///< p90
  double max_wait_seconds = 120;        ///< queue.maxWait
  double scale_down_delay_seconds = 0;  ///< billed before it goes
  double ttft_seconds = 0;              ///< 0: no bound
  double ttft_percentile = 0.99;
};
struct ZeroAnswer {
  bool wakes_in_time = false;      ///< requests outlive the cold start in the queue
  double gap_seconds = 0;          ///< idle this long costs the same either way
  double gap_share = 0;            ///< of the gaps between Poisson arrivals at this rate are longer
  double misses_per_wake = 0;      ///< requests over the TTFT bound; 0 where none is given
  double wakes_per_day = 0;        ///< that the TTFT percentile allows; 0: none
  double idle_share_per_wake = 0;  ///< of a day that must be idle for each wake to save anything
};
ZeroAnswer scale_to_zero(const SizeAsk& ask, const ZeroAsk& zero);

}  // namespace tidegate::engine

namespace tidegate {
template <>
struct EnumTokens<engine::SizeBinding> {
  static constexpr std::string_view kTokens[] = {"sequences", "kv", "batchedTokens", "itl", "ttft"};
};
template <>
struct EnumTokens<engine::Infeasible> {
  static constexpr std::string_view kTokens[] = {"no", "itl", "ttft", "kv", "load"};
};
}  // namespace tidegate
