#include "live/run/spec_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "core/policy/policy.h"
#include "core/spec/validate.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using net::Level;

std::pair<std::int64_t, std::int64_t> stamp(const std::string& path) {
  struct stat s {};
  if (stat(path.c_str(), &s) != 0) return {0, -1};
  return {s.st_mtim.tv_sec * 1'000'000'000LL + s.st_mtim.tv_nsec, s.st_size};
}

/// What `run` refuses though it is legal: what a simulation alone can do.
Result<void> check_built(const spec::Model& model) {
  if (!policy::is_built(model.scaling.policy)) {
    return fail(fmt::format("model {}: policy {} is not built yet; there are {}", model.name,
                            token(model.scaling.policy), policy::built_policies()));
  }
  for (const auto& metric : model.scaling.metrics) {
    if (!metric.promql.empty() && !model.prometheus) {
      return fail(
          fmt::format("model {}: scaling.metrics has a promql and there is no Prometheus "
                      "to ask; add spec.prometheus.url",
                      model.name));
    }
  }
  for (const auto& variant : model.variants) {
    if (std::string why = spec::cannot_stand_by(variant); !why.empty()) {
      return fail(
          fmt::format("model {}, variant {}: warmPool.state: {}", model.name, variant.name, why));
    }
  }
  return {};
}

}  // namespace

Result<void> admit(format::LoadedModel& loaded, const std::vector<std::string>& profile_dirs) {
  if (auto built = check_built(loaded.model); !built) return fail(built.error());
  if (auto found = format::resolve_profiles(loaded, profile_dirs); !found) {
    return fail(found.error().within(loaded.file));
  }
  return {};
}

bool SpecFiles::changed() const {
  return std::any_of(stamps_.begin(), stamps_.end(),
                     [](const auto& entry) { return stamp(entry.first) != entry.second; });
}

Result<std::vector<format::LoadedModel>> SpecFiles::read() {
  std::vector<format::SpecFile> files;
  std::vector<const format::SpecFile*> views;
  std::vector<format::Diagnostic> diagnostics;
  if (paths_.empty()) return std::vector<format::LoadedModel>{};
  files.reserve(paths_.size());
  for (const auto& path : paths_) {
    stamps_[path] = stamp(path);
    files.push_back(format::load_spec_file(path));
    views.push_back(&files.back());
    diagnostics.insert(diagnostics.end(), files.back().diagnostics.begin(),
                       files.back().diagnostics.end());
  }
  const auto together = format::check_together(views);
  diagnostics.insert(diagnostics.end(), together.begin(), together.end());
  std::string errors;
  for (const auto& d : diagnostics) {
    if (d.severity == format::Severity::kError) {
      errors += (errors.empty() ? "" : "\n") + d.text();
    } else {
      net::log(Level::kWarn, d.text());
    }
  }
  if (!errors.empty()) return fail(errors);
  std::vector<format::LoadedModel> all;
  for (auto& file : files) {
    for (auto& model : file.models) all.push_back(std::move(model));
  }
  if (all.empty())
    return fail("no model in the files given: a file holds documents of kind: Model");
  for (auto& loaded : all) {
    if (auto done = admit(loaded, profile_dirs_); !done) return fail(done.error());
  }
  return all;
}

}  // namespace tidegate::live
