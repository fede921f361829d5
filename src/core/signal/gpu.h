#pragma once
// GpuReading: one accelerator, or one slice of it, as its driver or a DCGM exporter measured it.
//
// Health and inventory, shown and exported. Never load: under continuous batching a device is busy
// whenever one request runs. Unknown is not zero. Units in the names. Thread-safety: values.

#include <optional>
#include <string>

namespace tidegate::signal {

struct GpuReading {
  std::string uuid;                ///< GPU-..., MIG-...; empty: not said
  std::string index;               ///< on its host, as the driver counts: "0"
  std::string host;                ///< empty: this machine
  std::string product;             ///< "NVIDIA H100 80GB HBM3"
  std::string slice;               ///< of MIG: the instance's number
  std::string ns, pod, container;  ///< who holds it, where the exporter knows
  std::optional<double> used_bytes, total_bytes;
  std::optional<double> busy_ratio;  ///< share of time any kernel ran
  std::optional<double> power_watts, temp_celsius;
  std::optional<double> xid;  ///< the driver's last error code; 0: none
  bool operator==(const GpuReading&) const = default;
};

/// What names it everywhere: the UUID (and slice), else host and index.
inline std::string gpu_id(const GpuReading& gpu) {
  std::string id = !gpu.uuid.empty()  ? gpu.uuid
                   : gpu.host.empty() ? gpu.index
                                      : gpu.host + "/" + gpu.index;
  return gpu.slice.empty() ? id : id + "/" + gpu.slice;
}

}  // namespace tidegate::signal
