#pragma once
// DevicePool: the accelerators of this box, leased to replicas; one for all models of a process.
//
//   DevicePool pool = DevicePool::detect().value();
//   auto lease = pool.lease({.count = 2});      // nothing: none free
//   pool.release(*lease);                       // when the whole process group is gone
//
// Which devices there are: TIDEGATE_DEVICES=n (0..n-1), else the list in CUDA_VISIBLE_DEVICES, else
// those the driver counts (NVML), else one for each /dev/nvidia[0-9]*. A box without any has an
// unbounded pool: leases always succeed and name no device, so that emulated and CPU engines run
// anywhere. A fraction below 1 shares a device between replicas; shares are millionths. Lowest
// numbers first. Thread-safety: the loop's thread.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace tidegate::live {

class DevicePool {
 public:
  static constexpr std::int64_t kWhole = 1'000'000;
  static constexpr std::int64_t kMaxDevices = 1024;

  struct Ask {
    std::int64_t count = 1;
    double fraction = 1;  ///< of each device, (0, 1]
  };
  struct Lease {
    std::vector<std::string> devices;  ///< empty in an unbounded pool
    std::int64_t share = kWhole;       ///< millionths of each
    /// "0,1", for CUDA_VISIBLE_DEVICES.
    std::string visible() const;
    /// "0,1" or "0:500000", as journalled.
    std::string text() const;
    static Lease from_text(const std::string& text);
  };

  /// `driver` counts the devices by the driver's own library, where there is one (0: it knows
  /// none); asked only where the environment does not say.
  static Result<DevicePool> detect(const std::function<std::int64_t()>& driver = {});
  explicit DevicePool(std::vector<std::string> devices);
  /// No devices known: leases never fail.
  static DevicePool unbounded() { return DevicePool({}); }

  bool bounded() const { return !devices_.empty(); }
  std::size_t size() const { return devices_.size(); }
  /// Devices of which nothing is leased.
  std::size_t free() const;
  bool can_lease(const Ask& ask) const;
  std::optional<Lease> lease(const Ask& ask);
  /// Takes what a run before had leased, even where this box no longer has it (then it bounds
  /// nothing).
  void adopt(const Lease& lease);
  void release(const Lease& lease);
  /// The very devices of a lease that was released; false where others have them now.
  bool take_back(const Lease& lease);

 private:
  struct Device {
    std::string name;
    std::int64_t free = kWhole;
  };
  Device* find(const std::string& name);
  /// Indices of the devices a lease would take; fewer than asked if there are not enough.
  std::vector<std::size_t> fitting(const Ask& ask) const;
  std::vector<Device> devices_;
};

}  // namespace tidegate::live
