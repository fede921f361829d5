#pragma once
// Profiles: files of how fast one replica steps (profiles/*.yaml) -> engine::Profile; see
// load_profile in format/spec_yaml.h for finding one by name.
//
//   // An error is one line a fault, file:line:column.
//   auto profile = parse_profile(text, "profiles/h100.yaml");
//
// Times are exact: "0.12us" is 120,000,000 femtoseconds, never a rounded double. Never throws.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/engine/profile.h"

namespace tidegate::format {

Result<engine::Profile> parse_profile(std::string_view text, std::string_view filename);
/// The file that reads back as the same profile.
std::string profile_yaml(const engine::Profile& profile);

/// "10ms", "25us", "0.2ns", "3ps", "1fs": exact, or an error that says what is accepted.
Result<std::int64_t> parse_femtos(std::string_view text);
std::string format_femtos(std::int64_t femtos);

}  // namespace tidegate::format
