#pragma once
// A Model as the document it would be read from: what differs from the defaults, by the option
// table.
//
//   std::string text = to_yaml(model_document(model));   // `tidegate check` takes it
//
// Thread-safety: pure functions.

#include "core/spec/model.h"
#include "exchange/yaml.h"

namespace tidegate::exchange {

Yaml model_document(const spec::Model& model);

}  // namespace tidegate::exchange
