#pragma once
// SeriesRecorder: what the report shows of one policy on one model, in bounded memory on a trace of
// any length.
//
//   SeriesRecorder seen(model);
//   World world({.model = model, .recorder = &seen});
//   seen.series().buckets(); seen.starts().kept(); seen.reasons();
//
// Time series are Buckets (sim/report/series.h), starts and moves are Thinned: a peak, the slowest
// start and the largest move are always there. Sketches have 0.5 % relative error. Thread-safety:
// that of the world.

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "core/engine/capacity.h"
#include "core/spec/model.h"
#include "core/workload/workload.h"
#include "sim/recorder.h"
#include "sim/report/sampler.h"
#include "sim/report/start_log.h"
#include "sim/report/thinned.h"

namespace tidegate::sim {

inline constexpr std::size_t kReportBuckets = 600;
inline constexpr std::size_t kReportStarts = 160;
inline constexpr std::size_t kReportMoves = 240;

/// A decision that changed the number of replicas.
struct Move {
  Instant at;
  std::int64_t before = 0, after = 0;
  ReasonCode code = ReasonCode::kNoChange;  ///< that bound
};

/// What one reason did over the run.
struct ReasonTally {
  std::int64_t decisions = 0;            ///< it was given in
  std::int64_t bound = 0;                ///< decisions it decided
  std::int64_t raised = 0, lowered = 0;  ///< replicas, summed over decisions
};

/// How long a stage took in the starts that became ready, seconds.
struct StageTally {
  workload::Sketch sketch;
  double most = 0;
  void add(Duration took);
};

class SeriesRecorder : public Recorder {
 public:
  explicit SeriesRecorder(const spec::Model& model);

  void request(const RequestRecord& record) override;
  void replica(Instant at, const Change& change) override;
  void decision(const control::Decision& decision, std::int64_t repeats) override;
  void sample(const Sample& sample) override;

  const spec::Model& model() const { return model_; }
  const Series& series() const { return sampler_.series(); }
  const Thinned<StartRow>& starts() const { return starts_; }
  std::int64_t given_up() const { return given_up_; }
  const Thinned<Move>& moves() const { return moves_; }
  /// "procurement", "image", "weights", "engine", "total" in this order.
  const std::vector<StageTally>& stages() const { return stages_; }
  const std::map<ReasonCode, ReasonTally>& reasons() const { return reasons_; }
  std::int64_t decisions() const { return decisions_; }
  /// Of the requests that completed, prompts net of what was cached; zeros where none did.
  engine::LengthMoments lengths() const;
  /// What a ready replica of each variant sustains at those lengths within the ITL bound,
  /// requests/s: no queue, no percentile (core/engine/capacity.h). Empty where none completed.
  std::vector<double> sustained() const;

 private:
  spec::Model model_;
  Sampler sampler_;
  StartLog log_;
  Thinned<StartRow> starts_;
  Thinned<Move> moves_;
  std::vector<StageTally> stages_;
  std::map<ReasonCode, ReasonTally> reasons_;
  std::vector<ReasonCode> last_codes_;  ///< of the last decision, for its repeats
  ReasonCode last_bound_ = ReasonCode::kNoChange;
  std::int64_t decisions_ = 0, given_up_ = 0;
  std::int64_t planned_ = -1;  ///< replicas, by the last decision
  std::int64_t adopted_ = 0;
  std::int64_t completed_ = 0;
  engine::LengthMoments sums_;
};

}  // namespace tidegate::sim
