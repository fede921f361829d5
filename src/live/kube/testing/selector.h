#pragma once
// Label and field selectors as query strings: "app=m,tier in (a,b),!old". Pure functions. Source:
// apimachinery's labels.Parse.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace tidegate::live::kube {

struct Requirement {
  enum class Test { kIn, kNotIn, kExists, kAbsent };
  std::string key;
  Test test = Test::kIn;
  std::vector<std::string> values;
};

class Selector {
 public:
  static Result<Selector> parse(std::string_view text);
  bool matches_labels(const nlohmann::json& object) const;
  /// Keys are dotted paths: metadata.name, spec.nodeName.
  bool matches_fields(const nlohmann::json& object) const;
  bool empty() const { return requirements_.empty(); }

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace tidegate::live::kube
