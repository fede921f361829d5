// NVML as live/sense/nvml.h uses it, for tests: device 0 tells all, 1 cannot be reached, 2 tells
// its UUID alone. FAKE_NVML_BROKEN in the environment: it does not start.
#include <cstdlib>
#include <cstring>

namespace {
constexpr int kSuccess = 0, kNotSupported = 3, kDriverNotLoaded = 9, kGpuIsLost = 15;
int devices[3] = {0, 1, 2};
int number(void* device) { return *static_cast<int*>(device); }
int write(char* to, unsigned bytes, const char* text) {
  std::strncpy(to, text, bytes);
  return kSuccess;
}
}  // namespace

struct Memory {
  unsigned long long total, free, used;
};
struct Utilization {
  unsigned gpu, memory;
};

extern "C" {
int nvmlInit_v2() {
  return std::getenv("FAKE_NVML_BROKEN") != nullptr ? kDriverNotLoaded : kSuccess;
}
int nvmlShutdown() { return kSuccess; }
const char* nvmlErrorString(int code) {
  return code == kDriverNotLoaded ? "Driver Not Loaded" : "another error";
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 3;
  return kSuccess;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index == 1) return kGpuIsLost;
  *device = &devices[index];
  return kSuccess;
}
int nvmlDeviceGetUUID(void* device, char* uuid, unsigned bytes) {
  return write(uuid, bytes, number(device) == 0 ? "GPU-zero" : "GPU-two");
}
int nvmlDeviceGetName(void* device, char* name, unsigned bytes) {
  return number(device) == 0 ? write(name, bytes, "NVIDIA Fake") : kNotSupported;
}
int nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
  if (number(device) != 0) return kNotSupported;
  *memory = {80ULL << 30, 60ULL << 30, 20ULL << 30};
  return kSuccess;
}
int nvmlDeviceGetUtilizationRates(void* device, Utilization* busy) {
  if (number(device) != 0) return kNotSupported;
  *busy = {75, 10};
  return kSuccess;
}
int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) {
  if (number(device) != 0) return kNotSupported;
  *milliwatts = 300'500;
  return kSuccess;
}
int nvmlDeviceGetTemperature(void* device, int, unsigned* celsius) {
  if (number(device) != 0) return kNotSupported;
  *celsius = 55;
  return kSuccess;
}
}
