#pragma once
// A DCGM exporter's page -> one GpuReading a device or MIG slice, and per pod where several share
// one.
//
//   for (const signal::GpuReading& gpu : read_dcgm(page, TextFormat::kPrometheus)) ...
//
// Names and units by the dialect table (core/signal/dialect.h); what the exporter does not tell is
// absent. In order of the page. At most kMaxGpus. Never throws. Source: dcgm-exporter
// default-counters.csv, its Kubernetes mapping (pod, namespace, container; pod_name, ... before
// 2.0; exported_* where a Prometheus has moved them).

#include <string_view>
#include <vector>

#include "core/signal/gpu.h"
#include "format/exposition.h"

namespace tidegate::format {

inline constexpr std::size_t kMaxGpus = 1024;  ///< of one page

std::vector<signal::GpuReading> read_dcgm(std::string_view text, TextFormat format);

}  // namespace tidegate::format
