#pragma once
// The three patch types that need no history: RFC 7386 merge, RFC 6902 JSON patch, and Kubernetes'
// strategic merge for the lists its tests use (by name or type). Pure functions.

#include <nlohmann/json.hpp>
#include <string>

#include "core/base/result.h"

namespace tidegate::live::kube {

Result<nlohmann::json> patched(const nlohmann::json& object, const std::string& content_type,
                               const nlohmann::json& change);

}  // namespace tidegate::live::kube
