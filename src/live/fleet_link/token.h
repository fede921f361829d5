#pragma once
// The secret that gateways and leader share: a file, and how it is shown. Never logged.
// Thread-safety: functions.

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace tidegate::live::link {

inline constexpr std::size_t kMaxTokenBytes = 4096;

/// The file's text without blanks around it; an error names the file and what is wrong with it.
Result<std::string> read_token(const std::string& file);
/// Whether an authorization header carries the token; takes as long wherever they differ.
bool shows_token(std::string_view authorization, std::string_view token);
std::string authorization_of(std::string_view token);

}  // namespace tidegate::live::link
