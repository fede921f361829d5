#pragma once
// tidegate demo: emulated engines, gateway and controller on loopback; a day's shape with a burst
// pressed into about 90 seconds, a live view, and at the end what it cost. Leaves nothing running.

#include <cstdint>
#include <string>

namespace tidegate::cli {

struct DemoOptions {
  double seconds = 90;                 // --seconds: real seconds
  std::string policy = "concurrency";  // --policy
  std::uint64_t seed = 1;              // --seed
};
/// 0 at its end; 1 where it could not run; 130 after Ctrl-C.
int demo(const DemoOptions& options);

}  // namespace tidegate::cli
