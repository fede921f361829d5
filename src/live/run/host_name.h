#pragma once
// The name of this machine; in a pod: the pod's.

#include <unistd.h>

#include <string>

namespace tidegate::live {

inline std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 && name[0] != 0 ? name : "tidegate";
}

}  // namespace tidegate::live
