#pragma once
// Specs written in a test: what stands above `spec:`, and what was said about them.

#include <string>
#include <string_view>

#include "format/spec_yaml.h"

namespace tidegate::format {

inline constexpr std::string_view kHead =
    "apiVersion: tidegate.dev/v1alpha1\n"
    "kind: Model\n"
    "metadata: {name: m}\n"
    "spec:\n";

/// A document whose spec holds `body`, from line 5 on, and one sound variant after it.
inline SpecFile load(std::string_view body) {
  return load_spec(std::string(kHead) + std::string(body) + "  variants: [{name: a}]\n", "f");
}

/// One whose only variant is `variant`, on line 6.
inline SpecFile load_variant(std::string_view variant) {
  return load_spec(std::string(kHead) + "  variants:\n    - " + std::string(variant) + "\n", "f");
}

inline std::string texts(const SpecFile& file) {
  std::string out;
  for (const Diagnostic& d : file.diagnostics) out += d.text() + "\n";
  return out;
}

}  // namespace tidegate::format
