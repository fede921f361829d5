#include "cli/schema.h"

#include <cstdio>
#include <string>

#include "format/spec_schema.h"

namespace tidegate::cli {

int schema(const SchemaOptions& options) {
  std::string text = options.output == SchemaOutput::kCrd    ? format::crd_yaml()
                     : options.output == SchemaOutput::kDocs ? format::configuration_markdown()
                                                             : format::json_schema();
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace tidegate::cli
