#pragma once
// `tidegate check FILE... [--explain] [--format table|json]`: faults and advice on spec and
// scenario files.
//
// Flags: files (positional, at least one), --explain, --format table|json (default table).
// Diagnostics go to stderr as file:line:column lines, what was asked for to stdout; with json
// everything is one object on stdout: {schemaVersion, results: [{file, ok, models, diagnostics,
// scenario?, explain?}]}. Exit codes: 0 ok (warnings too), 1 errors, 2 usage. Examples: tidegate
// check model.yaml; tidegate check --explain model.yaml; tidegate check *.yaml --format json

#include <cstdint>
#include <string>
#include <vector>

namespace tidegate::cli {

enum class OutputFormat : std::uint8_t { kTable, kJson };

struct CheckOptions {
  std::vector<std::string> files;
  bool explain = false;
  OutputFormat format = OutputFormat::kTable;
};

int check(const CheckOptions& options);

}  // namespace tidegate::cli
