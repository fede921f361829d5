#include "sim/cluster.h"

#include <algorithm>

namespace tidegate::sim {

Cluster::Cluster(const workload::Faults& faults) {
  if (!faults.pools.empty() || !faults.stock_outs.empty()) {
    supply_ = std::make_shared<Supply>(faults);
  }
}

std::size_t Cluster::add(WorldOptions options) {
  options.supply = supply_;
  worlds_.emplace_back(std::move(options));
  return worlds_.size() - 1;
}

std::size_t Cluster::first() const {
  std::size_t best = worlds_.size();
  Instant at = Instant::never();
  for (std::size_t i = 0; i < worlds_.size(); ++i) {
    if (worlds_[i].next() < at) {
      at = worlds_[i].next();
      best = i;
    }
  }
  return best;
}

void Cluster::run_until(Instant to) {
  for (std::size_t i = first(); i < worlds_.size() && worlds_[i].next() <= to; i = first()) {
    worlds_[i].run_until(worlds_[i].next());
  }
}

void Cluster::offer(std::size_t world, const workload::TraceRequest& request) {
  if (supply_ && worlds_.size() > 1) run_until(Instant() + request.at);
  worlds_[world].offer(request);
}

void Cluster::drain() {
  if (!supply_ || worlds_.size() == 1) {
    for (World& world : worlds_) world.drain();
    return;
  }
  auto busy = [](const World& world) { return world.in_flight() > 0; };
  while (std::any_of(worlds_.begin(), worlds_.end(), busy)) {
    World& world = worlds_[first()];
    world.run_until(world.next());
  }
}

void Cluster::finish(Instant end) {
  if (supply_ && worlds_.size() > 1) run_until(end);
  for (World& world : worlds_) world.finish(end);
}

Instant Cluster::now() const {
  Instant now;
  for (const World& world : worlds_) now = std::max(now, world.now());
  return now;
}

}  // namespace tidegate::sim
