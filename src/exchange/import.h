#pragma once
// Import: another autoscaler's manifest -> a spec, with the traps it would carry over named.
//
//   auto done = import(ImportKind::kKeda, text, "scaledobject.yaml");
//   done->text;         // a Model that `tidegate check` takes, findings as comments above it
//   done->diagnostics;  // the same findings, with file, line and column
//
// The baseline policy of that ecosystem is taken (keda, hpa, kpa, saturation), so that it can be
// simulated as it is, in mode observe: nobody's fleet is touched. A field that has no counterpart
// is said, never dropped silently. Objects of other kinds in the file are said too. Sources: the
// APIs keda.sh/v1alpha1, autoscaling/v2, serving.knative.dev/v1, llmd.ai/v1alpha1. Thread-safety: a
// function.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/fields.h"
#include "core/base/result.h"
#include "format/spec_yaml.h"

namespace tidegate::exchange {

enum class ImportKind : std::uint8_t { kKeda, kHpa, kKnative, kVariantAutoscaling };

struct Imported {
  std::string text;
  std::vector<format::Diagnostic> diagnostics;  ///< warnings
};

Result<Imported> import(ImportKind kind, std::string_view text, const std::string& filename);

}  // namespace tidegate::exchange

namespace tidegate {
template <>
struct EnumTokens<exchange::ImportKind> {
  static constexpr std::string_view kTokens[] = {"keda", "hpa", "knative", "variantautoscaling"};
};
}  // namespace tidegate
