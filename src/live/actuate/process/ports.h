#pragma once
// PortPool: a free TCP port on loopback for each replica; one for all models of a process.
//
//   PortPool ports;
//   std::uint16_t port = ports.take().value();
//   ports.release(port);                          // when the engine is gone
//
// Below the kernel's ephemeral range, so that no outgoing connection takes a port between our check
// and the engine's bind(). A port is given out once until released, and only if a bind succeeds
// now. Thread-safety: the loop's thread.

#include <cstdint>
#include <set>

#include "core/base/result.h"

namespace tidegate::live {

class PortPool {
 public:
  static constexpr std::uint16_t kFirst = 20'000, kLast = 29'999;
  /// Starts at a place that depends on the process, so that several of us rarely try the same.
  PortPool();
  PortPool(std::uint16_t first, std::uint16_t last) : first_(first), last_(last), next_(first) {}

  Result<std::uint16_t> take();
  void adopt(std::uint16_t port) { in_use_.insert(port); }
  void release(std::uint16_t port) { in_use_.erase(port); }

 private:
  std::uint16_t first_ = kFirst, last_ = kLast, next_;
  std::set<std::uint16_t> in_use_;
};

}  // namespace tidegate::live
