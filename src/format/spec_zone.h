#pragma once
// Time zones: an IANA name -> the table of transitions core/spec/cron.h reads.
//
// From the TZif files of the system's tzdata (RFC 8536); rules that go on for ever are written out
// to kZoneUntilYear. "UTC" needs no file. Thread-safety: pure but for reading files.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/spec/model.h"

namespace tidegate::format {

inline constexpr int kZoneFromYear = 2000;  ///< older transitions are dropped: traces are younger
inline constexpr int kZoneUntilYear = 2060;

Result<std::vector<spec::ZoneTransition>> load_zone(
    const std::string& name, const std::string& directory = "/usr/share/zoneinfo");
/// The bytes of a TZif file.
Result<std::vector<spec::ZoneTransition>> parse_tzif(std::string_view bytes);

}  // namespace tidegate::format
