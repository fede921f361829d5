#pragma once
// Results that go to a file: whole or not at all, and refused before the work that makes them.
//
//   if (auto able = check_writable(flags.out); !able) return report(able.error());
//   ... hours ...
//   if (auto written = write_text(flags.out, yaml); !written) return report(written.error());
//
// An empty path is no file: both do nothing. Errors name the path and the cause.

#include <string>

#include "core/base/result.h"

namespace tidegate::cli {

/// Leaves nothing behind, and what is there as it is.
Result<void> check_writable(const std::string& path);
Result<void> write_text(const std::string& path, const std::string& text);

}  // namespace tidegate::cli
