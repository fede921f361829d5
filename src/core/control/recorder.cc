#include "core/control/recorder.h"

#include <utility>

namespace tidegate::control {

void Recorder::decided(Decision decision, Instant now, std::vector<Action>& actions) {
  std::vector<std::int64_t> counts;
  for (const plan::VariantPlan& variant : decision.plan.variants) {
    counts.push_back(variant.replicas.value());
    counts.push_back(variant.asleep.value());
  }
  bool changed = changed_ || counts != counts_ || complete_ != decision.recommendation.complete;
  counts_ = std::move(counts);
  complete_ = decision.recommendation.complete;
  changed_ = false;
  if (!changed && now - last_ < kUnchangedRecordPeriod) {
    ++repeats_;
    return;
  }
  decision.sequence = next_sequence_++;
  last_ = now;
  actions.push_back(Record{std::move(decision), repeats_});
  repeats_ = 0;
}

}  // namespace tidegate::control
