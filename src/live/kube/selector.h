#pragma once
// Label and field selectors as query strings: "app=m,tier in (a,b),!old". Pure functions. Source:
// apimachinery's labels.Parse.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace tidegate::live::kube {

struct Requirement {
  enum class Test { kIn, kNotIn, kExists, kAbsent };
  std::string key;
  Test test = Test::kIn;
  std::vector<std::string> values;
};

/// By name, each once.
using Labels = std::vector<std::pair<std::string, std::string>>;
Labels labels_of(const nlohmann::json& object);  ///< its metadata.labels
Labels labels_in(const nlohmann::json& map);

class Selector {
 public:
  static Result<Selector> parse(std::string_view text);
  bool matches(const Labels& labels) const;
  bool matches_labels(const nlohmann::json& object) const;
  /// Keys are dotted paths: metadata.name, spec.nodeName.
  bool matches_fields(const nlohmann::json& object) const;
  bool empty() const { return requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace tidegate::live::kube
