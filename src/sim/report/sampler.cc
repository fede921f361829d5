#include "sim/report/sampler.h"

#include <utility>

namespace tidegate::sim {

void Sampler::replica(const Change& change) {
  if (ready_by_variant_.size() <= change.variant) ready_by_variant_.resize(change.variant + 1);
  bool ready = change.state == control::ReplicaState::kReady;
  if (ready && ready_.emplace(change.id, change.variant).second) {
    ++ready_by_variant_[change.variant];
  } else if (!ready && ready_.erase(change.id) > 0) {
    --ready_by_variant_[change.variant];
  }
}

void Sampler::sample(const Sample& s) {
  Bucket one;
  one.from = last_.at;
  one.to = s.at;
  one.samples = 1;
  one.arrived = s.arrived_total - last_.arrived_total;
  one.ended = s.ended_total - last_.ended_total;
  one.met = s.met_total - last_.met_total;
  one.cost_dollars = s.cost_dollars;
  one.ready_sum = ready_by_variant_;
  if (s.at > last_.at) {
    one[Channel::kArrivals].add(static_cast<double>(one.arrived) / to_seconds(s.at - last_.at));
  }
  if (s.ttft_p99_seconds >= 0) one[Channel::kTtftP99].add(s.ttft_p99_seconds);
  one[Channel::kKvUsage].add(s.kv_usage);
  for (auto [channel, value] : {std::pair{Channel::kQueue, s.queued},
                                {Channel::kEngineWaiting, s.engine_waiting},
                                {Channel::kRunning, s.running},
                                {Channel::kOrdered, s.ordered},
                                {Channel::kStarting, s.starting},
                                {Channel::kReady, s.ready},
                                {Channel::kSleeping, s.sleeping},
                                {Channel::kDraining, s.draining},
                                {Channel::kDesired, s.desired}}) {
    one[channel].add(static_cast<double>(value));
  }
  series_.add(std::move(one));
  last_ = s;
}

}  // namespace tidegate::sim
