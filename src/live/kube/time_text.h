#pragma once
// Times as API objects write them: RFC 3339 in UTC, whole seconds (Time) or six digits (MicroTime).
// Thread-safety: pure functions.

#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.h"

namespace tidegate::live::kube {

/// "2026-01-02T03:04:05Z", with up to nine digits of a fraction and with an offset ("+02:00").
std::optional<WallTime> parse_time(std::string_view text);
std::string format_time(WallTime at);        ///< 2026-01-02T03:04:05Z
std::string format_micro_time(WallTime at);  ///< 2026-01-02T03:04:05.123456Z

}  // namespace tidegate::live::kube
