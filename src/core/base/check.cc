#include "core/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tidegate {

void check_failed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "tidegate: %s:%d: invariant broken: %s\n", file, line, condition);
  std::abort();
}

}  // namespace tidegate
