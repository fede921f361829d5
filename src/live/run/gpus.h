#pragma once
// The accelerators under the replicas of a run: which page has them, whose they are, and their part
// of /metrics. Shown and exported, never decided by (docs/prometheus.md).
//
// A device belongs to a replica by the pod that a DCGM exporter names, or by the device that a
// process was given. Devices of others are left out, but for those of this machine. At most
// kMaxGpusShown. Thread-safety: the loop's thread.

#include <set>
#include <string>
#include <vector>

#include "core/signal/gpu.h"
#include "format/exposition_writer.h"
#include "live/run/model_run.h"
#include "live/sense/gpu_watch.h"

namespace tidegate::live {

inline constexpr std::size_t kMaxGpusShown = 4096;

struct GpuSight {
  signal::GpuReading gpu;
  std::string model, variant;  ///< empty: of no replica we know
  ReplicaId replica;
};

/// sense.gpuMetrics of all variants; {host} becomes the node of each ready replica.
std::set<std::string> gpu_pages(const std::vector<std::unique_ptr<ModelRun>>& models);

std::vector<GpuSight> gpus_of(const std::vector<std::unique_ptr<ModelRun>>& models,
                              const GpuWatch& watch);

/// Nothing where there are none.
void write_gpu_metrics(format::ExpositionWriter& writer, const std::vector<GpuSight>& gpus);

}  // namespace tidegate::live
