#pragma once
// HPA v2's `behavior`, as HPA and KEDA both take it. Thread-safety: functions.
//
//   spec.put("behavior", behavior(law.scaling, Side::kHpa, options));

#include <cstdint>

#include "exchange/export.h"
#include "exchange/yaml.h"

namespace tidegate::exchange {

enum class Reader : std::uint8_t { kHpa, kKeda };  ///< KEDA's schema has no tolerance

/// Of a law of its own: as the model's scaling says, with the safe start unless options.active.
Yaml behavior(const spec::Scaling& scaling, Reader reader, const ExportOptions& options);
/// For a number that is decided already: at once, both ways.
Yaml obedient_behavior(std::int64_t max_replicas, Reader reader, const ExportOptions& options);
/// Name of the External metric a metric goes by, shared by HPA and prometheus-adapter.
std::string external_name(const spec::Model& model, const spec::Variant& variant,
                          const spec::MetricSpec& metric, std::size_t index);
inline constexpr std::string_view kDesiredMetric = "tidegate_desired_replicas";

}  // namespace tidegate::exchange
