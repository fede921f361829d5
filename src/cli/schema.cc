#include "cli/schema.h"

#include <cstdio>
#include <string>

#include "format/spec_schema.h"

namespace tidegate::cli {

int schema(const SchemaOptions& options) {
  std::string text;
  switch (options.output) {
    case SchemaOutput::kJsonSchema:
      text = format::json_schema();
      break;
    case SchemaOutput::kScenario:
      text = format::scenario_json_schema();
      break;
    case SchemaOutput::kCrd:
      text = format::crd_yaml();
      break;
    case SchemaOutput::kDocs:
      text = format::configuration_markdown();
      break;
    case SchemaOutput::kScenarioDocs:
      text = format::scenario_markdown();
      break;
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace tidegate::cli
