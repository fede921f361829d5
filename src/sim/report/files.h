#pragma once
// Files: what `tidegate simulate` writes beside its table: CSV of requests, CSV of decisions, a
// Chrome trace, an HTML report. Any of them, for any number of policies and models.
//
//   auto files = Files::open({.requests = "r.csv", .report = "out.html"}, info);
//   if (!files) return report(files.error());           // before anything is simulated
//   World world({.model = model, .recorder = (*files)->recorder("keda:5", model)});
//   ...
//   if (auto done = (*files)->finish(results); !done) return report(done.error());
//
// Every file is written beside its place as FILE.part and put there by finish(); without it nothing
// is left. Memory is bounded for each recorder (6 MB or less). Thread-safety: one owner; recorders
// are called from one thread at a time.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/spec/model.h"
#include "sim/recorder.h"
#include "sim/report/html.h"

namespace tidegate::sim {

/// Paths; empty: not wanted.
struct FilesAsked {
  std::string requests, decisions, chrome_trace, report;
  bool any() const {
    return !requests.empty() || !decisions.empty() || !chrome_trace.empty() || !report.empty();
  }
};

class Files {
 public:
  /// Errors: a path that cannot be written, or is asked for twice.
  static Result<std::unique_ptr<Files>> open(const FilesAsked& asked, RunInfo info);
  ~Files();

  /// For one policy on one model, as long as the Files live. Null where nothing is wanted.
  Recorder* recorder(const std::string& policy, const spec::Model& model);
  /// Once, when every world has ended. `results`: the array `--format json` prints as results.
  Result<void> finish(const nlohmann::ordered_json& results);

 private:
  struct State;
  explicit Files(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::sim
