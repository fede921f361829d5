#pragma once
// SignalId: everything an engine's page can tell us, under our own names; units last.
//
// Gauges first, then counters (cumulative; read as rates), then histograms (read as quantiles),
// then texts. What a dialect calls them is in dialect.h. Thread-safety: constants.

#include <cstdint>
#include <string_view>

#include "core/base/fields.h"

namespace tidegate::signal {

enum class SignalId : std::uint8_t {
  // gauges
  kRunningRequests,          // in the engine's batches
  kWaitingRequests,          // in the engine's queue
  kWaitingAsideRequests,     // waiting elsewhere in the engine: grammar, hand-over of KV
  kWaitingCapacityRequests,  // part of waiting: for lack of room
  kWaitingDeferredRequests,  // part of waiting: for another cause (LoRA budget, KV transfer)
  kSwappedRequests,
  kInFlightRequests,  // running + waiting, where the engine tells only that
  kKvUsage,           // share, 0..1
  kKvUsedTokens,
  kKvTotalTokens,
  kKvUsedBlocks,
  kKvTotalBlocks,
  kKvBlockTokens,
  kMaxNumSeqs,
  kMaxNumBatchedTokens,
  kSleepLevel1,  // 1 while asleep with weights in host memory
  kSleepLevel2,  // 1 while asleep without weights
  kLoraMax,
  kPromptTokensRate,  // per second, by the engine's own reckoning
  kOutputTokensRate,
  kMeanRunningRequests,  // per endpoint of a pool
  kMeanWaitingRequests,
  kReadyEndpoints,
  kPoolSaturation,        // 1 is full
  kGatewayQueueRequests,  // before the engine: picker, router
  kGatewayQueueBytes,
  kGpuUtil,  // share of time busy; health, not load
  kGpuTensorActive,
  kGpuDramActive,
  kGpuSmActive,
  kGpuUsedBytes,
  kGpuFreeBytes,
  kGpuPowerWatts,
  kGpuTempCelsius,
  kGpuXid,  // last error code, 0: none
  // counters
  kPreemptions,
  kPromptTokens,
  kCachedPromptTokens,
  kOutputTokens,
  kPrefixQueryTokens,
  kPrefixHitTokens,
  kFinishedRequests,  // all reasons
  kFinishedStop,
  kFinishedLength,
  kFinishedAbort,
  kFinishedError,
  kGpuEnergyJoules,
  // histograms, seconds
  kTtft,
  kItl,
  kE2e,
  kQueueTime,
  // texts
  kLoraRunning,  // comma-joined names
  kLoraWaiting,
};

inline constexpr std::size_t kGaugeCount = static_cast<std::size_t>(SignalId::kPreemptions);
inline constexpr std::size_t kCounterCount =
    static_cast<std::size_t>(SignalId::kTtft) - kGaugeCount;
inline constexpr std::size_t kHistogramCount =
    static_cast<std::size_t>(SignalId::kLoraRunning) - kGaugeCount - kCounterCount;
inline constexpr std::size_t kTextCount = 2;
inline constexpr std::size_t kSignalCount =
    kGaugeCount + kCounterCount + kHistogramCount + kTextCount;

enum class Shape : std::uint8_t { kGauge, kCounter, kHistogram, kText };
constexpr std::size_t index_of(SignalId id) { return static_cast<std::size_t>(id); }
constexpr Shape shape_of(SignalId id) {
  return id < SignalId::kPreemptions   ? Shape::kGauge
         : id < SignalId::kTtft        ? Shape::kCounter
         : id < SignalId::kLoraRunning ? Shape::kHistogram
                                       : Shape::kText;
}

/// A set of histograms: state is kept, and lines are parsed, only for those asked for.
class HistogramSet {
 public:
  constexpr HistogramSet() = default;
  static constexpr HistogramSet all() {
    HistogramSet s;
    s.bits_ = (1U << kHistogramCount) - 1;
    return s;
  }
  constexpr HistogramSet with(SignalId id) const {
    HistogramSet s = *this;
    s.bits_ |= 1U << (index_of(id) - index_of(SignalId::kTtft));
    return s;
  }
  constexpr bool has(SignalId id) const {
    return (bits_ >> (index_of(id) - index_of(SignalId::kTtft)) & 1U) != 0;
  }

 private:
  std::uint32_t bits_ = 0;
};

}  // namespace tidegate::signal

namespace tidegate {
template <>
struct EnumTokens<signal::SignalId> {
  static constexpr std::string_view kTokens[] = {"running_requests",
                                                 "waiting_requests",
                                                 "waiting_aside_requests",
                                                 "waiting_capacity_requests",
                                                 "waiting_deferred_requests",
                                                 "swapped_requests",
                                                 "in_flight_requests",
                                                 "kv_usage",
                                                 "kv_used_tokens",
                                                 "kv_total_tokens",
                                                 "kv_used_blocks",
                                                 "kv_total_blocks",
                                                 "kv_block_tokens",
                                                 "max_num_seqs",
                                                 "max_num_batched_tokens",
                                                 "sleep_level1",
                                                 "sleep_level2",
                                                 "lora_max",
                                                 "prompt_tokens_rate",
                                                 "output_tokens_rate",
                                                 "mean_running_requests",
                                                 "mean_waiting_requests",
                                                 "ready_endpoints",
                                                 "pool_saturation",
                                                 "gateway_queue_requests",
                                                 "gateway_queue_bytes",
                                                 "gpu_util",
                                                 "gpu_tensor_active",
                                                 "gpu_dram_active",
                                                 "gpu_sm_active",
                                                 "gpu_used_bytes",
                                                 "gpu_free_bytes",
                                                 "gpu_power_watts",
                                                 "gpu_temp_celsius",
                                                 "gpu_xid",
                                                 "preemptions",
                                                 "prompt_tokens",
                                                 "cached_prompt_tokens",
                                                 "output_tokens",
                                                 "prefix_query_tokens",
                                                 "prefix_hit_tokens",
                                                 "finished_requests",
                                                 "finished_stop",
                                                 "finished_length",
                                                 "finished_abort",
                                                 "finished_error",
                                                 "gpu_energy_joules",
                                                 "ttft_seconds",
                                                 "itl_seconds",
                                                 "e2e_seconds",
                                                 "queue_time_seconds",
                                                 "lora_running",
                                                 "lora_waiting"};
};
static_assert(std::size(EnumTokens<signal::SignalId>::kTokens) == signal::kSignalCount);
}  // namespace tidegate
