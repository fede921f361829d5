#pragma once
// Parts of a JSON document that somebody else wrote, by the keys that lead to them.
//
//   text(pod, "metadata", "name");                        // empty where there is none
//   for (const json& one : part(pod, "status", "conditions")) ...
//   part(endpoint, "conditions", "ready") != false        // absent counts as ready
//
// Promises: whatever is there, nothing throws; what a path does not lead to is null, and the text
// of what is no text is empty. A part lives as long as its document. Thread-safety: pure functions.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace tidegate::live::kube {

const nlohmann::json& part(const nlohmann::json& node, const char* key);
std::string text(const nlohmann::json& node, const char* key);
std::optional<std::int64_t> whole_number(const nlohmann::json& node, const char* key);

template <class... Keys>
const nlohmann::json& part(const nlohmann::json& node, const char* key, const char* next,
                           Keys... more) {
  return part(part(node, key), next, more...);
}
template <class... Keys>
std::string text(const nlohmann::json& node, const char* key, const char* next, Keys... more) {
  return text(part(node, key), next, more...);
}

}  // namespace tidegate::live::kube
