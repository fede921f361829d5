#pragma once
// `tidegate schema [--scenario | --crd | --docs | --scenario-docs]`: what is generated from the
// option table, on stdout.
//
// Flags: --scenario (the JSON Schema of a scenario file's documents), --crd (the
// CustomResourceDefinition as YAML), --docs (docs/configuration.md),
// --scenario-docs (the keys in docs/scenarios.md); without any the JSON Schema of a Model. Two of
// them together are a usage error (main.cc excludes them).
// Exit code: 0. Examples: tidegate schema > model.schema.json; tidegate schema --crd | kubectl
// apply -f -

#include <cstdint>

namespace tidegate::cli {

enum class SchemaOutput : std::uint8_t { kJsonSchema, kScenario, kCrd, kDocs, kScenarioDocs };

struct SchemaOptions {
  SchemaOutput output = SchemaOutput::kJsonSchema;
};

int schema(const SchemaOptions& options);

}  // namespace tidegate::cli
