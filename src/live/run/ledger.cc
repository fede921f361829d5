#include "live/run/ledger.h"

#include <algorithm>

namespace tidegate::live {

void Ledger::set_model(const spec::Model& model) {
  for (const auto& variant : model.variants) {
    const double devices = static_cast<double>(variant.hardware.count) * variant.hardware.fraction;
    prices_[variant.name] = {.awake = {variant.cost_per_hour_dollars, devices},
                             .asleep = {spec::sleeper_cost_dollars(variant),
                                        spec::holds_device(variant.warm_pool) ? devices : 0}};
  }
}

void Ledger::settle(Instant now) {
  if (first_.is_never()) first_ = now;
  if (since_.is_never()) since_ = now;
  const double hours = to_seconds(now - since_) / 3600;
  since_ = now;
  for (const auto& [id, billed] : billed_) {
    const Price& price = price_of(billed);
    cost_dollars_ += hours * price.cost_per_hour_dollars;
    gpu_hours_ += hours * price.devices;
    (billed.asleep ? sleeper_hours_ : replica_hours_) += hours;
  }
}

void Ledger::replica(const ReplicaInfo& info, Instant now) {
  settle(now);
  using control::ReplicaState;
  if (info.state == ReplicaState::kGone) {
    billed_.erase(info.id);
  } else {
    // A failed one holds its device until it is gone.
    billed_[info.id] = {info.variant, info.state == ReplicaState::kSleeping};
  }
  const bool woke = info.stages.from == control::StartFrom::kSleeping;
  if (info.state == ReplicaState::kReady && (woke || !info.adopted) &&
      info.stages.total >= Duration(0)) {
    started(info.stages);
  }
  double rate = 0;
  std::int64_t awake = 0;
  for (const auto& [id, billed] : billed_) {
    rate += price_of(billed).cost_per_hour_dollars;
    awake += billed.asleep ? 0 : 1;
  }
  peak_rate_dollars_ = std::max(peak_rate_dollars_, rate);
  peak_ = std::max(peak_, awake);
}

void Ledger::started(const control::StageTimes& start) {
  if (start.from != control::StartFrom::kSleeping) {
    ++starts_;
    cold_start_.add(to_seconds(start.total));
  } else {
    ++wakes_;
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
