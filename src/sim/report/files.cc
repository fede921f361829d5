#include "sim/report/files.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "sim/report/chrome_trace.h"
#include "sim/report/csv.h"
#include "sim/report/out_file.h"

namespace tidegate::sim {
namespace {

/// Tells each of several recorders.
class FanOut : public Recorder {
 public:
  void add(Recorder& to) { to_.push_back(&to); }
  void request(const RequestRecord& r) override {
    for (Recorder* to : to_) to->request(r);
  }
  void replica(Instant at, const Change& change) override {
    for (Recorder* to : to_) to->replica(at, change);
  }
  void decision(const control::Decision& d, std::int64_t repeats) override {
    for (Recorder* to : to_) to->decision(d, repeats);
  }
  void sample(const Sample& s) override {
    for (Recorder* to : to_) to->sample(s);
  }

 private:
  std::vector<Recorder*> to_;
};

struct Run {
  std::string policy;
  FanOut all;
  std::optional<RequestCsv> requests;
  std::optional<DecisionCsv> decisions;
  std::optional<TraceRecorder> trace;
  std::optional<SeriesRecorder> series;
};

}  // namespace

struct Files::State {
  RunInfo info;
  std::unique_ptr<OutFile> requests, decisions, chrome_trace, report;
  std::optional<ChromeTrace> trace;
  std::vector<std::unique_ptr<Run>> runs;
};

Files::Files(std::unique_ptr<State> state) : state_(std::move(state)) {}
Files::~Files() = default;

Result<std::unique_ptr<Files>> Files::open(const FilesAsked& asked, RunInfo info) {
  auto state = std::make_unique<State>();
  state->info = std::move(info);
  std::vector<const OutFile*> opened;
  for (auto [path, file] : {std::pair{&asked.requests, &state->requests},
                            {&asked.decisions, &state->decisions},
                            {&asked.chrome_trace, &state->chrome_trace},
                            {&asked.report, &state->report}}) {
    if (path->empty()) continue;
    auto created = OutFile::create(*path);
    if (!created) return fail(created.error());
    for (const OutFile* other : opened) {
      if (other->target() == (*created)->target()) {
        return fail("cannot write " + *path + ": asked for twice; give each file its own name");
      }
    }
    *file = std::move(*created);
    opened.push_back(file->get());
  }
  if (state->requests) state->requests->write(RequestCsv::header());
  if (state->decisions) state->decisions->write(DecisionCsv::header());
  if (state->chrome_trace) state->trace.emplace(*state->chrome_trace, state->info.program);
  return std::unique_ptr<Files>(new Files(std::move(state)));
}

Recorder* Files::recorder(const std::string& policy, const spec::Model& model) {
  State& s = *state_;
  auto run = std::make_unique<Run>();
  run->policy = policy;
  if (s.requests) run->all.add(run->requests.emplace(*s.requests, policy, model.name));
  if (s.decisions) run->all.add(run->decisions.emplace(*s.decisions, policy, model.name));
  if (s.trace) run->all.add(run->trace.emplace(*s.trace, policy, model));
  if (s.report) run->all.add(run->series.emplace(model));
  if (!s.requests && !s.decisions && !s.trace && !s.report) return nullptr;
  return &s.runs.emplace_back(std::move(run))->all;
}

Result<void> Files::finish(const nlohmann::ordered_json& results) {
  State& s = *state_;
  if (s.trace) {
    for (auto& run : s.runs) run->trace->end();
    s.trace->end();
  }
  if (s.report) {
    std::vector<ReportRun> runs;
    for (auto& run : s.runs) runs.push_back({run->policy, &*run->series});
    s.report->write(report_html(s.info, results, runs));
  }
  for (OutFile* file :
       {s.requests.get(), s.decisions.get(), s.chrome_trace.get(), s.report.get()}) {
    if (file == nullptr) continue;
    if (auto done = file->commit(); !done) return done;
  }
  return {};
}

}  // namespace tidegate::sim
