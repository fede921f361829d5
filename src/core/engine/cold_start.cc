#include "core/engine/cold_start.h"

#include <algorithm>
#include <cstddef>

namespace tidegate::engine {
namespace {
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
}  // namespace

Duration draw(const spec::Spread& spread, Rng& rng) {
  if (!spread.samples.empty()) {
    return spread.samples[static_cast<std::size_t>(rng.below(spread.samples.size()))];
  }
  if (spread.p50.count() <= 0 || spread.p90 <= spread.p50) return std::max(spread.p50, Duration(0));
  return seconds_f(rng.lognormal_p50_p90(to_seconds(spread.p50), to_seconds(spread.p90)));
}

StartDraw draw_start(const spec::ColdStart& cold, const spec::NodeState& node, Rng& rng) {
  // Every stage is drawn, also one this node skips: what a node has cached must not shift the draws
  // of the stages and starts after it.
  StartDraw start;
  Duration procurement = draw(cold.procurement, rng);
  Duration image = draw(cold.image, rng);
  Duration weights = cold.weights.time ? draw(*cold.weights.time, rng) : Duration(0);
  Duration engine = draw(cold.engine, rng);
  Duration engine_cached = cold.engine_cached ? draw(*cold.engine_cached, rng) : engine;
  start.procurement = node.node_exists ? Duration(0) : procurement;
  start.image = node.image_cached ? Duration(0) : image;
  start.engine = node.engine_cached ? engine_cached : engine;
  start.source = cold.weights.from;
  if (cold.weights.time) {
    start.weights = weights;
    return start;
  }
  if (cold.weights.from == spec::WeightSource::kImage) return start;
  start.weight_bytes = std::max<std::int64_t>(0, cold.weights.bytes);
  bool own_bandwidth = cold.weights.bandwidth_bytes_per_second.has_value();
  if (node.weights_cached && start.source != spec::WeightSource::kNvme) {
    start.source = spec::WeightSource::kNvme;
    own_bandwidth = false;  // the one given is that of the source it no longer comes from
  }
  start.source_bandwidth_bytes_per_second = own_bandwidth ? *cold.weights.bandwidth_bytes_per_second
                                                          : spec::default_bandwidth(start.source);
  return start;
}

StartDraw draw_wake(const spec::Variant& variant, Rng& rng) {
  const spec::PoolState state = variant.warm_pool.state;
  if (!spec::engine_sleeps(state)) {
    return draw_start(variant.cold_start, spec::standby_node(state), rng);
  }
  StartDraw wake;
  if (const spec::Spread* time = spec::engine_wake(variant)) wake.engine = draw(*time, rng);
  return wake;
}

void SharedBandwidth::start(ReplicaId id, std::int64_t bytes, Instant now) {
  settle(now);
  serve_until(now);
  loads_.push_back({id, __int128{std::max<std::int64_t>(0, bytes)} * kNanosPerSecond});
}

void SharedBandwidth::cancel(ReplicaId id, Instant now) {
  settle(now);
  serve_until(now);
  std::erase_if(loads_, [id](const Load& load) { return load.id == id; });
  std::erase_if(completed_, [id](const Completion& done) { return done.id == id; });
}

Instant SharedBandwidth::next_event() const {
  return completed_.empty() ? next_completion() : completed_.front().at;
}

void SharedBandwidth::advance(Instant now, std::vector<ReplicaId>& done) {
  settle(now);
  for (const Completion& completion : completed_) done.push_back(completion.id);
  completed_.clear();
}

Instant SharedBandwidth::next_completion() const {
  if (loads_.empty()) return Instant::never();
  __int128 least = loads_.front().left;
  for (const Load& load : loads_) least = std::min(least, load.left);
  if (least <= 0) return last_;
  if (rate_ < 1) return Instant::never();
  __int128 wait = (least * static_cast<std::int64_t>(loads_.size()) + rate_ - 1) / rate_;
  if (wait > Duration::max().count()) return Instant::never();
  return last_ + Duration(static_cast<std::int64_t>(wait));
}

void SharedBandwidth::serve_until(Instant to) {
  if (to <= last_) return;
  if (!loads_.empty() && rate_ > 0) {
    auto count = static_cast<std::int64_t>(loads_.size());
    __int128 served = __int128{(to - last_).count()} * rate_;
    __int128 odd = served % count;  // goes to the oldest loads, one unit each: nothing is lost
    for (Load& load : loads_) {
      load.left -= served / count + (odd > 0 ? 1 : 0);
      --odd;
    }
  }
  last_ = to;
}

void SharedBandwidth::settle(Instant now) {
  for (Instant at = next_completion(); !at.is_never() && at <= now; at = next_completion()) {
    serve_until(at);
    auto first = static_cast<std::ptrdiff_t>(completed_.size());
    std::erase_if(loads_, [&](const Load& load) {
      if (load.left > 0) return false;
      completed_.push_back({at, load.id});
      return true;
    });
    std::sort(completed_.begin() + first, completed_.end());
  }
}

}  // namespace tidegate::engine
