#pragma once
// A reason's evidence in words, for people who do not know its names: `tidegate explain` prints
// them below the reason. Thread-safety: a function.

#include <string>
#include <vector>

#include "core/base/reason.h"

namespace tidegate::cli {

/// Lines without an end; none where the reason speaks for itself.
std::vector<std::string> in_words(const Reason& reason);

}  // namespace tidegate::cli
