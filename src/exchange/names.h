#pragma once
// Names of what is exported: valid where they go, or an error that says which name to change.
//
//   Result<std::string> name = label({model.name, variant.name});   // "qwen3-32b-h100"
//
// Source: RFC 1123 labels as Kubernetes has them; Prometheus data model. Thread-safety: functions.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/spec/model.h"

namespace tidegate::exchange {

inline constexpr std::size_t kMaxLabel = 63;

bool is_label(std::string_view text);
/// The parts joined by '-': a-z, 0-9 and '-', at most 63.
Result<std::string> label(const std::vector<std::string_view>& parts);
/// The parts joined by '_', every other character than a-z, 0-9 made '_'.
std::string metric_name(const std::vector<std::string_view>& parts);

/// What an object scales, and where.
struct Place {
  std::string ns = "default";
  std::string api_version = "apps/v1";
  std::string kind = "Deployment";
  std::string name;
  bool assumed = false;  ///< the spec's target is no Kubernetes object: this one is made up
};
Result<Place> place_of(const spec::Model& model, const spec::Variant& variant);

}  // namespace tidegate::exchange
