#pragma once
// NVML: this machine's NVIDIA devices, through the driver's own library, where there is one.
//
//   auto nvml = Nvml::open();                       // an error says why not; absent is no fault
//   for (const signal::GpuReading& gpu : (*nvml)->read()) ...
//
// Loaded with dlopen, so that Tidegate runs where no driver is. A device that cannot be asked is
// left out, a value that cannot be read is absent. Calls may take milliseconds each, opening may
// take seconds: NvmlSampler keeps them off the loop. Indices are the driver's, by PCI bus. At most
// kMaxDevices. Thread-safety: Nvml has one owner. NvmlSampler is for one thread and has one of its
// own beside it. Source: NVIDIA, NVML API reference (nvml.h); the symbols used are stable since
// driver 319.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/signal/gpu.h"

namespace tidegate::live {

class Nvml {
 public:
  static constexpr const char* kLibrary = "libnvidia-ml.so.1";
  static constexpr unsigned kMaxDevices = 1024;
  static Result<std::unique_ptr<Nvml>> open(const std::string& library = kLibrary);
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  unsigned count() const;
  std::vector<signal::GpuReading> read() const;

 private:
  struct Calls;
  Nvml(void* library, std::unique_ptr<Calls> calls);
  void* library_;
  std::unique_ptr<Calls> calls_;
};

/// Reads now and again on a thread of its own. Without a library it does nothing, and says so once
/// in the debug log.
class NvmlSampler {
 public:
  explicit NvmlSampler(Duration period = seconds(5), std::string library = Nvml::kLibrary);
  ~NvmlSampler();
  NvmlSampler(const NvmlSampler&) = delete;
  NvmlSampler& operator=(const NvmlSampler&) = delete;
  /// As read last; empty until then and where there is none.
  std::vector<signal::GpuReading> latest() const;

 private:
  void run();

  const Duration period_;
  const std::string library_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;            ///< with mutex_
  bool stop_ = false;                       ///< under mutex_
  std::vector<signal::GpuReading> latest_;  ///< under mutex_
  std::thread thread_;
};

}  // namespace tidegate::live
