#pragma once
// A little of CEL, as validation rules of custom kinds use it: self, oldSelf, fields, has(),
// size(), numbers, strings, booleans, ! && || == != < <= > >= and parentheses. Pure function.
//
//   cel("!has(self.min) || self.min <= self.max", object)   // true

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "core/base/result.h"

namespace tidegate::live::kube {

/// An error names what this evaluator does not know, or a field that is not there.
Result<bool> cel(std::string_view rule, const nlohmann::json& self);

}  // namespace tidegate::live::kube
