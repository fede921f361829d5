// Their metrics as ours: which signal a query means, and which trap it is.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/base/ascii.h"
#include "core/signal/dialect.h"
#include "exchange/import_parts.h"
#include "format/spec_value.h"

namespace tidegate::exchange {
namespace {

using spec::MetricTarget;
using spec::SignalName;

constexpr std::array<std::string_view, 6> kDutyCycle = {"DCGM_FI_DEV_GPU_UTIL",
                                                        "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
                                                        "DCGM_FI_PROF_SM_ACTIVE",
                                                        "gpu_utilization",
                                                        "duty_cycle",
                                                        "nvidia_smi_utilization"};

// What vLLM emits beside what we read (vllm/v1/metrics/loggers.py).
constexpr std::array<std::string_view, 22> kOtherVllm = {
    "vllm:corrupted_requests_total",
    "vllm:request_prompt_tokens",
    "vllm:request_generation_tokens",
    "vllm:iteration_tokens_total",
    "vllm:request_inference_time_seconds",
    "vllm:request_prefill_time_seconds",
    "vllm:request_decode_time_seconds",
    "vllm:request_params_n",
    "vllm:request_params_max_tokens",
    "vllm:prompt_tokens_by_source_total",
    "vllm:request_max_num_generation_tokens",
    "vllm:mm_cache_queries_total",
    "vllm:mm_cache_hits_total",
    "vllm:external_prefix_cache_queries_total",
    "vllm:external_prefix_cache_hits_total",
    "vllm:request_time_per_output_token_seconds",
    "vllm:request_prefill_kv_computed_tokens",
    "vllm:spec_decode_num_drafts_total",
    "vllm:spec_decode_num_draft_tokens_total",
    "vllm:spec_decode_num_accepted_tokens_total",
    "vllm:spec_decode_num_accepted_tokens_per_pos_total",
    "vllm:kv_block_lifetime_seconds"};

constexpr std::array<std::string_view, 4> kVllmV0 = {
    "vllm:num_requests_swapped", "vllm:cpu_cache_usage_perc",
    "vllm:avg_prompt_throughput_toks_per_s", "vllm:avg_generation_throughput_toks_per_s"};

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// Without one of these the last word of the name says what it is.
struct Meaning {
  std::string_view part;
  SignalName signal;
};
constexpr std::array<Meaning, 8> kOwn = {{
    {"tidegate_queue_tokens", SignalName::kQueueTokens},
    {"tidegate_ttft_seconds", SignalName::kTtftP99Seconds},
    {"tidegate_itl_seconds", SignalName::kItlP99Seconds},
    {"tidegate_prompt_tokens_total", SignalName::kTokenRate},
    {"tidegate_arrivals_total", SignalName::kRequestRate},
    {"tidegate_waiting_requests", SignalName::kWaiting},
    {"tidegate_kv_usage_ratio", SignalName::kKvUsage},
    {"tidegate_engine_running_requests", SignalName::kRunning},
}};

/// Of names that `tidegate export` gives: tidegate_export_MODEL_VARIANT_SIGNAL.
std::optional<SignalName> exported_signal(std::string_view name) {
  if (!name.starts_with("tidegate_export_")) return std::nullopt;
  constexpr auto& kTokens = EnumTokens<SignalName>::kTokens;
  for (std::size_t i = 0; i < std::size(kTokens); ++i) {
    if (name.ends_with("_" + std::string(kTokens[i]))) return static_cast<SignalName>(i);
  }
  return std::nullopt;
}

std::optional<SignalName> signal_of(std::string_view query) {
  for (const Meaning& own : kOwn) {
    if (has(query, own.part)) return own.signal;
  }
  if (has(query, "rate(") || has(query, "increase(") || has(query, "histogram_quantile") ||
      has(query, " / ") || has(query, "_by_reason")) {
    return std::nullopt;
  }
  bool waiting = has(query, "num_requests_waiting") || has(query, "num_queue_reqs") ||
                 has(query, "tgi_queue_size") || has(query, "requests_deferred");
  bool running = has(query, "num_requests_running") || has(query, "num_running_reqs") ||
                 has(query, "tgi_batch_current_size") || has(query, "requests_processing");
  bool kv = has(query, "cache_usage_perc") || has(query, "token_usage") ||
            has(query, "kv_cache_utilization");
  if (kv) return waiting || running ? std::nullopt : std::optional(SignalName::kKvUsage);
  if (waiting && running) return SignalName::kInFlight;
  if (waiting) return SignalName::kWaiting;
  if (running) return SignalName::kRunning;
  return std::nullopt;
}

bool emitted(std::string_view name) {
  auto same = [&](std::string_view known) {
    if (name == known) return true;
    for (std::string_view part : {"_bucket", "_sum", "_count", "_created"}) {
      if (name == std::string(known) + std::string(part)) return true;
    }
    return false;
  };
  for (const auto& row : signal::dialect(signal::DialectId::kVllm).rows) {
    if (same(row.name)) return true;
  }
  return std::any_of(kOtherVllm.begin(), kOtherVllm.end(), same);
}

std::string nearest(std::string_view name) {
  std::vector<std::string_view> known;
  for (const auto& row : signal::dialect(signal::DialectId::kVllm).rows) known.push_back(row.name);
  std::string colon(name);
  if (colon.starts_with("vllm_")) colon[4] = ':';
  if (emitted(colon)) return colon;
  return format::suggest(colon, known);
}

void name_what_vllm_lacks(const Asked& asked, Notes& notes) {
  std::string_view rest = asked.query;
  for (std::size_t at = rest.find("vllm"); at != std::string_view::npos;
       at = rest.find("vllm", at)) {
    std::size_t end = at;
    auto part = [](char c) { return ascii::is_alphanumeric(c) || c == '_' || c == ':'; };
    bool begins = at == 0 || !part(rest[at - 1]);
    while (end < rest.size() && part(rest[end])) ++end;
    std::string name(rest.substr(at, end - at));
    bool metric = begins && (name.starts_with("vllm:") || name.starts_with("vllm_"));
    // The custom metrics API takes no colon: prometheus-adapter gives names without.
    if (metric && !asked.promql) name[4] = ':';
    const bool of_v0 = std::find(kVllmV0.begin(), kVllmV0.end(), name) != kVllmV0.end();
    if (metric && !of_v0 && !emitted(name)) {
      std::string meant = nearest(name);
      notes.add(asked.at, fmt::format("vLLM emits no {}: the metric stays empty{}", name,
                                      meant.empty() ? "" : ". Did you mean " + meant + "?"));
    } else if (metric && of_v0) {
      notes.add(asked.at, fmt::format("{} is of vLLM V0; V1 never emits it", name));
    } else if (metric && name == "vllm:gpu_cache_usage_perc") {
      notes.add(asked.at,
                "vllm:gpu_cache_usage_perc is the old name; newer vLLM emits "
                "vllm:kv_cache_usage_perc alone");
    }
    at = end;
  }
}

void name_traps(const Asked& asked, Notes& notes) {
  name_what_vllm_lacks(asked, notes);
  const std::string& q = asked.query;
  bool rate = has(q, "rate(") || has(q, "increase(");
  bool aggregated =
      has(q, "sum") || has(q, "avg") || has(q, "max") || has(q, "quantile") || has(q, "min");
  if (asked.promql && rate && !aggregated) {
    notes.add(asked.at,
              "a rate() without sum() is one series for each replica; the query must give "
              "one number: sum(rate(...))");
  }
  bool of_engines = has(q, "num_requests") && !has(q, "tidegate_queue_requests");
  if (of_engines && has(q, "avg") && asked.type == MetricTarget::kAverageValue) {
    notes.add(asked.at,
              "avg() with AverageValue divides by the replicas twice, so it asks for far "
              "too few; imported as the sum");
  }
  if (of_engines && has(q, "waiting")) {
    notes.add(asked.at,
              "the engines' queues alone are counted. Behind Tidegate's gateway they are "
              "nearly empty; the signal taken here counts the gateway's with them");
  }
}

void take_served_name(const std::string& query, spec::Model& model) {
  constexpr std::string_view kLabel = "model_name=\"";
  auto at = query.find(kLabel);
  if (at == std::string::npos) return;
  auto end = query.find('"', at + kLabel.size());
  if (end == std::string::npos) return;
  model.served_names = {query.substr(at + kLabel.size(), end - at - kLabel.size())};
}

}  // namespace

void add_metric(const Asked& asked, spec::Model& model, Notes& notes) {
  bool duty = std::any_of(kDutyCycle.begin(), kDutyCycle.end(),
                          [&](std::string_view name) { return has(asked.query, name); });
  if (duty) {
    notes.add(asked.at,
              "a GPU's duty cycle is near 100 % whenever one request runs; as the largest metric "
              "wins, it ratchets the fleet to its maximum and holds it there. Left out");
    return;
  }
  name_traps(asked, notes);
  take_served_name(asked.query, model);
  if (asked.target <= 0) {
    notes.add(asked.at, "the metric has no target above 0; left out");
    return;
  }
  spec::MetricSpec metric;
  metric.type = asked.type;
  metric.target = asked.target;
  metric.signal = asked.promql ? signal_of(asked.query) : exported_signal(asked.query);
  if (!metric.signal) metric.signal = signal_of(asked.query);
  if (metric.signal == SignalName::kKvUsage) metric.type = MetricTarget::kValue;
  if (!metric.signal) {
    metric.promql = asked.promql ? asked.query : "sum(" + asked.query + ")";
    if (!asked.promql) {
      notes.add(asked.at,
                fmt::format("what is behind the metric {} is not in this file; imported as "
                            "the query {}",
                            asked.query, metric.promql));
    }
  }
  model.scaling.metrics.push_back(std::move(metric));
}

void judge_metrics(const spec::Model& model, format::Position at, Notes& notes) {
  const auto& metrics = model.scaling.metrics;
  bool queue = !metrics.empty() &&
               std::all_of(metrics.begin(), metrics.end(), [](const spec::MetricSpec& m) {
                 return m.signal == SignalName::kWaiting || m.signal == SignalName::kQueueTokens;
               });
  if (queue) {
    notes.add(at,
              "the queue is the only trigger: it orders on the backlog until capacity arrives, "
              "and drops to the floor when the queue empties. Add signal: inFlight, or try "
              "policy: tide");
  }
  if (metrics.empty()) {
    notes.add(at, "no metric is left; the policy's own are used");
  }
}

}  // namespace tidegate::exchange
