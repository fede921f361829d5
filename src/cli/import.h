#pragma once
// `tidegate import KIND FILE`: another autoscaler's manifest -> a spec on stdout, its traps named.
//
//   tidegate import keda scaledobject.yaml > model.yaml
//
// What is found stands as comments above the spec and as warnings on stderr. Exit codes: 0
// imported, 1 the file is at fault, 2 usage.

#include <string>

namespace tidegate::cli {

struct ImportFlags {
  std::string kind;
  std::string file;  // - for standard input
};

int import_manifest(const ImportFlags& flags);

}  // namespace tidegate::cli
