#include "format/exposition_signals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/signal/replica_signals.h"

namespace tidegate::format {
namespace {

using signal::DialectId;
using signal::ReplicaSignals;
using signal::SignalId;

ReplicaSignals read(DialectId id, std::string_view text,
                    TextFormat format = TextFormat::kPrometheus) {
  PageReader reader(signal::dialect(id), signal::HistogramSet::all());
  signal::Page page(reader.dialect());
  reader.read(text, format, page);
  return signal::ReplicaMeter().read(page, Instant::from_nanos(0), {});
}

struct Row {
  const char* sentence;
  DialectId dialect;
  std::string_view page;
  std::map<SignalId, double> expected;  ///< NaN: absent
};
constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

class EnginePage : public testing::TestWithParam<Row> {};
TEST_P(EnginePage, GivesItsSignals) {
  const Row& row = GetParam();
  ReplicaSignals s = read(row.dialect, row.page);
  for (auto [id, value] : row.expected) {
    if (std::isnan(value)) {
      EXPECT_FALSE(s.has(id)) << row.sentence << ": " << token(id);
    } else {
      EXPECT_DOUBLE_EQ(s.value(id), value) << row.sentence << ": " << token(id);
    }
  }
  EXPECT_EQ(detect_dialect(row.page), row.dialect) << row.sentence;
}

constexpr std::string_view kVllm = R"(# HELP vllm:num_requests_running Number of requests.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="acme/m-8b"} 37.0
vllm:num_requests_running{engine="1",model_name="acme/m-8b"} 5.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="acme/m-8b"} 12.0
vllm:num_requests_waiting{engine="1",model_name="acme/m-8b"} 0.0
# TYPE vllm:num_requests_waiting_by_reason gauge
vllm:num_requests_waiting_by_reason{engine="0",model_name="acme/m-8b",reason="capacity"} 9.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="acme/m-8b",reason="deferred"} 3.0
vllm:engine_sleep_state{engine="0",model_name="acme/m-8b",sleep_state="awake"} 1.0
vllm:engine_sleep_state{engine="0",model_name="acme/m-8b",sleep_state="weights_offloaded"} 0.0
vllm:engine_sleep_state{engine="0",model_name="acme/m-8b",sleep_state="discard_all"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="acme/m-8b"} 0.75
vllm:kv_cache_usage_perc{engine="1",model_name="acme/m-8b"} 0.25
vllm:gpu_cache_usage_perc{engine="0",model_name="acme/m-8b"} 0.99
vllm:num_preemptions_total{engine="0",model_name="acme/m-8b"} 4.0
vllm:num_preemptions_created{engine="0",model_name="acme/m-8b"} 1.7881841740815e+09
vllm:prompt_tokens_total{engine="0",model_name="acme/m-8b"} 1.5e+06
vllm:prompt_tokens_by_source_total{engine="0",model_name="acme/m-8b",source="local"} 7.0
vllm:generation_tokens_total{engine="0",model_name="acme/m-8b"} 250000.0
vllm:prefix_cache_queries_total{engine="0",model_name="acme/m-8b"} 1000.0
vllm:prefix_cache_hits_total{engine="0",model_name="acme/m-8b"} 400.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="acme/m-8b"} 812.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="acme/m-8b"} 10.0
vllm:request_success_total{engine="0",finished_reason="abort",model_name="acme/m-8b"} 3.0
vllm:iteration_tokens_total_bucket{engine="0",le="1.0",model_name="acme/m-8b"} 5.0
vllm:lora_requests_info{max_lora="4",running_lora_adapters="old",waiting_lora_adapters="z"} 1.78818410e+09
vllm:lora_requests_info{max_lora="4",running_lora_adapters="sql-v2,tone-a",waiting_lora_adapters=""} 1.78818420e+09
vllm:lora_requests_info{max_lora="4",running_lora_adapters="older",waiting_lora_adapters="y"} 1.78818400e+09
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="0",num_gpu_blocks="27648",num_gpu_blocks_override="None"} 1.0
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="1",num_gpu_blocks="27648",num_gpu_blocks_override="None"} 1.0
)";

constexpr std::string_view kHybridVllm =
    R"(vllm:cache_config_info{block_size="4",engine="0",kv_cache_size_tokens="862437",num_gpu_blocks="9120"} 1.0
vllm:cache_config_info{block_size="4",engine="1",kv_cache_size_tokens="862437",num_gpu_blocks="9120"} 1.0
)";

// Two data parallel ranks of two pipeline stages each.
constexpr std::string_view kSglangRanks =
    R"(sglang:num_running_reqs{dp_rank="0",model_name="m",pp_rank="0"} 12
sglang:num_running_reqs{dp_rank="0",model_name="m",pp_rank="1"} 11
sglang:num_running_reqs{dp_rank="1",model_name="m",pp_rank="0"} 4
sglang:num_running_reqs{dp_rank="1",model_name="m",pp_rank="1"} 5
sglang:num_queue_reqs{model_name="m",tp_rank="0"} 3
sglang:num_queue_reqs{model_name="m",tp_rank="1"} 3
sglang:max_total_num_tokens{model_name="m",pp_rank="0"} 400000
sglang:max_total_num_tokens{model_name="m",pp_rank="1"} 400000
sglang:num_used_tokens{model_name="m",pp_rank="0"} 900
sglang:kv_used_tokens{model_name="m",pp_rank="0"} 600
sglang:kv_used_tokens{model_name="m",pp_rank="1"} 600
sglang:realtime_tokens_total{mode="prefill_compute",pp_rank="0"} 70
sglang:realtime_tokens_total{mode="prefill_compute",pp_rank="1"} 70
sglang:realtime_tokens_total{mode="prefill_cache",pp_rank="0"} 30
sglang:realtime_tokens_total{mode="prefill_cache",pp_rank="1"} 30
)";

constexpr std::string_view kSglang = R"(# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{engine_type="unified",model_name="m",priority="",tp_rank="0"} 10.0
sglang:num_running_reqs{engine_type="unified",model_name="m",priority="1",tp_rank="0"} 6.0
sglang:num_running_reqs{engine_type="unified",model_name="m",priority="2",tp_rank="0"} 4.0
sglang:num_queue_reqs{dp_rank="0",model_name="m"} 3.0
sglang:num_queue_reqs{dp_rank="1",model_name="m"} 4.0
sglang:num_grammar_queue_reqs{model_name="m"} 2.0
sglang:token_usage{dp_rank="0",model_name="m"} 0.5
sglang:token_usage{dp_rank="1",model_name="m"} 0.7
sglang:num_used_tokens{model_name="m"} 600.0
sglang:max_total_num_tokens{model_name="m"} 1000.0
sglang:gen_throughput{model_name="m"} 812.5
sglang:prompt_tokens_total{model_name="m"} 100.0
sglang:generation_tokens_total{model_name="m"} 50.0
sglang:cached_tokens_total{cache_source="device",model_name="m"} 30.0
sglang:cached_tokens_total{cache_source="host",model_name="m"} 5.0
sglang:realtime_tokens_total{mode="prefill_compute",model_name="m"} 70.0
sglang:realtime_tokens_total{mode="prefill_cache",model_name="m"} 30.0
sglang:realtime_tokens_total{mode="decode",model_name="m"} 44.0
)";

constexpr std::string_view kEpp = R"(# TYPE llm_d_epp_average_queue_size gauge
inference_pool_average_kv_cache_utilization{name="p"} 0.4
llm_d_epp_average_kv_cache_utilization{name="p"} 0.4
inference_pool_average_queue_size{name="p"} 2.5
llm_d_epp_average_queue_size{name="p"} 2.5
llm_d_epp_average_running_requests{name="p"} 8
inference_pool_ready_pods{name="p"} 4
llm_d_epp_ready_endpoints{name="p"} 4
inference_extension_flow_control_queue_size{fairness_id="a",inference_pool="p",priority="0"} 7
llm_d_epp_flow_control_queue_size{fairness_id="a",inference_pool="p",priority="0"} 7
llm_d_epp_flow_control_queue_size{fairness_id="b",inference_pool="p",priority="0"} 1
llm_d_epp_flow_control_pool_saturation{inference_pool="p",stage="prefill"} 0.3
llm_d_epp_flow_control_pool_saturation{inference_pool="p",stage="effective"} 1.2
)";

INSTANTIATE_TEST_SUITE_P(
    Dialects, EnginePage,
    testing::Values(
        Row{"vLLM V1: ranks are added, KV is averaged, the newest LoRA line counts",
            DialectId::kVllm,
            kVllm,
            {{SignalId::kRunningRequests, 42},
             {SignalId::kWaitingRequests, 12},
             {SignalId::kWaitingCapacityRequests, 9},
             {SignalId::kWaitingDeferredRequests, 3},
             {SignalId::kInFlightRequests, 54},
             {SignalId::kKvUsage, 0.5},
             {SignalId::kKvTotalTokens, 27648 * 16},
             {SignalId::kKvUsedTokens, 27648 * 8},
             {SignalId::kPreemptions, 4},
             {SignalId::kPromptTokens, 1.5e6},
             {SignalId::kOutputTokens, 250000},
             {SignalId::kPrefixQueryTokens, 1000},
             {SignalId::kPrefixHitTokens, 400},
             {SignalId::kFinishedRequests, 825},
             {SignalId::kFinishedStop, 812},
             {SignalId::kFinishedAbort, 3},
             {SignalId::kFinishedError, kAbsent},
             {SignalId::kSwappedRequests, kAbsent},
             {SignalId::kLoraMax, 4}}},
        Row{"vLLM of hybrid models: tokens are said, a block is not the same everywhere",
            DialectId::kVllm,
            kHybridVllm,
            {{SignalId::kKvTotalTokens, 2 * 862437}}},
        Row{"vLLM V0: the old names where the new are not",
            DialectId::kVllm,
            "vllm:num_requests_running{model_name=\"m\"} 3.0\n"
            "vllm:num_requests_waiting{model_name=\"m\"} 1.0\n"
            "vllm:num_requests_swapped{model_name=\"m\"} 2.0\n"
            "vllm:gpu_cache_usage_perc{model_name=\"m\"} 0.875\n"
            "vllm:cpu_cache_usage_perc{model_name=\"m\"} 0.5\n"
            "vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"None\"} 1.0\n",
            {{SignalId::kKvUsage, 0.875},
             {SignalId::kSwappedRequests, 2},
             {SignalId::kInFlightRequests, 6},
             {SignalId::kKvTotalTokens, kAbsent}}},
        Row{"SGLang: the priority-less series is the total",
            DialectId::kSglang,
            kSglang,
            {{SignalId::kRunningRequests, 10},
             {SignalId::kWaitingRequests, 7},
             {SignalId::kWaitingAsideRequests, 2},
             {SignalId::kInFlightRequests, 19},
             {SignalId::kKvUsage, 0.6},
             {SignalId::kKvUsedTokens, 600},
             {SignalId::kKvTotalTokens, 1000},
             {SignalId::kOutputTokensRate, 812.5},
             {SignalId::kCachedPromptTokens, 35},
             {SignalId::kPrefixQueryTokens, 100},
             {SignalId::kPrefixHitTokens, 30}}},
        Row{"SGLang: ranks that share requests tell the same ones",
            DialectId::kSglang,
            kSglangRanks,
            {{SignalId::kRunningRequests, 17},
             {SignalId::kWaitingRequests, 3},
             {SignalId::kKvTotalTokens, 400000},
             {SignalId::kKvUsedTokens, 600},
             {SignalId::kPrefixQueryTokens, 100},
             {SignalId::kPrefixHitTokens, 30}}},
        Row{"TGI that has served nothing: its gauges come with the first request",
            DialectId::kTgi,
            "tgi_batch_max_total_tokens 26000\n",
            {{SignalId::kWaitingRequests, 0},
             {SignalId::kRunningRequests, 0},
             {SignalId::kKvTotalTokens, 26000}}},
        Row{"TGI: token counts come from the sums of length histograms",
            DialectId::kTgi,
            "tgi_queue_size 4\ntgi_batch_current_size 9\ntgi_request_success{method=\"generate\"} "
            "17\n"
            "tgi_request_input_length_sum 1234\ntgi_request_generated_tokens_sum 99\n"
            "tgi_batch_current_max_tokens 5000\ntgi_batch_max_total_tokens 26000\n",
            {{SignalId::kWaitingRequests, 4},
             {SignalId::kRunningRequests, 9},
             {SignalId::kFinishedRequests, 17},
             {SignalId::kPromptTokens, 1234},
             {SignalId::kOutputTokens, 99},
             {SignalId::kKvUsage, kAbsent}}},
        Row{"TensorRT-LLM: capacity is blocks times tokens per block",
            DialectId::kTrtllm,
            "trtllm_num_requests_running{engine_type=\"t\",model_name=\"m\"} 6.0\n"
            "trtllm_num_requests_waiting{engine_type=\"t\",model_name=\"m\"} 2.0\n"
            "trtllm_kv_cache_utilization{engine_type=\"t\",model_name=\"m\"} 0.25\n"
            "trtllm_kv_cache_max_blocks{model_name=\"m\"} 100.0\n"
            "trtllm_kv_cache_used_blocks{model_name=\"m\"} 25.0\n"
            "trtllm_kv_cache_tokens_per_block{model_name=\"m\"} 32.0\n"
            "trtllm_max_num_active_requests{model_name=\"m\"} 64.0\n"
            "trtllm_request_success_total{finished_reason=\"stop\",model_name=\"m\"} 5.0\n",
            {{SignalId::kRunningRequests, 6},
             {SignalId::kWaitingRequests, 2},
             {SignalId::kKvUsage, 0.25},
             {SignalId::kKvTotalTokens, 3200},
             {SignalId::kKvUsedTokens, 800},
             {SignalId::kMaxNumSeqs, 64},
             {SignalId::kFinishedStop, 5}}},
        Row{"TensorRT-LLM of old: no running gauge is no running requests known",
            DialectId::kTrtllm,
            "trtllm_kv_cache_utilization{model_name=\"m\"} 0.25\n",
            {{SignalId::kRunningRequests, kAbsent},
             {SignalId::kWaitingRequests, kAbsent},
             {SignalId::kInFlightRequests, kAbsent}}},
        Row{"Triton: one name, told apart by a label",
            DialectId::kTriton,
            "nv_trt_llm_request_metrics{model=\"t\",request_type=\"waiting\",version=\"1\"} 3\n"
            "nv_trt_llm_request_metrics{model=\"t\",request_type=\"context\",version=\"1\"} 2\n"
            "nv_trt_llm_request_metrics{model=\"t\",request_type=\"scheduled\",version=\"1\"} 5\n"
            "nv_trt_llm_request_metrics{model=\"t\",request_type=\"max\",version=\"1\"} 48\n"
            "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"fraction\",model=\"t\"} 0.48\n"
            "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"tokens_per\",model=\"t\"} 64\n"
            "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"max\",model=\"t\"} 10\n"
            "nv_inference_pending_request_count{model=\"t\",version=\"1\"} 99\n",
            {{SignalId::kWaitingRequests, 3},
             {SignalId::kRunningRequests, 5},
             {SignalId::kMaxNumSeqs, 48},
             {SignalId::kKvUsage, 0.48},
             {SignalId::kKvTotalTokens, 640}}},
        Row{"Triton: an ensemble and its steps count one request each",
            DialectId::kTriton,
            "nv_inference_pending_request_count{model=\"ensemble\",version=\"1\"} 3\n"
            "nv_inference_pending_request_count{model=\"tensorrt_llm\",version=\"1\"} 2\n"
            "nv_inference_request_success{model=\"ensemble\",version=\"1\"} 59\n"
            "nv_inference_request_success{model=\"preprocessing\",version=\"1\"} 61\n",
            {{SignalId::kWaitingRequests, 3}, {SignalId::kFinishedRequests, 61}}},
        Row{"llama.cpp: NaN is not a number of anything",
            DialectId::kLlamaCpp,
            "llamacpp:prompt_tokens_total 100\nllamacpp:tokens_predicted_total 50\n"
            "llamacpp:requests_processing 2\nllamacpp:requests_deferred 1\n"
            "llamacpp:predicted_tokens_seconds -nan(ind)\nllamacpp:n_busy_slots_per_decode nan\n",
            {{SignalId::kRunningRequests, 2},
             {SignalId::kWaitingRequests, 1},
             {SignalId::kOutputTokens, 50},
             {SignalId::kOutputTokensRate, kAbsent},
             {SignalId::kKvUsage, kAbsent}}},
        Row{"Dynamo: what is queued is part of what is in flight",
            DialectId::kDynamo,
            "dynamo_frontend_inflight_requests{model=\"m\"} 12\n"
            "dynamo_frontend_queued_requests{model=\"m\"} 5\n"
            "dynamo_frontend_model_total_kv_blocks{model=\"m\"} 1000\n"
            "dynamo_frontend_model_kv_cache_block_size{model=\"m\"} 16\n"
            "dynamo_frontend_model_max_num_seqs{model=\"m\"} 256\n"
            "dynamo_frontend_requests_total{model=\"m\",status=\"success\"} 8\n"
            "dynamo_frontend_requests_total{model=\"m\",status=\"error\"} 1\n",
            {{SignalId::kInFlightRequests, 12},
             {SignalId::kWaitingRequests, 5},
             {SignalId::kRunningRequests, 7},
             {SignalId::kKvTotalTokens, 16000},
             {SignalId::kMaxNumSeqs, 256},
             {SignalId::kFinishedRequests, 9}}},
        Row{"Dynamo of old",
            DialectId::kDynamo,
            "dynamo_frontend_inflight_requests_total{model=\"m\"} 10\n"
            "dynamo_frontend_queued_requests_total{model=\"m\"} 4\n"
            "dynamo_component_inflight_requests{endpoint=\"generate\"} 6\n",
            {{SignalId::kInFlightRequests, 10},
             {SignalId::kWaitingRequests, 4},
             {SignalId::kRunningRequests, 6}}},
        Row{"endpoint picker: both prefixes on one page are not added",
            DialectId::kEpp,
            kEpp,
            {{SignalId::kKvUsage, 0.4},
             {SignalId::kWaitingRequests, 10},
             {SignalId::kRunningRequests, 32},
             {SignalId::kReadyEndpoints, 4},
             {SignalId::kGatewayQueueRequests, 8},
             {SignalId::kPoolSaturation, 1.2}}},
        Row{"endpoint picker whose flow control has held nothing yet",
            DialectId::kEpp,
            "llm_d_epp_ready_endpoints{name=\"p\"} 4\n"
            "llm_d_epp_flow_control_pool_saturation{inference_pool=\"p\"} 0\n",
            {{SignalId::kGatewayQueueRequests, 0}, {SignalId::kPoolSaturation, 0}}},
        Row{"endpoint picker without flow control",
            DialectId::kEpp,
            "llm_d_epp_ready_endpoints{name=\"p\"} 4\n",
            {{SignalId::kGatewayQueueRequests, kAbsent}}},
        Row{"endpoint picker of old: the older prefix alone",
            DialectId::kEpp,
            "inference_pool_per_pod_queue_size{model_server_pod=\"a\",name=\"p\"} 3\n"
            "inference_pool_per_pod_queue_size{model_server_pod=\"b\",name=\"p\"} 1\n"
            "inference_objective_running_requests{model_name=\"m\"} 6\n",
            {{SignalId::kWaitingRequests, 4},
             {SignalId::kInFlightRequests, 6},
             {SignalId::kRunningRequests, 2}}},
        Row{"DCGM: shares, bytes and joules",
            DialectId::kDcgm,
            "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",Hostname=\"n\",modelName=\"NVIDIA H100 80GB HBM3\"} "
            "98\n"
            "DCGM_FI_DEV_GPU_UTIL{gpu=\"1\",Hostname=\"n\",modelName=\"NVIDIA H100 80GB HBM3\"} "
            "50\n"
            "DCGM_FI_DEV_FB_USED{gpu=\"0\"} 100\nDCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 61\n"
            "DCGM_FI_DEV_GPU_TEMP{gpu=\"1\"} 55\nDCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu=\"0\"} "
            "5000\n",
            {{SignalId::kGpuUtil, 0.74},
             {SignalId::kGpuUsedBytes, 104857600},
             {SignalId::kGpuTempCelsius, 61},
             {SignalId::kGpuEnergyJoules, 5}}}));

TEST(EngineText, TheNewestLoraLineGivesTheAdapters) {
  ReplicaSignals s = read(DialectId::kVllm, kVllm);
  EXPECT_EQ(s.lora_running, "sql-v2,tone-a");
  EXPECT_EQ(s.lora_waiting, "");
  EXPECT_EQ(s.sleep_level(), 0);
  ReplicaSignals plain = read(DialectId::kVllm, "vllm:num_requests_running 1\n");
  EXPECT_EQ(plain.lora_running, std::nullopt);
  EXPECT_EQ(plain.sleep_level(), std::nullopt);
}

TEST(EngineText, SleepLevelsFollowTheStateThatIsOne) {
  auto page = [](int offloaded, int discarded) {
    return "vllm:engine_sleep_state{sleep_state=\"awake\"} 0\n"
           "vllm:engine_sleep_state{sleep_state=\"weights_offloaded\"} " +
           std::to_string(offloaded) + "\nvllm:engine_sleep_state{sleep_state=\"discard_all\"} " +
           std::to_string(discarded) + "\n";
  };
  EXPECT_EQ(read(DialectId::kVllm, page(1, 0)).sleep_level(), 1);
  EXPECT_EQ(read(DialectId::kVllm, page(0, 1)).sleep_level(), 2);
}

TEST(PageReader, HistogramsOfSeveralRanksAddBoundByBound) {
  const std::string_view text =
      "vllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"0.5\"} 3\n"
      "vllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"1.0\"} 5\n"
      "vllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"+Inf\"} 6\n"
      "vllm:time_to_first_token_seconds_count{engine=\"0\"} 6\n"
      "vllm:time_to_first_token_seconds_sum{engine=\"0\"} 4.5\n"
      "vllm:time_to_first_token_seconds_bucket{engine=\"1\",le=\"0.25\"} 1\n"
      "vllm:time_to_first_token_seconds_bucket{engine=\"1\",le=\"0.5\"} 2\n"
      "vllm:time_to_first_token_seconds_bucket{engine=\"1\",le=\"1.0\"} 2\n"
      "vllm:time_to_first_token_seconds_bucket{engine=\"1\",le=\"oops\"} 2\n"
      "vllm:time_to_first_token_seconds_bucket{engine=\"1\",le=\"+Inf\"} 2\n"
      "vllm:time_to_first_token_seconds_count{engine=\"1\"} 2\n"
      "vllm:time_to_first_token_seconds_sum{engine=\"1\"} 0.5\n";
  auto ttft = signal::HistogramSet().with(SignalId::kTtft);
  PageReader reader(signal::dialect(DialectId::kVllm), ttft);
  signal::Page page(reader.dialect());
  reader.read(text, TextFormat::kPrometheus, page);
  const signal::HistogramReading& h = page.histogram(SignalId::kTtft);
  EXPECT_EQ(h.buckets, (std::vector<signal::Bucket>{{0.25, 1}, {0.5, 5}, {1.0, 7}}));
  EXPECT_EQ(h.count, 8);
  EXPECT_EQ(h.sum, 5);

  PageReader none(signal::dialect(DialectId::kVllm), {});
  PageStats stats = none.read(text, TextFormat::kPrometheus, page);
  EXPECT_TRUE(page.empty());
  EXPECT_EQ(stats.samples, 0U) << "histograms nobody asked for are not parsed";
  EXPECT_EQ(stats.skipped, 12U);
}

TEST(PageReader, TheOldLatencyNameCountsOnlyWithoutTheNew) {
  auto series = [](std::string name, int count) {
    return "vllm:" + name + "_bucket{le=\"1.0\"} " + std::to_string(count) + "\nvllm:" + name +
           "_count " + std::to_string(count) + "\n";
  };
  std::string old = series("time_per_output_token_seconds", 7);
  std::string fresh = series("inter_token_latency_seconds", 3);
  PageReader reader(signal::dialect(DialectId::kVllm), signal::HistogramSet::all());
  signal::Page page(reader.dialect());
  for (const auto& [text, expected] :
       std::map<std::string, double>{{old, 7}, {fresh, 3}, {old + fresh, 3}, {fresh + old, 3}}) {
    reader.read(text, TextFormat::kPrometheus, page);
    EXPECT_EQ(page.histogram(SignalId::kItl).count, expected) << text;
    EXPECT_EQ(page.histogram(SignalId::kItl).buckets,
              (std::vector<signal::Bucket>{{1.0, expected}}));
  }
}

TEST(DetectDialect, SaysNothingOfAPageWithoutAnyEnginesNames) {
  EXPECT_EQ(detect_dialect(""), std::nullopt);
  EXPECT_EQ(detect_dialect("<html>no</html>\nprocess_cpu_seconds_total 1\n"), std::nullopt);
  EXPECT_EQ(detect_dialect("vllm:num_requests_waiting_by_reasons 1\n"), std::nullopt);
}

TEST(Dialects, EveryTableIsSound) {
  for (std::size_t d = 0; d < signal::kDialectCount; ++d) {
    const signal::Dialect& dialect = signal::dialect(static_cast<DialectId>(d));
    EXPECT_EQ(dialect.id, static_cast<DialectId>(d));
    PageReader reader(dialect, signal::HistogramSet::all());  // checks that no name comes twice
    for (const signal::DialectRow& row : dialect.rows) {
      EXPECT_EQ(signal::shape_of(row.signal) == signal::Shape::kText,
                row.from_label.find("adapters") != std::string_view::npos)
          << row.name;
    }
  }
}

}  // namespace
}  // namespace tidegate::format
