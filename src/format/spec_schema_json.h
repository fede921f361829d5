#pragma once
// The option table as a schema, shared by the JSON Schema (spec_schema.cc) and the
// CustomResourceDefinition (spec_crd.cc). Thread-safety: pure functions.
//
//   Json spec = section_schema(spec::model_section(), Dialect::kCrd);

#include <nlohmann/json.hpp>

#include "core/spec/options.h"

namespace tidegate::format {

using Json = nlohmann::ordered_json;

/// kCrd: structural, without defaults, OpenAPI 3.0's way of writing open bounds.
enum class Dialect { kJsonSchema, kCrd };

inline constexpr const char* kLabelPattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

Json section_schema(const spec::Section& section, Dialect dialect);

}  // namespace tidegate::format
