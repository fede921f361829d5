#pragma once
// The journal's tables: made when the file is new, checked when it is not.
//
// A file of an older schema is brought up, one of a newer is refused with the version that is
// needed. Thread-safety: the connection's owner.

#include <cstdint>

#include "live/store/sqlite.h"

namespace tidegate::live {

inline constexpr std::int64_t kSchemaVersion = 1;

Result<void> open_schema(Database& db, Database::Access access);

}  // namespace tidegate::live
