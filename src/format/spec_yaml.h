#pragma once
// Spec files: YAML (several documents, the same shape as a Kubernetes manifest) -> core/spec
// values.
//
//   SpecFile file = load_spec(text, "model.yaml");
//   for (auto& d : file.diagnostics) print(d.text());     // file:line:column: error: ...
//   if (file.ok()) use(file.models);
//
// By the option table of core/spec/options.h. Unknown keys, wrong units and contradictions are
// errors with position, accepted range and a suggestion; legal but unwise settings are warnings.
// Nothing half-applied: a file with an error yields no models. Never throws.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/engine/profile.h"
#include "core/spec/model.h"
#include "core/spec/options.h"
#include "format/spec_tree.h"

namespace tidegate::format {

enum class Severity : std::uint8_t { kError, kWarning };
struct Diagnostic {
  Severity severity = Severity::kError;
  std::string file;
  int line = 0, column = 0;  ///< from 1; 0: the file as a whole
  std::string message;
  std::string text() const;  ///< "model.yaml:12:7: error: ..."
};

struct LoadedModel {
  spec::Model model;
  std::string file;  ///< as named to load_spec
  /// The document alone, as written; then what it needs away from its directory: p50 and p90 of its
  /// samples files, the profiles it was resolved to.
  std::string yaml;
  std::uint64_t hash = 0;  ///< xxh3 of `yaml`
  /// Where each key that was given stands, by path ("spec.variants[0].maxReplicas"): its value.
  std::map<std::string, Position> positions;
};

struct SpecFile {
  std::vector<LoadedModel> models;
  std::vector<Diagnostic> diagnostics;
  bool ok() const;
};

/// Reads no file: {samples: FILE} is an error here.
SpecFile load_spec(std::string_view text, std::string_view filename);
/// Finds the profile of every variant; the document then carries those that are not built in, so
/// that a journal or tape can run its decisions again wherever it is read. Error: none of that
/// name.
Result<void> resolve_profiles(LoadedModel& loaded, const std::vector<std::string>& directories);
/// A document as a journal or tape keeps it, away from its directory: {samples: FILE} is their p50
/// and p90, all that decisions look at; whoever draws cold starts must not use this.
SpecFile load_recorded_spec(std::string_view text, std::string_view filename);
/// Reads the file too, and what it refers to; an unreadable file is a Diagnostic.
SpecFile load_spec_file(const std::string& path);
/// The same of `text`, read from `path`; a document of kind Scenario is left to format/scenario.h.
SpecFile load_models_beside_scenario(std::string_view text, const std::string& path);
/// Names used by two models of different files, as errors at the place of the later one.
std::vector<Diagnostic> check_together(const std::vector<const SpecFile*>& files);

/// A policy with its main knob, as in a spec or after --policy: "static:4", "keda:5",
/// "oracle:0.99".
Result<spec::PolicyChoice> parse_policy(std::string_view text);

/// A profile by name (built in, or NAME.yaml in `directories`) or by path to a .yaml file.
Result<engine::Profile> load_profile(const std::string& name,
                                     const std::vector<std::string>& directories);
/// Where profiles are looked for: $TIDEGATE_PROFILES, ./profiles, beside the binary,
/// /usr/share/tidegate.
std::vector<std::string> profile_directories();

/// "1.5s", "300ms", "5m", "2h", "7d"; "256MiB", "27GB"; "1.5GB/s". Errors name the accepted form.
Result<Duration> parse_duration(std::string_view text);
Result<std::int64_t> parse_bytes(std::string_view text);
Result<std::int64_t> parse_bandwidth(std::string_view text);
std::string format_duration(Duration d);  ///< shortest exact: "90s" -> "1m30s"

}  // namespace tidegate::format
