#include "live/sense/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <utility>

#include "live/net/log.h"

namespace tidegate::live {
namespace {

// The few parts of nvml.h that are used. Return codes: 0 is success.
using Device = void*;
struct Memory {
  unsigned long long total = 0, free = 0, used = 0;
};
struct Utilization {
  unsigned gpu = 0, memory = 0;  // percent
};
constexpr unsigned kUuidBytes = 96, kNameBytes = 96;

}  // namespace

struct Nvml::Calls {
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*handle)(unsigned, Device*) = nullptr;
  int (*uuid)(Device, char*, unsigned) = nullptr;
  int (*name)(Device, char*, unsigned) = nullptr;
  int (*memory)(Device, Memory*) = nullptr;
  int (*utilization)(Device, Utilization*) = nullptr;
  int (*power)(Device, unsigned*) = nullptr;             ///< milliwatts
  int (*temperature)(Device, int, unsigned*) = nullptr;  ///< sensor 0: the die
  const char* (*error)(int) = nullptr;
};

namespace {

template <class Function>
bool find(void* library, const char* symbol, Function& out) {
  out = reinterpret_cast<Function>(dlsym(library, symbol));
  return out != nullptr;
}

template <std::size_t N>
std::string text(const std::array<char, N>& buffer) {
  return {buffer.data(),
          static_cast<std::size_t>(std::find(buffer.begin(), buffer.end(), '\0') - buffer.begin())};
}

}  // namespace

Result<std::unique_ptr<Nvml>> Nvml::open(const std::string& name) {
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return fail(why != nullptr ? why : name + " cannot be loaded");
  }
  auto calls = std::make_unique<Calls>();
  Calls& c = *calls;
  const bool whole = find(library, "nvmlInit_v2", c.init) &&
                     find(library, "nvmlShutdown", c.shutdown) &&
                     find(library, "nvmlDeviceGetCount_v2", c.count) &&
                     find(library, "nvmlDeviceGetHandleByIndex_v2", c.handle) &&
                     find(library, "nvmlDeviceGetUUID", c.uuid);
  if (!whole) {
    dlclose(library);
    return fail(name + " lacks a function of NVML that is needed: is it NVIDIA's?");
  }
  find(library, "nvmlDeviceGetName", c.name);
  find(library, "nvmlDeviceGetMemoryInfo", c.memory);
  find(library, "nvmlDeviceGetUtilizationRates", c.utilization);
  find(library, "nvmlDeviceGetPowerUsage", c.power);
  find(library, "nvmlDeviceGetTemperature", c.temperature);
  find(library, "nvmlErrorString", c.error);
  if (const int code = c.init(); code != 0) {
    const std::string why = c.error != nullptr ? c.error(code) : "code " + std::to_string(code);
    dlclose(library);
    return fail(name + ": NVML does not start: " + why);
  }
  return std::unique_ptr<Nvml>(new Nvml(library, std::move(calls)));
}

Nvml::Nvml(void* library, std::unique_ptr<Calls> calls)
    : library_(library), calls_(std::move(calls)) {}

Nvml::~Nvml() {
  calls_->shutdown();
  dlclose(library_);
}

unsigned Nvml::count() const {
  unsigned count = 0;
  return calls_->count(&count) == 0 ? std::min(count, kMaxDevices) : 0;
}

std::vector<signal::GpuReading> Nvml::read() const {
  const Calls& c = *calls_;
  std::vector<signal::GpuReading> out;
  for (unsigned i = 0; i < count(); ++i) {
    Device device = nullptr;
    if (c.handle(i, &device) != 0) continue;
    signal::GpuReading gpu;
    gpu.index = std::to_string(i);
    std::array<char, kUuidBytes> uuid{};
    if (c.uuid(device, uuid.data(), kUuidBytes) == 0) gpu.uuid = text(uuid);
    std::array<char, kNameBytes> name{};
    if (c.name != nullptr && c.name(device, name.data(), kNameBytes) == 0) gpu.product = text(name);
    Memory memory;
    if (c.memory != nullptr && c.memory(device, &memory) == 0) {
      gpu.used_bytes = static_cast<double>(memory.used);
      gpu.total_bytes = static_cast<double>(memory.total);
    }
    Utilization busy;
    if (c.utilization != nullptr && c.utilization(device, &busy) == 0) {
      gpu.busy_ratio = static_cast<double>(busy.gpu) / 100;
    }
    unsigned value = 0;
    if (c.power != nullptr && c.power(device, &value) == 0) {
      gpu.power_watts = static_cast<double>(value) / 1000;
    }
    if (c.temperature != nullptr && c.temperature(device, 0, &value) == 0) {
      gpu.temp_celsius = static_cast<double>(value);
    }
    out.push_back(std::move(gpu));
  }
  return out;
}

NvmlSampler::NvmlSampler(Duration period, std::string library)
    : period_(period), library_(std::move(library)), thread_([this] { run(); }) {}

NvmlSampler::~NvmlSampler() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::vector<signal::GpuReading> NvmlSampler::latest() const {
  const std::lock_guard lock(mutex_);
  return latest_;
}

void NvmlSampler::run() {
  auto nvml = Nvml::open(library_);
  if (!nvml) return net::log(net::Level::kDebug, "no NVML", {{"why", nvml.error().message}});
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    auto read = (*nvml)->read();
    lock.lock();
    latest_ = std::move(read);
    wake_.wait_for(lock, period_, [this] { return stop_; });
  }
}

}  // namespace tidegate::live
