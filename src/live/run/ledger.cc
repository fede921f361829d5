#include "live/run/ledger.h"

#include <algorithm>

namespace tidegate::live {

void Ledger::set_model(const spec::Model& model) {
  for (const auto& variant : model.variants) {
    prices_[variant.name] = {
        variant.cost_per_hour_dollars,
        static_cast<double>(variant.hardware.count) * variant.hardware.fraction};
  }
}

void Ledger::settle(Instant now) {
  if (first_.is_never()) first_ = now;
  if (since_.is_never()) since_ = now;
  const double hours = to_seconds(now - since_) / 3600;
  since_ = now;
  for (const auto& [id, variant] : billed_) {
    const Price& price = prices_[variant];
    cost_dollars_ += hours * price.cost_per_hour_dollars;
    gpu_hours_ += hours * price.devices;
    replica_hours_ += hours;
  }
}

void Ledger::replica(const ReplicaInfo& info, Instant now) {
  settle(now);
  using control::ReplicaState;
  if (info.state == ReplicaState::kGone) {
    billed_.erase(info.id);
  } else {
    billed_[info.id] = info.variant;  // a failed one holds its device until it is gone
  }
  const bool woke = info.stages.from == control::StartFrom::kSleeping;
  if (info.state == ReplicaState::kReady && (woke || !info.adopted) &&
      info.stages.total >= Duration(0)) {
    started(info.stages);
  }
  double rate = 0;
  for (const auto& [id, variant] : billed_) rate += prices_[variant].cost_per_hour_dollars;
  peak_rate_dollars_ = std::max(peak_rate_dollars_, rate);
  peak_ = std::max(peak_, static_cast<std::int64_t>(billed_.size()));
}

void Ledger::started(const control::StageTimes& start) {
  if (start.from != control::StartFrom::kSleeping) {
    ++starts_;
    cold_start_.add(to_seconds(start.total));
  }
  for (std::size_t i = 0; i < control::kStartStages; ++i) {
    const auto stage = static_cast<control::StartStage>(i);
    const Duration time = control::time_of(start, stage);
    if (time < Duration(0)) continue;  // nobody saw it
    StageHistogram& seen = stages_[{start.from, stage}];
    const double took = to_seconds(time);
    seen.sum_seconds += took;
    auto bucket = std::lower_bound(kColdStartBounds.begin(), kColdStartBounds.end(), took);
    ++seen.counts[static_cast<std::size_t>(bucket - kColdStartBounds.begin())];
  }
}

double Ledger::fixed_at_peak_dollars(Instant now) const {
  return first_.is_never() ? 0 : peak_rate_dollars_ * to_seconds(now - first_) / 3600;
}

}  // namespace tidegate::live
