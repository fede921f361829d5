#pragma once
// Units of spec files: exact decimal text <-> integers (see also parse_duration and kin in
// spec_yaml.h).
//
// Numbers are read as decimals and scaled in 128-bit integers: "1.5s" is 1,500,000,000 ns, never a
// rounded double. Thread-safety: pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"

namespace tidegate::format {

/// "12.5" x scale, rounded half up to a whole number; nothing if `digits` is no plain decimal of at
/// most 18 digits or the result does not fit.
std::optional<std::int64_t> scale_decimal(std::string_view digits, std::int64_t scale);

/// parse_duration and kin, but the error says only what is wrong, not what is accepted.
Result<Duration> read_duration(std::string_view text);
Result<std::int64_t> read_bytes(std::string_view text);
Result<std::int64_t> read_bandwidth(std::string_view text);

/// Shortest exact text: "256MiB", "27GB", "1500B"; "0B".
std::string format_bytes(std::int64_t bytes);
std::string format_bandwidth(std::int64_t bytes_per_second);

}  // namespace tidegate::format
