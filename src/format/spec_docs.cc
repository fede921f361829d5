// docs/configuration.md and the keys of docs/scenarios.md, from the option tables.

#include <string>

#include "core/spec/options.h"
#include "core/workload/scenario.h"
#include "format/spec_schema.h"
#include "format/spec_value.h"

namespace tidegate::format {
namespace {

using spec::Kind;
using spec::Option;
using spec::Section;

constexpr std::string_view kHead =
    R"(# Configuration

<!-- Written by `tidegate schema --docs` from src/core/spec; a test fails when it is stale. -->

A spec file is YAML: one or more documents of `kind: Model`, the same on a laptop (`tidegate run -f model.yaml`)
and on a cluster (`kubectl apply -f model.yaml`). The least one:

```yaml
apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {name: my-model}
spec:
  variants:
    - target: {process: {command: ["vllm", "serve", "{model}", "--port", "{port}"]}}
```

`tidegate check FILE` finds faults, each with line and column, and what is legal but unwise;
`tidegate check --explain FILE` prints every value in force and where it comes from.

- Durations have units: `300ms`, `90s`, `5m`, `1h30m`, `7d`. Keys that end in `Seconds` are whole numbers, as HPA v2 has them.
- Sizes too: `256MiB` (binary; `Mi` as Kubernetes writes it), `27GB` (decimal). Bandwidths: `1.5GB/s`, `10Gbit/s`.
- A percentile is `{p99: 2s}`: 99 % of requests within 2 s.
- A time that varies is a duration, `{p50: 25s, p90: 40s}` (log-normal), or `{samples: FILE}`: a CSV with a
  column `seconds` or one number of seconds a line, beside the spec.
- Anchors, aliases and merge keys work. Unknown keys are errors.

## metadata

| key | accepted | default | what |
|---|---|---|---|
| `name` | a name of a-z, 0-9 and '-', at most 63 long | required | Names the model everywhere; what clients send unless `servedNames` says otherwise. |
| `namespace`, `labels`, `annotations` | as Kubernetes has them | none | Ignored outside a cluster. |
)";

std::string cell(std::string_view text) {
  std::string out;
  for (char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string default_cell(const Section& section, const Option& row) {
  if (row.required) return "required";
  std::string text = value_text(row, spec::default_value(section, row));
  bool empty = text.empty() || text == "\"\"" || text == "[]" || text == "{}";
  bool from_note = !row.unset.empty() && (empty || text == "0s");
  if (from_note) return cell(row.unset);
  return empty ? "" : "`" + cell(text) + "`";
}

/// What fits the column: the range or the tokens, and an example where the default shows none.
std::string accepted_cell(const Section& section, const Option& row) {
  if (row.kind == Kind::kObject || row.kind == Kind::kObjectList) {
    return row.kind == Kind::kObject ? "see below" : "list, see below";
  }
  return cell(accepted(section, row));
}

void write_section(const Section& section, const std::string& path, std::string& out) {
  out += "\n## " + path + "\n\n" + std::string(section.doc) + "\n\n";
  out += "| key | accepted | default | what |\n|---|---|---|---|\n";
  for (const Option& row : section.options) {
    out += "| `" + std::string(row.key) + "` | " + accepted_cell(section, row) + " | " +
           default_cell(section, row) + " | " + cell(row.doc) + " |\n";
  }
  for (const Option& row : section.options) {
    if (row.section == nullptr) continue;
    std::string child = path + "." + std::string(row.key);
    write_section(*row.section, row.kind == Kind::kObjectList ? child + "[]" : child, out);
  }
}

}  // namespace

std::string configuration_markdown() {
  std::string out(kHead);
  write_section(spec::model_section(), "spec", out);
  return out;
}

std::string scenario_markdown() {
  std::string out;
  write_section(workload::scenario_section(), "spec", out);
  return out;
}

}  // namespace tidegate::format
