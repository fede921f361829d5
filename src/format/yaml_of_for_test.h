#pragma once
// What the option table holds of an owner as flow-style YAML (test only).

#include <string>

#include "core/spec/options.h"
#include "format/spec_value.h"

namespace tidegate::format {

inline std::string yaml_of(const spec::Section& section, const void* owner) {
  std::string out;
  auto add = [&](const spec::Option& row, const std::string& text) {
    out += (out.empty() ? "" : ", ") + std::string(row.key) + ": " + text;
  };
  for (const spec::Option& row : section.options) {
    if (row.kind == spec::Kind::kObject) {
      if (const void* child = row.bind.view(owner)) add(row, yaml_of(*row.section, child));
    } else if (row.kind == spec::Kind::kObjectList) {
      std::string items;
      for (std::size_t i = 0; i < row.bind.size(owner); ++i) {
        items += (i == 0 ? "" : ", ") + yaml_of(*row.section, row.bind.item(owner, i));
      }
      if (!items.empty()) add(row, "[" + items + "]");
    } else if (spec::Value value = row.bind.get(owner); value != default_value(section, row)) {
      add(row, value_text(row, value));
    }
  }
  return "{" + out + "}";
}

}  // namespace tidegate::format
