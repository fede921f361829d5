#pragma once
// Queries: a signal of Tidegate as PromQL over the gateway's metrics and the engines'.
//
//   auto q = query(model, variant, spec::SignalName::kWaiting);
//   // sum(tidegate_queue_requests{model="m"}) + (sum(vllm:num_requests_waiting{model_name="M"})
//   //   or sum(tidegate_replicas{model="m",state="ready"}) == 0)
//
// A side that is missing makes the whole empty, which HPA and KEDA (ignoreNullValues: false) hold
// on; engines count as silent rightly only where none is ready. Names of engines' metrics are those
// of core/signal's dialects. Thread-safety: functions.

#include <string>

#include "core/base/result.h"
#include "core/spec/model.h"

namespace tidegate::exchange {

/// Error: that engine does not say it.
Result<std::string> query(const spec::Model& model, const spec::Variant& variant,
                          spec::SignalName signal);
/// Of a metric as given: its signal's query, or its own.
Result<std::string> query(const spec::Model& model, const spec::Variant& variant,
                          const spec::MetricSpec& metric);
/// A short name of it: "inFlight", "promql2" (`index` counts from 1).
std::string short_name(const spec::MetricSpec& metric, std::size_t index);
/// Value and not AverageValue: a mean or a latency, compared with the target itself.
bool is_ratio(const spec::MetricSpec& metric);
/// The target as PromQL, HPA and KEDA understand it (a share of concurrencyTarget is requests).
double target_value(const spec::Model& model, const spec::Variant& variant,
                    const spec::MetricSpec& metric);
/// Whether an engine of this type tells its KV usage.
bool tells_kv(const spec::Variant& variant);

}  // namespace tidegate::exchange
