#include "exchange/queries.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/policy/mix.h"
#include "core/signal/dialect.h"
#include "core/spec/options.h"
#include "exchange/names.h"

namespace tidegate::exchange {
namespace {

using signal::SignalId;
using spec::SignalName;

const signal::DialectRow* row_of(const spec::Variant& variant, SignalId id) {
  for (const auto& row : signal::dialect(signal::dialect_of(variant.engine.type)).rows) {
    if (row.signal == id && row.rank == 0) return &row;
  }
  return nullptr;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

/// Engines of this variant: by the name they serve, and by their pods where that does not tell.
std::string matchers(const spec::Model& model, const spec::Variant& variant,
                     const signal::LabelMatch& also) {
  const spec::EngineType type = variant.engine.type;
  const bool named = type == spec::EngineType::kVllm || type == spec::EngineType::kSglang;
  std::string out;
  auto add = [&](const std::string& matcher) { out += (out.empty() ? "" : ",") + matcher; };
  if (named) add("model_name=" + quoted(model.served_names.front()));
  if (!named || model.variants.size() > 1) {
    if (auto place = place_of(model, variant)) {
      add("namespace=" + quoted(place->ns));
      add("pod=~" + quoted(place->name + "-.*"));
    }
  }
  if (!also.name.empty()) add(std::string(also.name) + "=" + quoted(also.value));
  return "{" + out + "}";
}

Result<std::string> engines(const spec::Model& model, const spec::Variant& variant, SignalId id,
                            std::string_view aggregate) {
  const signal::DialectRow* row = row_of(variant, id);
  if (row == nullptr) {
    return fail(
        fmt::format("variant {}: an engine of type {} does not tell what the metric needs; "
                    "leave it out of scaling.metrics",
                    variant.name, token(variant.engine.type)));
  }
  std::string of = "model=" + quoted(model.name);
  if (model.variants.size() > 1) of += ",variant=" + quoted(variant.name);
  return fmt::format("({}({}{}) or sum(tidegate_replicas{{{},state=\"ready\"}}) == 0)", aggregate,
                     row->name, matchers(model, variant, row->match), of);
}

/// The gateway's queue is one for all variants: each takes the share of it that it could hold.
std::string gateway_queue(const spec::Model& model, const spec::Variant& variant) {
  std::string all = fmt::format("sum(tidegate_queue_requests{{model={}}})", quoted(model.name));
  if (model.variants.size() == 1) return all;
  auto room = [&](const spec::Variant& v) {
    return static_cast<double>(v.max_replicas.value()) *
           static_cast<double>(policy::concurrency_target(model, v));
  };
  double sum = 0;
  for (const auto& v : model.variants) sum += room(v);
  double share = sum > 0 ? std::round(1000 * room(variant) / sum) / 1000 : 1;
  return fmt::format("{} * {}", spec::number_text(share), all);
}

Result<std::string> sum_of(const spec::Model& model, const spec::Variant& variant,
                           std::initializer_list<SignalId> ids) {
  std::string out = gateway_queue(model, variant);
  for (SignalId id : ids) {
    auto part = engines(model, variant, id, "sum");
    if (!part) return part;
    out += " + " + *part;
  }
  return out;
}

std::string window_text(const spec::Model& model) {
  return fmt::format("{}s",
                     std::max<std::int64_t>(model.scaling.window.count() / 1'000'000'000, 60));
}

std::string quantile(const spec::Model& model, std::string_view histogram) {
  return fmt::format("histogram_quantile(0.99, sum by (le) (rate({}_bucket{{model={}}}[{}])))",
                     histogram, quoted(model.name), window_text(model));
}

std::string rate_of(const spec::Model& model, std::string_view counter) {
  return fmt::format("sum(rate({}{{model={}}}[{}]))", counter, quoted(model.name),
                     window_text(model));
}

}  // namespace

Result<std::string> query(const spec::Model& model, const spec::Variant& variant,
                          SignalName signal) {
  switch (signal) {
    case SignalName::kWaiting:
      return sum_of(model, variant, {SignalId::kWaitingRequests});
    case SignalName::kInFlight:
      return sum_of(model, variant, {SignalId::kWaitingRequests, SignalId::kRunningRequests});
    case SignalName::kRunning:
      return engines(model, variant, SignalId::kRunningRequests, "sum");
    case SignalName::kKvUsage:
      return engines(model, variant, SignalId::kKvUsage, "avg");
    case SignalName::kQueueTokens:
      return fmt::format("sum(tidegate_queue_tokens{{model={}}})", quoted(model.name));
    case SignalName::kTtftP99Seconds:
      return quantile(model, "tidegate_ttft_seconds");
    case SignalName::kItlP99Seconds:
      return quantile(model, "tidegate_itl_seconds");
    case SignalName::kRequestRate:
      return rate_of(model, "tidegate_arrivals_total");
    case SignalName::kTokenRate:
      return rate_of(model, "tidegate_prompt_tokens_total") + " + " +
             rate_of(model, "tidegate_output_tokens_total");
  }
  return fail("no such signal");
}

Result<std::string> query(const spec::Model& model, const spec::Variant& variant,
                          const spec::MetricSpec& metric) {
  return metric.signal ? query(model, variant, *metric.signal) : Result<std::string>(metric.promql);
}

std::string short_name(const spec::MetricSpec& metric, std::size_t index) {
  return metric.signal ? std::string(token(*metric.signal)) : "promql" + std::to_string(index);
}

bool is_ratio(const spec::MetricSpec& metric) {
  bool mean = metric.signal == SignalName::kKvUsage ||
              metric.signal == SignalName::kTtftP99Seconds ||
              metric.signal == SignalName::kItlP99Seconds;
  return mean || metric.type == spec::MetricTarget::kValue;
}

double target_value(const spec::Model& model, const spec::Variant& variant,
                    const spec::MetricSpec& metric) {
  bool share = metric.type == spec::MetricTarget::kUtilization && !is_ratio(metric);
  if (!share) return metric.target;
  return metric.target * static_cast<double>(policy::concurrency_target(model, variant));
}

bool tells_kv(const spec::Variant& variant) {
  return row_of(variant, SignalId::kKvUsage) != nullptr;
}

}  // namespace tidegate::exchange
