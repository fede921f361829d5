#include "live/actuate/process/devices.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "core/base/check.h"

namespace tidegate::live {
namespace {

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    auto comma = text.find(',');
    if (auto item = text.substr(0, comma); !item.empty()) out.emplace_back(item);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return out;
}

std::vector<std::string> numbered(std::int64_t count) {
  std::vector<std::string> out;
  for (std::int64_t i = 0; i < count; ++i) out.push_back(std::to_string(i));
  return out;
}

/// /dev/nvidia0, /dev/nvidia1, ...; not nvidiactl and the like.
std::int64_t count_nvidia_devices() {
  std::int64_t count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/dev", error)) {
    std::string name = entry.path().filename();
    if (name.rfind("nvidia", 0) == 0 && name.size() > 6 &&
        name.find_first_not_of("0123456789", 6) == std::string::npos) {
      ++count;
    }
  }
  return std::min(count, DevicePool::kMaxDevices);
}

std::int64_t share_of(const DevicePool::Ask& ask) {
  const std::int64_t share = std::llround(ask.fraction * static_cast<double>(DevicePool::kWhole));
  return std::clamp<std::int64_t>(share, 1, DevicePool::kWhole);
}

}  // namespace

std::string DevicePool::Lease::visible() const {
  std::string out;
  for (const auto& device : devices) out += (out.empty() ? "" : ",") + device;
  return out;
}

std::string DevicePool::Lease::text() const {
  return share == kWhole || devices.empty() ? visible() : visible() + ":" + std::to_string(share);
}

DevicePool::Lease DevicePool::Lease::from_text(const std::string& text) {
  Lease lease;
  auto colon = text.find(':');
  lease.devices = split(std::string_view(text).substr(0, colon));
  if (colon != std::string::npos) {
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), lease.share);
    lease.share = std::clamp<std::int64_t>(lease.share, 0, kWhole);
  }
  return lease;
}

Result<DevicePool> DevicePool::detect(const std::function<std::int64_t()>& driver) {
  if (const char* given = std::getenv("TIDEGATE_DEVICES"); given != nullptr && *given != '\0') {
    std::string_view text(given);
    std::int64_t count = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size() || count < 1 ||
        count > kMaxDevices) {
      return fail("TIDEGATE_DEVICES=" + std::string(text) + ": give a number from 1 to " +
                  std::to_string(kMaxDevices));
    }
    return DevicePool(numbered(count));
  }
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES"); visible != nullptr) {
    if (auto listed = split(visible); !listed.empty()) return DevicePool(std::move(listed));
  }
  const std::int64_t counted = driver ? std::min(driver(), kMaxDevices) : 0;
  return DevicePool(numbered(counted > 0 ? counted : count_nvidia_devices()));
}

DevicePool::DevicePool(std::vector<std::string> devices) {
  for (auto& name : devices) devices_.push_back({std::move(name), kWhole});
}

std::size_t DevicePool::free() const {
  return static_cast<std::size_t>(std::count_if(devices_.begin(), devices_.end(),
                                                [](const Device& d) { return d.free == kWhole; }));
}

std::vector<std::size_t> DevicePool::fitting(const Ask& ask) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    if (static_cast<std::int64_t>(found.size()) == ask.count) break;
    if (devices_[i].free >= share_of(ask)) found.push_back(i);
  }
  return found;
}

bool DevicePool::can_lease(const Ask& ask) const {
  return !bounded() || static_cast<std::int64_t>(fitting(ask).size()) == ask.count;
}

std::optional<DevicePool::Lease> DevicePool::lease(const Ask& ask) {
  if (!can_lease(ask)) return std::nullopt;
  Lease lease;
  lease.share = share_of(ask);
  for (std::size_t i : fitting(ask)) {
    devices_[i].free -= lease.share;
    lease.devices.push_back(devices_[i].name);
  }
  return lease;
}

void DevicePool::adopt(const Lease& lease) {
  for (const auto& name : lease.devices) {
    if (Device* device = find(name)) device->free -= lease.share;
  }
}

void DevicePool::release(const Lease& lease) {
  for (const auto& name : lease.devices) {
    Device* device = find(name);
    if (device == nullptr) continue;
    device->free += lease.share;
    TIDEGATE_CHECK(device->free <= kWhole);
  }
}

bool DevicePool::take_back(const Lease& lease) {
  for (const auto& name : lease.devices) {
    if (const Device* device = find(name); device != nullptr && device->free < lease.share) {
      return false;
    }
  }
  adopt(lease);
  return true;
}

DevicePool::Device* DevicePool::find(const std::string& name) {
  auto it = std::find_if(devices_.begin(), devices_.end(),
                         [&](const Device& device) { return device.name == name; });
  return it == devices_.end() ? nullptr : &*it;
}

}  // namespace tidegate::live
