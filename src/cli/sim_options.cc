#include "cli/sim_options.h"

#include <fmt/format.h>

#include <utility>

namespace tidegate::cli {
namespace {

Result<void> duration_flag(std::string_view name, const std::string& text, Duration& out) {
  if (text.empty()) return {};
  auto parsed = format::parse_duration(text);
  if (!parsed) return fail(parsed.error().within(name));
  out = *parsed;
  return {};
}

}  // namespace

Result<format::TraceOptions> trace_options(const WorldFlags& flags) {
  format::TraceOptions options;
  options.scale = flags.scale;
  options.speedup = flags.speedup;
  options.seed = flags.seed;
  options.lengths = flags.lengths;
  auto checked = duration_flag("--from", flags.from, options.from).and_then([&] {
    return duration_flag("--until", flags.until, options.until);
  });
  if (!checked) return fail(checked.error());
  return options;
}

Result<format::LoadedModel> load_one_model(const WorldFlags& flags) {
  format::SpecFile file = format::load_spec_file(flags.spec);
  if (!file.ok()) {
    std::string text;
    for (const auto& d : file.diagnostics) {
      if (d.severity == format::Severity::kError) text += (text.empty() ? "" : "\n") + d.text();
    }
    return fail(text);
  }
  std::string names;
  for (auto& loaded : file.models) {
    if (loaded.model.name == flags.model || (flags.model.empty() && file.models.size() == 1)) {
      auto found = format::resolve_profiles(loaded, format::profile_directories());
      if (!found) return fail(found.error().within(flags.spec));
      return std::move(loaded);
    }
    names += (names.empty() ? "" : ", ") + loaded.model.name;
  }
  return fail(
      flags.model.empty()
          ? fmt::format("{}: more than one model ({}); choose with --model", flags.spec, names)
          : fmt::format("{}: no model \"{}\"; there is {}", flags.spec, flags.model, names));
}

}  // namespace tidegate::cli
