#include "cli/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "cli/admin_client.h"
#include "cli/export_simulation.h"
#include "cli/spec_choice.h"
#include "exchange/diff.h"
#include "exchange/export.h"
#include "format/spec_document.h"
#include "format/spec_yaml.h"

namespace tidegate::cli {
namespace {

using exchange::ExportKind;
using exchange::File;

constexpr int kWouldChange = 3;

Result<ExportKind> kind_of(const std::string& text) {
  constexpr auto& kTokens = EnumTokens<ExportKind>::kTokens;
  for (std::size_t i = 0; i < std::size(kTokens); ++i) {
    if (kTokens[i] == text) return static_cast<ExportKind>(i);
  }
  return fail(fmt::format("there is no kind \"{}\"; there are {}", text, fmt::join(kTokens, ", ")));
}

/// "1.35" -> has HPA's tolerance by default.
Result<bool> has_tolerance(const std::string& version) {
  int major = 0, minor = 0;
  const char* end = version.data() + version.size();
  auto [dot, bad] = std::from_chars(version.data(), end, major);
  bool read = bad == std::errc() && dot != end && *dot == '.';
  if (read) {
    auto [rest, worse] = std::from_chars(dot + 1, end, minor);
    read = worse == std::errc() && (rest == end || *rest == '.');
  }
  if (!read) {
    return fail(fmt::format("--kubernetes: \"{}\" is no version; write the server's, such as 1.35",
                            version));
  }
  return major > 1 || minor >= 35;
}

Result<spec::Model> model_of(const ExportFlags& flags) {
  auto file = spec_of(flags.spec);
  if (!file) return fail(file.error());
  auto found = one_of(*file, flags.spec, flags.model);
  if (!found) return fail(found.error());
  auto resolved = format::resolve_profiles(**found, format::profile_directories());
  if (!resolved) return fail(resolved.error().within(flags.spec));
  return (*found)->model;
}

/// They go into manifests as they are, and fail in a cluster much later.
std::string addresses_at_fault(const ExportFlags& flags) {
  if (!flags.prometheus.empty() && !flags.prometheus.starts_with("http://") &&
      !flags.prometheus.starts_with("https://")) {
    return fmt::format("--prometheus: \"{}\" is no URL; write http://HOST:PORT", flags.prometheus);
  }
  const auto colon = flags.scaler.rfind(':');
  if (!flags.scaler.empty() &&
      (colon == std::string::npos || colon == 0 ||
       flags.scaler.find_first_not_of("0123456789", colon + 1) != std::string::npos ||
       colon + 1 == flags.scaler.size())) {
    return fmt::format("--scaler: \"{}\" is no address; write HOST:PORT", flags.scaler);
  }
  return {};
}

Result<std::vector<File>> files_of(const ExportFlags& flags) {
  auto kind = kind_of(flags.kind);
  if (!kind) return fail(kind.error());
  exchange::ExportOptions options;
  options.kind = *kind;
  options.follow = flags.follow;
  options.active = flags.active;
  if (auto wrong = addresses_at_fault(flags); !wrong.empty()) return fail(wrong);
  if (!flags.prometheus.empty()) options.prometheus = flags.prometheus;
  if (!flags.scaler.empty()) options.scaler = flags.scaler;
  if (!flags.engine_image.empty()) options.engine_image = flags.engine_image;
  auto tolerance = has_tolerance(flags.kubernetes);
  if (!tolerance) return fail(tolerance.error());
  options.tolerance = *tolerance;
  if (*kind == ExportKind::kGrafana) return std::vector<File>{exchange::grafana_file()};
  if (*kind == ExportKind::kRules) return std::vector<File>{exchange::rules_file()};
  if (*kind == ExportKind::kPrometheusRule) {
    return std::vector<File>{exchange::prometheus_rule_file()};
  }
  if (flags.spec.empty()) {
    return fail(fmt::format("export {}: -f FILE is missing: the model to export", flags.kind));
  }
  auto model = model_of(flags);
  if (!model) return fail(model.error());
  exchange::Export what{*model, exchange::exported_law(*model, options), {}, options};
  // Names and queries are at fault at once, not after the simulation.
  auto files = exchange::export_files(what);
  if (!files || flags.no_simulation) return files;
  auto simulated = simulate_export(*model, what.law, flags);
  if (!simulated) return fail(simulated.error());
  what.simulated = std::move(*simulated);
  return exchange::export_files(what);
}

int show_differences(const std::vector<File>& files, const std::string& folder) {
  bool any = false;
  for (const File& file : files) {
    std::string path = (std::filesystem::path(folder) / file.name).string();
    auto there = format::read_file(path);
    std::string text = exchange::diff(there ? *there : "", file.text, path);
    any = any || !text.empty();
    fmt::print("{}", text);
  }
  return any ? kWouldChange : 0;
}

Result<void> write(const File& file, const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return fail(fmt::format("--out {}: {}", folder.string(), failed.message()));
  std::string path = (folder / file.name).string(), partial = path + ".partial";
  std::FILE* out = std::fopen(partial.c_str(), "wb");
  if (out == nullptr) return fail(fmt::format("{}: cannot be written", path));
  bool whole = std::fwrite(file.text.data(), 1, file.text.size(), out) == file.text.size();
  whole = std::fclose(out) == 0 && whole;
  if (whole) std::filesystem::rename(partial, path, failed);
  if (!whole || failed) return fail(fmt::format("{}: cannot be written whole", path));
  fmt::print("{}\n", path);
  return {};
}

}  // namespace

int export_manifests(const ExportFlags& flags) {
  auto files = files_of(flags);
  if (!files) return report(files.error());
  if (flags.diff) return show_differences(*files, flags.out);
  if (!flags.out.empty()) {
    for (const File& file : *files) {
      if (auto written = write(file, flags.out); !written) return report(written.error());
    }
    return 0;
  }
  for (std::size_t i = 0; i < files->size(); ++i) {
    if (files->size() > 1) fmt::print("{}# {}\n", i == 0 ? "" : "---\n", (*files)[i].name);
    std::fwrite((*files)[i].text.data(), 1, (*files)[i].text.size(), stdout);
  }
  return 0;
}

}  // namespace tidegate::cli
