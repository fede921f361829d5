#include "cli/spec_choice.h"

#include <fmt/format.h>

#include <algorithm>

namespace tidegate::cli {

std::string errors_of(const format::SpecFile& file) {
  std::string text;
  for (const auto& d : file.diagnostics) {
    if (d.severity == format::Severity::kError) text += (text.empty() ? "" : "\n") + d.text();
  }
  return text;
}

Result<format::SpecFile> spec_of(const std::string& path) {
  format::SpecFile file = format::load_spec_file(path);
  if (!file.ok()) return fail(errors_of(file));
  return file;
}

Result<format::LoadedModel*> one_of(format::SpecFile& file, const std::string& path,
                                    const std::string& name) {
  if (name.empty() && file.models.size() == 1) return &file.models.front();
  std::string names;
  for (format::LoadedModel& loaded : file.models) {
    const auto& served = loaded.model.served_names;
    const bool asked =
        loaded.model.name == name || std::find(served.begin(), served.end(), name) != served.end();
    if (asked) return &loaded;
    names += (names.empty() ? "" : ", ") + loaded.model.name;
  }
  return fail(name.empty()
                  ? fmt::format("{}: more than one model ({}); choose with --model", path, names)
                  : fmt::format("{}: no model \"{}\"; there is {}", path, name, names));
}

Result<void> duration_flag(std::string_view flag, const std::string& text, Duration& out) {
  if (text.empty()) return {};
  auto parsed = format::parse_duration(text);
  if (!parsed) return fail(parsed.error().within(flag));
  out = *parsed;
  return {};
}

}  // namespace tidegate::cli
