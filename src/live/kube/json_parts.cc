#include "live/kube/json_parts.h"

#include <nlohmann/json.hpp>

namespace tidegate::live::kube {

using nlohmann::json;

const json& part(const json& node, const char* key) {
  static const json kNone;
  const auto it = node.find(key);  // the end of what is no object
  return it == node.end() ? kNone : *it;
}

std::string text(const json& node, const char* key) {
  const json& at = part(node, key);
  return at.is_string() ? at.get<std::string>() : "";
}

std::optional<std::int64_t> whole_number(const json& node, const char* key) {
  const json& at = part(node, key);
  return at.is_number_integer() ? std::optional(at.get<std::int64_t>()) : std::nullopt;
}

}  // namespace tidegate::live::kube
