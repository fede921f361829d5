#pragma once
// diff: what would change in a file, as people read it: - and + lines around what is the same.
//
//   std::string text = diff(before, after, "manifests/m-hpa.yaml");   // empty: nothing
//
// The shortest edit for up to kMaxDiffLines of difference, else all of it as removed and added.
// Thread-safety: a pure function. Source: longest common subsequence by rows; unified format.

#include <cstddef>
#include <string>
#include <string_view>

namespace tidegate::exchange {

inline constexpr std::size_t kMaxDiffLines = 2'000;

std::string diff(std::string_view before, std::string_view after, std::string_view name);

}  // namespace tidegate::exchange
