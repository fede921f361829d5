#pragma once
// `tidegate schema [--crd | --docs]`: what is generated from the option table, on stdout.
//
// Flags: --crd (the CustomResourceDefinition as YAML), --docs (docs/configuration.md); without
// either the JSON Schema of a Model. Both flags together are a usage error (main.cc excludes them).
// Exit code: 0. Examples: tidegate schema > model.schema.json; tidegate schema --crd | kubectl
// apply -f -

#include <cstdint>

namespace tidegate::cli {

enum class SchemaOutput : std::uint8_t { kJsonSchema, kCrd, kDocs };

struct SchemaOptions {
  SchemaOutput output = SchemaOutput::kJsonSchema;
};

int schema(const SchemaOptions& options);

}  // namespace tidegate::cli
