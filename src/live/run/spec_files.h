#pragma once
// SpecFiles: the models of the files given with -f, loaded again when one of them changes.
//
//   SpecFiles files(paths, profile_dirs);
//   if (auto done = files.load(); !done) report(done.error());
//   if (files.changed()) files.load();      // an error keeps what was loaded before
//
// Thread-safety: one owner.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "format/spec_yaml.h"

namespace tidegate::live {

/// Completes a sound model with its profiles; an error says what this build cannot run.
Result<void> admit(format::LoadedModel& loaded, const std::vector<std::string>& profile_dirs);

class SpecFiles {
 public:
  SpecFiles(std::vector<std::string> paths, std::vector<std::string> profile_dirs)
      : paths_(std::move(paths)), profile_dirs_(std::move(profile_dirs)) {}

  /// Reads all of them. An error lists every fault; warnings go to the log.
  Result<std::vector<format::LoadedModel>> read();
  void take(std::vector<format::LoadedModel> models) { models_ = std::move(models); }
  const std::vector<format::LoadedModel>& models() const { return models_; }
  bool empty() const { return paths_.empty(); }
  /// A file is another than when it was read.
  bool changed() const;

 private:
  std::vector<std::string> paths_, profile_dirs_;
  std::vector<format::LoadedModel> models_;
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> stamps_;  ///< mtime ns, size
};

}  // namespace tidegate::live
