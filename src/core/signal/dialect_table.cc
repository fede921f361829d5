#include "core/base/check.h"
#include "core/signal/dialect.h"

namespace tidegate::signal {
namespace {

using S = SignalId;
using R = Reduce;
constexpr double kMiB = 1048576;

constexpr DialectRow kVllmRows[] = {
    {"vllm:num_requests_running", S::kRunningRequests},
    {"vllm:num_requests_waiting", S::kWaitingRequests},
    {"vllm:num_requests_waiting_by_reason",
     S::kWaitingCapacityRequests,
     R::kSum,
     0,
     {"reason", "capacity"}},
    {"vllm:num_requests_waiting_by_reason",
     S::kWaitingDeferredRequests,
     R::kSum,
     0,
     {"reason", "deferred"}},
    {"vllm:num_requests_swapped", S::kSwappedRequests},  // V0
    {"vllm:kv_cache_usage_perc", S::kKvUsage, R::kMean},
    {"vllm:gpu_cache_usage_perc", S::kKvUsage, R::kMean, 1},
    {"vllm:engine_sleep_state", S::kSleepLevel1, R::kMax, 0, {"sleep_state", "weights_offloaded"}},
    {"vllm:engine_sleep_state", S::kSleepLevel2, R::kMax, 0, {"sleep_state", "discard_all"}},
    {"vllm:cache_config_info", S::kKvBlockTokens, R::kMax, 0, {}, 1, "block_size"},
    // Blocks of all engines together, told by each (v1/engine/core_client.py adds them up); tokens
    // of one engine, exact where blocks differ in size (hybrid models).
    {"vllm:cache_config_info", S::kKvTotalBlocks, R::kMax, 0, {}, 1, "num_gpu_blocks"},
    {"vllm:cache_config_info", S::kKvTotalTokens, R::kSum, 0, {}, 1, "kv_cache_size_tokens"},
    {"vllm:lora_requests_info", S::kLoraMax, R::kLatest, 0, {}, 1, "max_lora"},
    {"vllm:lora_requests_info", S::kLoraRunning, R::kLatest, 0, {}, 1, "running_lora_adapters"},
    {"vllm:lora_requests_info", S::kLoraWaiting, R::kLatest, 0, {}, 1, "waiting_lora_adapters"},
    {"vllm:num_preemptions_total", S::kPreemptions},
    {"vllm:prompt_tokens_total", S::kPromptTokens},
    {"vllm:prompt_tokens_cached_total", S::kCachedPromptTokens},
    {"vllm:generation_tokens_total", S::kOutputTokens},
    {"vllm:prefix_cache_queries_total", S::kPrefixQueryTokens},
    {"vllm:gpu_prefix_cache_queries_total", S::kPrefixQueryTokens, R::kSum, 1},
    {"vllm:prefix_cache_hits_total", S::kPrefixHitTokens},
    {"vllm:gpu_prefix_cache_hits_total", S::kPrefixHitTokens, R::kSum, 1},
    {"vllm:request_success_total", S::kFinishedRequests},
    {"vllm:request_success_total", S::kFinishedStop, R::kSum, 0, {"finished_reason", "stop"}},
    {"vllm:request_success_total", S::kFinishedLength, R::kSum, 0, {"finished_reason", "length"}},
    {"vllm:request_success_total", S::kFinishedAbort, R::kSum, 0, {"finished_reason", "abort"}},
    {"vllm:request_success_total", S::kFinishedError, R::kSum, 0, {"finished_reason", "error"}},
    {"vllm:time_to_first_token_seconds", S::kTtft},
    {"vllm:inter_token_latency_seconds", S::kItl},
    {"vllm:time_per_output_token_seconds", S::kItl, R::kSum, 1},
    {"vllm:e2e_request_latency_seconds", S::kE2e},
    {"vllm:request_queue_time_seconds", S::kQueueTime},
};

// With priority scheduling every scheduler gauge has a series per priority beside the total, whose
// `priority` is empty: matching the empty value takes the total alone, in both cases.
// Every rank of tensor, pipeline and context parallelism may tell what its scheduler sees, which is
// the same (`--enable-metrics-for-all-schedulers`, `--pp-size`, `--cp`).
constexpr LabelMatch kTotal = {"priority", ""};
constexpr DialectRow kSglangRows[] = {
    {"sglang:num_running_reqs", S::kRunningRequests, R::kRanks, 0, kTotal},
    {"sglang:num_queue_reqs", S::kWaitingRequests, R::kRanks, 0, kTotal},
    {"sglang:num_grammar_queue_reqs", S::kWaitingAsideRequests, R::kRanks, 0, kTotal},
    {"sglang:num_prefill_bootstrap_queue_reqs", S::kWaitingAsideRequests, R::kRanks, 0, kTotal},
    {"sglang:num_decode_prealloc_queue_reqs", S::kWaitingAsideRequests, R::kRanks, 0, kTotal},
    {"sglang:num_decode_transfer_queue_reqs", S::kWaitingAsideRequests, R::kRanks, 0, kTotal},
    {"sglang:token_usage", S::kKvUsage, R::kMean, 0, kTotal},
    {"sglang:kv_used_tokens", S::kKvUsedTokens, R::kRanks, 0, kTotal},
    {"sglang:num_used_tokens", S::kKvUsedTokens, R::kRanks, 1, kTotal},
    {"sglang:max_total_num_tokens", S::kKvTotalTokens, R::kRanks, 0, kTotal},
    {"sglang:num_pages", S::kKvTotalBlocks, R::kRanks, 0, kTotal},
    {"sglang:page_size", S::kKvBlockTokens, R::kMax, 0, kTotal},
    {"sglang:cache_config_info", S::kKvTotalBlocks, R::kRanks, 1, {}, 1, "num_pages"},
    {"sglang:cache_config_info", S::kKvBlockTokens, R::kMax, 1, {}, 1, "page_size"},
    {"sglang:gen_throughput", S::kOutputTokensRate, R::kRanks, 0, kTotal},
    {"sglang:num_retracted_requests_total", S::kPreemptions, R::kRanks, 0, kTotal},
    {"sglang:prompt_tokens_total", S::kPromptTokens, R::kSum, 0, kTotal},
    {"sglang:generation_tokens_total", S::kOutputTokens, R::kSum, 0, kTotal},
    {"sglang:cached_tokens_total", S::kCachedPromptTokens, R::kSum, 0, kTotal},
    {"sglang:realtime_tokens_total",
     S::kPrefixQueryTokens,
     R::kRanks,
     0,
     {"mode", "prefill_compute"}},
    {"sglang:realtime_tokens_total",
     S::kPrefixQueryTokens,
     R::kRanks,
     0,
     {"mode", "prefill_cache"}},
    {"sglang:realtime_tokens_total", S::kPrefixHitTokens, R::kRanks, 0, {"mode", "prefill_cache"}},
    {"sglang:num_requests_total", S::kFinishedRequests, R::kSum, 0, kTotal},
    {"sglang:num_aborted_requests_total", S::kFinishedAbort, R::kSum, 0, kTotal},
    {"sglang:time_to_first_token_seconds", S::kTtft, R::kSum, 0, kTotal},
    {"sglang:inter_token_latency_seconds", S::kItl, R::kSum, 0, kTotal},
    {"sglang:e2e_request_latency_seconds", S::kE2e, R::kSum, 0, kTotal},
    {"sglang:queue_time_seconds", S::kQueueTime, R::kSum, 0, kTotal},
};

constexpr DialectRow kTgiRows[] = {
    {"tgi_batch_current_size", S::kRunningRequests},
    {"tgi_queue_size", S::kWaitingRequests},
    // Set at start, where the two above are there from the first request on (backends/v3).
    {"tgi_batch_max_total_tokens", S::kKvTotalTokens},
    {"tgi_batch_max_total_tokens", S::kRunningRequests, R::kSum, 1, {}, 0},
    {"tgi_batch_max_total_tokens", S::kWaitingRequests, R::kSum, 1, {}, 0},
    {"tgi_request_success", S::kFinishedRequests},
    {"tgi_request_input_length_sum", S::kPromptTokens},
    {"tgi_request_generated_tokens_sum", S::kOutputTokens},
    {"tgi_request_mean_time_per_token_duration", S::kItl},
    {"tgi_request_duration", S::kE2e},
    {"tgi_request_queue_duration", S::kQueueTime},
};

constexpr DialectRow kTrtllmRows[] = {
    {"trtllm_num_requests_running", S::kRunningRequests},
    {"trtllm_num_requests_waiting", S::kWaitingRequests},
    {"trtllm_kv_cache_utilization", S::kKvUsage, R::kMean},
    {"trtllm_kv_cache_used_blocks", S::kKvUsedBlocks},
    {"trtllm_kv_cache_max_blocks", S::kKvTotalBlocks},
    {"trtllm_kv_cache_tokens_per_block", S::kKvBlockTokens, R::kMax},
    {"trtllm_max_num_active_requests", S::kMaxNumSeqs},
    {"trtllm_prompt_tokens_total", S::kPromptTokens},
    {"trtllm_prompt_cached_tokens_total", S::kCachedPromptTokens},
    {"trtllm_generation_tokens_total", S::kOutputTokens},
    {"trtllm_request_success_total", S::kFinishedRequests},
    {"trtllm_request_success_total", S::kFinishedStop, R::kSum, 0, {"finished_reason", "stop"}},
    {"trtllm_request_success_total", S::kFinishedLength, R::kSum, 0, {"finished_reason", "length"}},
    {"trtllm_time_to_first_token_seconds", S::kTtft},
    {"trtllm_time_per_output_token_seconds", S::kItl},
    {"trtllm_e2e_request_latency_seconds", S::kE2e},
    {"trtllm_request_queue_time_seconds", S::kQueueTime},
};

constexpr std::string_view kRequestType = "request_type";
constexpr std::string_view kBlockType = "kv_cache_block_type";
constexpr DialectRow kTritonRows[] = {
    {"nv_trt_llm_request_metrics", S::kRunningRequests, R::kSum, 0, {kRequestType, "scheduled"}},
    {"nv_trt_llm_request_metrics", S::kWaitingRequests, R::kSum, 0, {kRequestType, "waiting"}},
    {"nv_trt_llm_request_metrics", S::kMaxNumSeqs, R::kSum, 0, {kRequestType, "max"}},
    // An ensemble and each of its steps count a request: the largest has them all.
    {"nv_inference_pending_request_count", S::kWaitingRequests, R::kMax, 1},
    {"nv_trt_llm_kv_cache_block_metrics", S::kKvUsage, R::kMean, 0, {kBlockType, "fraction"}},
    {"nv_trt_llm_kv_cache_block_metrics", S::kKvUsedBlocks, R::kSum, 0, {kBlockType, "used"}},
    {"nv_trt_llm_kv_cache_block_metrics", S::kKvTotalBlocks, R::kSum, 0, {kBlockType, "max"}},
    {"nv_trt_llm_kv_cache_block_metrics",
     S::kKvBlockTokens,
     R::kMax,
     0,
     {kBlockType, "tokens_per"}},
    {"nv_inference_request_success", S::kFinishedRequests, R::kMax},
};

constexpr DialectRow kLlamaCppRows[] = {
    {"llamacpp:requests_processing", S::kRunningRequests},
    {"llamacpp:requests_deferred", S::kWaitingRequests},
    {"llamacpp:kv_cache_usage_ratio", S::kKvUsage, R::kMean},  // old builds
    {"llamacpp:kv_cache_tokens", S::kKvUsedTokens},            // old builds
    {"llamacpp:prompt_tokens_seconds", S::kPromptTokensRate},
    {"llamacpp:predicted_tokens_seconds", S::kOutputTokensRate},
    {"llamacpp:prompt_tokens_total", S::kPromptTokens},
    {"llamacpp:tokens_predicted_total", S::kOutputTokens},
};

// `queued` runs from arrival to the first token, so it holds what prefills, and lies inside
// `inflight`.
constexpr DialectRow kDynamoRows[] = {
    {"dynamo_frontend_inflight_requests", S::kInFlightRequests},
    {"dynamo_frontend_active_requests", S::kInFlightRequests, R::kSum, 1},          // to come
    {"dynamo_frontend_inflight_requests_total", S::kInFlightRequests, R::kSum, 2},  // of old
    {"dynamo_component_inflight_requests", S::kInFlightRequests, R::kSum, 3},
    {"dynamo_frontend_queued_requests", S::kWaitingRequests},
    {"dynamo_frontend_queued_requests_total", S::kWaitingRequests, R::kSum, 1},  // of old
    {"dynamo_frontend_router_queue_pending_requests", S::kGatewayQueueRequests},
    {"dynamo_frontend_model_workers", S::kReadyEndpoints},
    {"dynamo_frontend_model_total_kv_blocks", S::kKvTotalBlocks, R::kMax},
    {"dynamo_frontend_model_kv_cache_block_size", S::kKvBlockTokens, R::kMax},
    {"dynamo_frontend_model_max_num_seqs", S::kMaxNumSeqs, R::kMax},
    {"dynamo_frontend_model_max_num_batched_tokens", S::kMaxNumBatchedTokens, R::kMax},
    {"dynamo_frontend_input_sequence_tokens_sum", S::kPromptTokens},
    {"dynamo_frontend_cached_tokens_sum", S::kCachedPromptTokens},
    {"dynamo_frontend_output_tokens_total", S::kOutputTokens},
    {"dynamo_frontend_requests_total", S::kFinishedRequests},
    {"dynamo_component_requests_total", S::kFinishedRequests, R::kSum, 1},
    {"dynamo_frontend_time_to_first_token_seconds", S::kTtft},
    {"dynamo_frontend_inter_token_latency_seconds", S::kItl},
    {"dynamo_frontend_request_duration_seconds", S::kE2e},
};

// Both prefixes are on the page of a release between the two: never add them.
constexpr DialectRow kEppRows[] = {
    {"llm_d_epp_average_kv_cache_utilization", S::kKvUsage, R::kMean},
    {"inference_pool_average_kv_cache_utilization", S::kKvUsage, R::kMean, 1},
    {"llm_d_epp_average_queue_size", S::kMeanWaitingRequests, R::kMean},
    {"inference_pool_average_queue_size", S::kMeanWaitingRequests, R::kMean, 1},
    {"llm_d_epp_average_running_requests", S::kMeanRunningRequests, R::kMean},
    {"inference_pool_average_running_requests", S::kMeanRunningRequests, R::kMean, 1},
    {"llm_d_epp_ready_endpoints", S::kReadyEndpoints},
    {"inference_pool_ready_pods", S::kReadyEndpoints, R::kSum, 1},
    {"llm_d_epp_per_endpoint_queue_size", S::kWaitingRequests},
    {"inference_pool_per_pod_queue_size", S::kWaitingRequests, R::kSum, 1},
    {"llm_d_epp_flow_control_queue_size", S::kGatewayQueueRequests},
    {"inference_extension_flow_control_queue_size", S::kGatewayQueueRequests, R::kSum, 1},
    {"llm_d_epp_flow_control_queue_bytes", S::kGatewayQueueBytes},
    {"inference_extension_flow_control_queue_bytes", S::kGatewayQueueBytes, R::kSum, 1},
    // The queue's series come with the first request that waits; with flow control on, this is
    // there.
    {"llm_d_epp_flow_control_pool_saturation", S::kPoolSaturation, R::kMax},
    {"llm_d_epp_flow_control_pool_saturation", S::kGatewayQueueRequests, R::kMax, 2, {}, 0},
    {"inference_extension_flow_control_pool_saturation", S::kPoolSaturation, R::kMax, 1},
    {"inference_extension_flow_control_pool_saturation",
     S::kGatewayQueueRequests,
     R::kMax,
     2,
     {},
     0},
    {"llm_d_epp_request_running", S::kInFlightRequests},
    {"inference_objective_running_requests", S::kInFlightRequests, R::kSum, 1},
    {"llm_d_epp_request_total", S::kFinishedRequests},
    {"inference_objective_request_total", S::kFinishedRequests, R::kSum, 1},
    {"llm_d_epp_request_error_total", S::kFinishedError},
    {"inference_objective_request_error_total", S::kFinishedError, R::kSum, 1},
    {"llm_d_epp_request_ttft_seconds", S::kTtft},
    {"inference_objective_request_ttft_seconds", S::kTtft, R::kSum, 1},
    {"llm_d_epp_request_duration_seconds", S::kE2e},
    {"inference_objective_request_duration_seconds", S::kE2e, R::kSum, 1},
    {"llm_d_epp_flow_control_request_queue_duration_seconds", S::kQueueTime},
    {"inference_extension_flow_control_request_queue_duration_seconds", S::kQueueTime, R::kSum, 1},
};

constexpr DialectRow kDcgmRows[] = {
    {"DCGM_FI_DEV_GPU_UTIL", S::kGpuUtil, R::kMean, 0, {}, 0.01},
    {"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", S::kGpuTensorActive, R::kMean},
    {"DCGM_FI_PROF_DRAM_ACTIVE", S::kGpuDramActive, R::kMean},
    {"DCGM_FI_PROF_SM_ACTIVE", S::kGpuSmActive, R::kMean},
    {"DCGM_FI_DEV_FB_USED", S::kGpuUsedBytes, R::kSum, 0, {}, kMiB},
    {"DCGM_FI_DEV_FB_FREE", S::kGpuFreeBytes, R::kSum, 0, {}, kMiB},
    {"DCGM_FI_DEV_POWER_USAGE", S::kGpuPowerWatts},
    {"DCGM_FI_DEV_GPU_TEMP", S::kGpuTempCelsius, R::kMax},
    {"DCGM_FI_DEV_XID_ERRORS", S::kGpuXid, R::kMax},
    {"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", S::kGpuEnergyJoules, R::kSum, 0, {}, 0.001},
};

constexpr Dialect kDialects[kDialectCount] = {
    {DialectId::kVllm, "/metrics", kVllmRows},
    {DialectId::kSglang, "/metrics", kSglangRows},
    {DialectId::kTgi, "/metrics", kTgiRows},
    {DialectId::kTrtllm, "/prometheus/metrics", kTrtllmRows},
    {DialectId::kTriton, "/metrics", kTritonRows},
    {DialectId::kLlamaCpp, "/metrics", kLlamaCppRows},
    {DialectId::kDynamo, "/metrics", kDynamoRows},
    {DialectId::kEpp, "/metrics", kEppRows},
    {DialectId::kDcgm, "/metrics", kDcgmRows},
};

}  // namespace

const Dialect& dialect(DialectId id) {
  auto index = static_cast<std::size_t>(id);
  TIDEGATE_CHECK(index < kDialectCount);
  return kDialects[index];
}

DialectId dialect_of(spec::EngineType type) {
  switch (type) {
    case spec::EngineType::kVllm:
      return DialectId::kVllm;
    case spec::EngineType::kSglang:
      return DialectId::kSglang;
    case spec::EngineType::kTgi:
      return DialectId::kTgi;
    case spec::EngineType::kTrtllm:
      return DialectId::kTrtllm;
    case spec::EngineType::kTriton:
      return DialectId::kTriton;
    case spec::EngineType::kLlamaCpp:
      return DialectId::kLlamaCpp;
    case spec::EngineType::kDynamo:
      return DialectId::kDynamo;
  }
  return DialectId::kVllm;
}

}  // namespace tidegate::signal
