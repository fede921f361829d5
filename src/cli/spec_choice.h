#pragma once
// Spec files as verbs take them: -f FILE, --model NAME, and durations beside them.
//
//   auto file = spec_of(flags.spec);                      // or every error in it, a line each
//   if (!file) return fail(file.error());
//   auto model = one_of(*file, flags.spec, flags.model);  // the only one, or the one asked for
//
// Warnings are for `check`: here they would hide the figures. Thread-safety: functions.

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"
#include "format/spec_yaml.h"

namespace tidegate::cli {

std::string errors_of(const format::SpecFile& file);
Result<format::SpecFile> spec_of(const std::string& path);
/// By its own name or a served one; empty: the file must hold but one.
Result<format::LoadedModel*> one_of(format::SpecFile& file, const std::string& path,
                                    const std::string& name);
/// An empty text leaves `out` as it is.
Result<void> duration_flag(std::string_view flag, const std::string& text, Duration& out);

}  // namespace tidegate::cli
