#include "format/dcgm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>

#include "core/signal/dialect.h"

namespace tidegate::format {
namespace {

using signal::GpuReading;
using signal::SignalId;

std::string first_label(const SampleLine& line, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) {
    if (std::string_view value = line.label(name); !value.empty()) return unescape(value);
  }
  return {};
}

GpuReading named(const SampleLine& line) {
  GpuReading gpu;
  gpu.uuid = first_label(line, {"UUID", "uuid"});
  gpu.index = first_label(line, {"gpu"});
  gpu.host = first_label(line, {"Hostname", "hostname"});
  gpu.product = first_label(line, {"modelName"});
  gpu.slice = first_label(line, {"GPU_I_ID"});
  gpu.ns = first_label(line, {"exported_namespace", "namespace", "pod_namespace"});
  gpu.pod = first_label(line, {"exported_pod", "pod", "pod_name"});
  gpu.container = first_label(line, {"exported_container", "container", "container_name"});
  return gpu;
}

void set(GpuReading& gpu, SignalId id, double value) {
  switch (id) {
    case SignalId::kGpuUtil:
      gpu.busy_ratio = value;
      break;
    case SignalId::kGpuUsedBytes:
      gpu.used_bytes = value;
      break;
    case SignalId::kGpuFreeBytes:  // until finish() adds what is used
      gpu.total_bytes = value;
      break;
    case SignalId::kGpuPowerWatts:
      gpu.power_watts = value;
      break;
    case SignalId::kGpuTempCelsius:
      gpu.temp_celsius = value;
      break;
    case SignalId::kGpuXid:
      gpu.xid = value;
      break;
    default:
      break;
  }
}

/// The total is not on the page: it is what is used and what is free.
void finish(GpuReading& gpu) {
  if (gpu.total_bytes && gpu.used_bytes) {
    *gpu.total_bytes += *gpu.used_bytes;
  } else {
    gpu.total_bytes.reset();
  }
}

}  // namespace

std::vector<GpuReading> read_dcgm(std::string_view text, TextFormat format) {
  const auto& rows = signal::dialect(signal::DialectId::kDcgm).rows;
  std::vector<std::string_view> names;
  for (const signal::DialectRow& row : rows) names.push_back(row.name);
  const NameSet wanted(names);
  Exposition page(text, format, wanted);
  std::vector<GpuReading> out;
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> seen;
  for (SampleLine line; page.next(line);) {
    if (!std::isfinite(line.value)) continue;
    GpuReading gpu = named(line);
    if (gpu.uuid.empty() && gpu.index.empty()) continue;  // nobody's
    auto [at, fresh] = seen.try_emplace({signal::gpu_id(gpu), gpu.ns, gpu.pod}, out.size());
    if (fresh) {
      if (out.size() == kMaxGpus) {
        seen.erase(at);
        continue;
      }
      out.push_back(std::move(gpu));
    }
    const signal::DialectRow& row = rows[static_cast<std::size_t>(line.name)];
    set(out[at->second], row.signal, line.value * row.scale);
  }
  for (GpuReading& gpu : out) finish(gpu);
  return out;
}

}  // namespace tidegate::format
