#include "live/run/gpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "live/run/host_name.h"

namespace tidegate::live {
namespace {

using format::ExpositionWriter;
using format::MetricType;
using signal::GpuReading;

constexpr std::string_view kHost = "{host}";

bool is_here(const GpuReading& gpu, const std::string& own_name) {
  return gpu.host.empty() || gpu.host == own_name;
}

/// Who holds a device: by pod ("NAMESPACE/POD", and "/POD" where the exporter names no namespace),
/// and by the device's index or UUID as a process was given it.
struct Holders {
  struct Holder {
    std::string model, variant;
    ReplicaId replica;
  };
  std::map<std::string, Holder> by_pod, by_device;

  const Holder* of(const GpuReading& gpu, const std::string& own_name) const {
    auto found = by_pod.end();
    if (!gpu.pod.empty()) {
      found = by_pod.find(gpu.ns + "/" + gpu.pod);
      return found == by_pod.end() ? nullptr : &found->second;
    }
    found = gpu.uuid.empty() ? by_device.end() : by_device.find(gpu.uuid);
    if (found == by_device.end() && is_here(gpu, own_name)) found = by_device.find(gpu.index);
    return found == by_device.end() ? nullptr : &found->second;
  }
};

Holders holders_of(const std::vector<std::unique_ptr<ModelRun>>& models) {
  Holders out;
  for (const auto& model : models) {
    std::map<std::string, std::string> namespaces;  // of variants
    for (const spec::Variant& variant : model->model().variants) {
      const auto* target = std::get_if<spec::KubernetesTarget>(&variant.target);
      if (target != nullptr) namespaces[variant.name] = target->ns;
    }
    for (const auto& [id, replica] : model->replicas()) {
      const Holders::Holder holder{model->name(), replica.variant, id};
      for (const std::string& device : replica.devices) out.by_device[device] = holder;
      if (replica.name.empty()) continue;
      out.by_pod[namespaces[replica.variant] + "/" + replica.name] = holder;
      out.by_pod["/" + replica.name] = holder;
    }
  }
  return out;
}

std::string on_node_of(const ReplicaInfo& replica, std::string page) {
  const auto at = page.find(kHost);
  if (at == std::string::npos) return page;
  const std::string& host = replica.node.empty() ? replica.address.host : replica.node;
  const bool v6 = host.find(':') != std::string::npos;
  return page.replace(at, kHost.size(), v6 ? fmt::format("[{}]", host) : host);
}

/// One family; each device once, whoever shares it.
template <class Value>
void family(ExpositionWriter& writer, const char* name, const char* help,
            const std::vector<GpuSight>& gpus, Value value) {
  writer.family(name, MetricType::kGauge, help);
  std::set<std::string> seen;
  for (const GpuSight& sight : gpus) {
    const std::optional<double> number = value(sight.gpu);
    const std::string id = signal::gpu_id(sight.gpu);
    if (!number || !seen.insert(id).second) continue;
    writer.sample(
        name,
        {{"gpu", id}, {"host", sight.gpu.host}, {"model", sight.model}, {"variant", sight.variant}},
        *number);
  }
}

}  // namespace

std::set<std::string> gpu_pages(const std::vector<std::unique_ptr<ModelRun>>& models) {
  std::set<std::string> out;
  for (const auto& model : models) {
    std::map<std::string, const std::vector<std::string>*> of_each;  // pages by variant
    for (const spec::Variant& variant : model->model().variants) {
      of_each[variant.name] = &variant.sense.gpu_metrics;
      for (const std::string& page : variant.sense.gpu_metrics) {
        if (page.find(kHost) == std::string::npos) out.insert(page);
      }
    }
    for (const auto& [id, replica] : model->replicas()) {
      auto pages = of_each.find(replica.variant);
      if (pages == of_each.end() || replica.state != control::ReplicaState::kReady) continue;
      for (const std::string& page : *pages->second) out.insert(on_node_of(replica, page));
    }
  }
  return out;
}

std::vector<GpuSight> gpus_of(const std::vector<std::unique_ptr<ModelRun>>& models,
                              const GpuWatch& watch) {
  const std::string own_name = host_name();
  const Holders holders = holders_of(models);
  std::vector<GpuSight> out;
  for (GpuReading& gpu : watch.readings()) {
    const Holders::Holder* holder = holders.of(gpu, own_name);
    if (holder == nullptr && !is_here(gpu, own_name)) continue;
    if (out.size() == kMaxGpusShown) break;
    GpuSight& sight = out.emplace_back();
    if (holder != nullptr) {
      sight.model = holder->model;
      sight.variant = holder->variant;
      sight.replica = holder->replica;
    }
    sight.gpu = std::move(gpu);
  }
  return out;
}

void write_gpu_metrics(ExpositionWriter& writer, const std::vector<GpuSight>& gpus) {
  if (gpus.empty()) return;
  family(writer, "tidegate_gpu_memory_used_bytes", "Memory in use on each accelerator.", gpus,
         [](const GpuReading& gpu) { return gpu.used_bytes; });
  family(writer, "tidegate_gpu_memory_bytes", "Memory of each accelerator.", gpus,
         [](const GpuReading& gpu) { return gpu.total_bytes; });
  family(writer, "tidegate_gpu_busy_ratio",
         "Share of time any kernel ran. Health, not load: it is near 1 with one request.", gpus,
         [](const GpuReading& gpu) { return gpu.busy_ratio; });
  family(writer, "tidegate_gpu_power_watts", "Power drawn by each accelerator.", gpus,
         [](const GpuReading& gpu) { return gpu.power_watts; });
  family(writer, "tidegate_gpu_xid", "Last error code of the driver; 0: none.", gpus,
         [](const GpuReading& gpu) { return gpu.xid; });
  // The name others' dashboards ask for.
  constexpr double kGigabyte = 1e9;
  writer.family("llm_gpu_memory_used_gb", MetricType::kGauge,
                "As tidegate_gpu_memory_used_bytes, in units of 1e9 bytes.");
  std::set<std::string> seen;
  for (const GpuSight& sight : gpus) {
    const std::string id = signal::gpu_id(sight.gpu);
    if (!sight.gpu.used_bytes || !seen.insert(id).second) continue;
    writer.sample("llm_gpu_memory_used_gb", {{"gpu_id", id}}, *sight.gpu.used_bytes / kGigabyte);
  }
}

}  // namespace tidegate::live
