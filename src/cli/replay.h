#pragma once
// tidegate replay TAPE: runs a tape of `tidegate run --tape` through core again and compares every
// action.

#include <string>

namespace tidegate::cli {

struct ReplayOptions {
  std::string tape;              // TAPE
  std::string format = "table";  // --format table|json
};
/// 0: the same actions byte for byte; 1: a difference (printed) or an unreadable tape.
int replay(const ReplayOptions& options);

}  // namespace tidegate::cli
