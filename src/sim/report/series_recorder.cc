#include "sim/report/series_recorder.h"

#include <algorithm>
#include <cstdlib>

#include "sim/report/decision_text.h"
#include "sim/sizing.h"

namespace tidegate::sim {
namespace {

constexpr std::size_t kStages = 5;

}  // namespace

void StageTally::add(Duration took) {
  if (took < Duration(0)) return;
  sketch.add(to_seconds(took));
  most = std::max(most, to_seconds(took));
}

SeriesRecorder::SeriesRecorder(const spec::Model& model)
    : model_(model),
      sampler_(kReportBuckets),
      starts_(kReportStarts,
              [](const StartRow& a, const StartRow& b) { return a.total() < b.total(); }),
      moves_(kReportMoves,
             [](const Move& a, const Move& b) {
               return std::abs(a.after - a.before) < std::abs(b.after - b.before);
             }),
      stages_(kStages) {}

void SeriesRecorder::request(const RequestRecord& r) {
  if (r.ending != workload::Ending::kCompleted) return;
  ++completed_;
  auto prompt = static_cast<double>(std::max<std::int64_t>(1, r.prompt_tokens - r.cached_tokens));
  auto output = static_cast<double>(r.output_tokens);
  sums_.prompt += prompt;
  sums_.output += output;
  sums_.prompt_squared += prompt * prompt;
  sums_.prompt_output += prompt * output;
  sums_.output_squared += output * output;
}

void SeriesRecorder::replica(Instant at, const Change& change) {
  sampler_.replica(change);
  if (change.adopted && change.state == control::ReplicaState::kReady) ++adopted_;
  auto start = log_.change(at, change);
  if (!start) return;
  if (start->ready) {
    const control::StageTimes& s = start->stages;
    Duration took[kStages] = {s.procurement, s.image, s.weights, s.engine, start->total()};
    for (std::size_t i = 0; i < kStages; ++i) stages_[i].add(took[i]);
  } else {
    ++given_up_;
  }
  starts_.add(*start);
}

void SeriesRecorder::decision(const control::Decision& d, std::int64_t repeats) {
  if (decisions_ > 0) {
    // What was left out said the same as the last that was told.
    for (ReasonCode code : last_codes_) reasons_[code].decisions += repeats;
    if (!last_codes_.empty()) reasons_[last_bound_].bound += repeats;
  }
  decisions_ += repeats + 1;
  last_codes_.clear();
  for (const Reason& reason : d.reasons) {
    ReasonTally& tally = reasons_[reason.code];
    std::int64_t change = reason.after - reason.before;
    (change > 0 ? tally.raised : tally.lowered) += std::abs(change);
    if (std::find(last_codes_.begin(), last_codes_.end(), reason.code) == last_codes_.end()) {
      last_codes_.push_back(reason.code);
      ++tally.decisions;
    }
  }
  if (const Reason* bound = binding_reason(d.reasons)) {
    last_bound_ = bound->code;
    ++reasons_[bound->code].bound;
  }
  std::int64_t before = planned_ < 0 ? adopted_ : planned_;
  planned_ = planned_total(d.plan);
  if (planned_ != before) {
    moves_.add({.at = d.at, .before = before, .after = planned_, .code = last_bound_});
  }
}

void SeriesRecorder::sample(const Sample& sample) { sampler_.sample(sample); }

engine::LengthMoments SeriesRecorder::lengths() const {
  engine::LengthMoments mean = sums_;
  if (completed_ == 0) return mean;
  for (double* sum : {&mean.prompt, &mean.output, &mean.prompt_squared, &mean.prompt_output,
                      &mean.output_squared}) {
    *sum /= static_cast<double>(completed_);
  }
  return mean;
}

std::vector<double> SeriesRecorder::sustained() const {
  std::vector<double> each;
  if (completed_ == 0) return each;
  for (const spec::Variant& variant : model_.variants) {
    each.push_back(
        engine::capacity_of(variant.profile, engine::limits_of(model_, variant), lengths())
            .requests_per_second);
  }
  return each;
}

}  // namespace tidegate::sim
