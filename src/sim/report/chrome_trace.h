#pragma once
// Chrome trace: a simulation as trace events, for ui.perfetto.dev and chrome://tracing.
//
//   ChromeTrace trace(file, "tidegate 0.1.0");
//   TraceRecorder recorder(trace, "keda:5", model);
//   ...; recorder.end(); trace.end();
//
// A process per policy (and model); in it a track of decisions that changed a number, a track per
// replica with ordered, procurement, image, weights, engine, ready, draining, counters, and
// requests as async spans (wait, prefill, decode). Timestamps are microseconds from the start of
// the trace. Bounded, per recorder: replica tracks, decisions and requests by the constants below
// (of the requests: the first kTraceRequests, then the next kTraceRequests that missed their SLO),
// counters by kTraceBuckets points each: the most within a bucket of samples, so peaks stay. What
// was left out is counted in the process's labels. Format: "Trace Event Format", Google, 2016.
// Thread-safety: that of the world.

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/spec/model.h"
#include "sim/recorder.h"
#include "sim/report/out_file.h"
#include "sim/report/sampler.h"
#include "sim/report/start_log.h"

namespace tidegate::sim {

inline constexpr std::size_t kTraceBuckets = 4'096;
inline constexpr std::int64_t kTraceRequests = 2'500;
inline constexpr std::int64_t kTraceReplicas = 4'000;
inline constexpr std::int64_t kTraceDecisions = 20'000;

/// The file as a whole.
class ChromeTrace {
 public:
  ChromeTrace(OutFile& file, const std::string& program);
  void event(const nlohmann::ordered_json& event);
  /// The number of a new process.
  std::int64_t process() { return ++processes_; }
  void end();

 private:
  OutFile& file_;
  bool first_ = true;
  std::int64_t processes_ = 0;
};

class TraceRecorder : public Recorder {
 public:
  TraceRecorder(ChromeTrace& trace, const std::string& policy, const spec::Model& model);

  void request(const RequestRecord& record) override;
  void replica(Instant at, const Change& change) override;
  void decision(const control::Decision& decision, std::int64_t repeats) override;
  void sample(const Sample& sample) override;
  /// Counters, and what is still open at the last instant told of.
  void end();

 private:
  struct Life {
    std::size_t variant = 0;
    control::ReplicaState state = control::ReplicaState::kReady;
    Instant since;
  };
  void span(ReplicaId id, std::string_view name, Instant from, Instant to);
  void start_spans(const StartRow& start);
  void close(ReplicaId id, Life& life, Instant at);
  bool shown(ReplicaId id, std::size_t variant);
  void counters();
  void see(Instant at) {
    if (at > last_) last_ = at;
  }

  ChromeTrace& trace_;
  std::vector<std::string> variants_;
  std::int64_t pid_;
  Sampler sampler_;
  StartLog log_;
  std::map<ReplicaId, Life> lives_;  ///< ready, sleeping or draining, of the shown
  Instant last_;
  std::int64_t planned_ = -1;
  std::int64_t requests_ = 0, missed_ = 0, requests_left_ = 0;
  std::int64_t replicas_ = 0, replicas_left_ = 0;
  std::int64_t decisions_ = 0, decisions_left_ = 0;
};

}  // namespace tidegate::sim
