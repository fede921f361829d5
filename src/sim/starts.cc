#include "sim/starts.h"

#include <algorithm>
#include <optional>
#include <string>

#include "core/base/check.h"

namespace tidegate::sim {
namespace {

bool takes_time(const spec::Spread& spread) {
  return spread.p50 > Duration(0) ||
         std::any_of(spread.samples.begin(), spread.samples.end(),
                     [](Duration sample) { return sample > Duration(0); });
}

bool shared(spec::WeightSource source) {
  return source == spec::WeightSource::kHub || source == spec::WeightSource::kObjectStore ||
         source == spec::WeightSource::kDatacentre;
}

/// Time to move bytes alone, rounded up to a whole nanosecond; nothing comes of no bandwidth.
Duration transfer(std::int64_t bytes, std::int64_t bytes_per_second) {
  if (bytes <= 0) return Duration(0);
  if (bytes_per_second < 1) return Duration::max();
  __int128 ns =
      (__int128{bytes} * 1'000'000'000 + bytes_per_second - 1) / __int128{bytes_per_second};
  return ns > Duration::max().count() ? Duration::max() : Duration(static_cast<std::int64_t>(ns));
}

control::StartFrom found_on(const spec::NodeState& node) {
  if (node.node_exists == 0) return control::StartFrom::kNoNode;
  return node.weights_cached == 0 ? control::StartFrom::kCold : control::StartFrom::kCachedWeights;
}

}  // namespace

Starts::Starts(const spec::Model& model, std::uint64_t seed, std::shared_ptr<Supply> supply,
               double failures)
    : supply_(std::move(supply)), failures_(failures) {
  if (supply_) owner_ = supply_->join(model);
  for (const spec::Variant& variant : model.variants) {
    pools_.push_back({.variant = variant,
                      .rng = Rng(seed, "cold-start/" + variant.name),
                      .failure = Rng(seed, "start-failure/" + variant.name),
                      .wakes = Rng(seed, "wake/" + variant.name),
                      .procured = takes_time(variant.cold_start.procurement),
                      .nodes = {}});
  }
}

Starts::Place Starts::take_node(std::size_t variant) {
  Pool& pool = pools_[variant];
  std::size_t slot = 0;
  while (slot < pool.nodes.size() && pool.nodes[slot].taken) ++slot;
  if (slot == pool.nodes.size()) {
    pool.nodes.push_back(
        {.state = {.node_exists = pool.procured ? std::uint8_t{0} : std::uint8_t{1}}});
  }
  pool.nodes[slot].taken = true;
  return {variant, slot};
}

void Starts::begin(ReplicaId id, std::size_t variant, Instant now) {
  TIDEGATE_CHECK(!places_.contains(id));
  Place place = take_node(variant);
  places_.emplace(id, place);
  Pool& pool = pools_[variant];
  Start start;
  start.draw = engine::draw_start(pool.variant.cold_start, node(place).state, pool.rng);
  start.stages.from = found_on(node(place).state);
  start.fails = failures_ > 0 && pool.failure.uniform() < failures_;
  start.ordered = now;
  Start& kept = starts_.emplace(id, start).first->second;
  enter(id, kept, Stage::kProcurement, now);
  find_next();
}

void Starts::adopt(ReplicaId id, std::size_t variant) {
  Place place = take_node(variant);
  places_.emplace(id, place);
  node(place).state = {1, 1, 1, 1};
  if (supply_) supply_->adopt(owner_, id, variant);
}

void Starts::sleep(ReplicaId id, Instant now) {
  const Place& place = places_.at(id);
  const spec::WarmPool& standby = pools_[place.variant].variant.warm_pool;
  node(place).state = spec::standby_node(standby.state);
  if (supply_ && !spec::holds_device(standby)) supply_->free(owner_, id, now);
}

void Starts::wake(ReplicaId id, Instant now) {
  Pool& pool = pools_[places_.at(id).variant];
  Start start;
  start.draw = engine::draw_wake(pool.variant, pool.wakes);
  start.stages.from = control::StartFrom::kSleeping;
  start.hold = spec::holds_device(pool.variant.warm_pool) ? Hold::kGranted : Hold::kUnasked;
  start.ordered = now;
  Start& kept = starts_.emplace(id, start).first->second;
  enter(id, kept, Stage::kProcurement, now);
  find_next();
}

void Starts::release(ReplicaId id, Instant now) {
  auto found = places_.find(id);
  TIDEGATE_CHECK(found != places_.end());
  Node& freed = node(found->second);
  freed.taken = false;
  if (pools_[found->second.variant].procured) freed.state = {.node_exists = 0};
  places_.erase(found);
  if (starts_.erase(id) > 0) {
    for (auto& [key, source] : sources_) source.cancel(id, now);
    find_next();
  }
  if (supply_) supply_->free(owner_, id, now);
}

std::int64_t Starts::granted(std::size_t variant) const {
  if (supply_) return supply_->granted(owner_, variant);
  return std::count_if(places_.begin(), places_.end(),
                       [&](const auto& place) { return place.second.variant == variant; });
}

void Starts::enter(ReplicaId id, Start& start, Stage stage, Instant now) {
  start.stage = stage;
  start.since = now;
  const engine::StartDraw& draw = start.draw;
  switch (stage) {
    case Stage::kProcurement:
      start.ends = now + draw.procurement;
      return;
    case Stage::kImage:
      start.ends = now + draw.image;
      return;
    case Stage::kWeights:
      if (draw.weight_bytes > 0 && shared(draw.source)) {
        std::int64_t rate = draw.source_bandwidth_bytes_per_second;
        auto source = sources_.try_emplace({draw.source, rate}, rate).first;
        source->second.start(id, draw.weight_bytes, now);
        start.ends = Instant::never();
      } else if (draw.weight_bytes > 0) {
        start.ends = now + transfer(draw.weight_bytes, draw.source_bandwidth_bytes_per_second);
      } else {
        start.ends = now + draw.weights;
      }
      return;
    case Stage::kEngine:
      start.ends = now + draw.engine;
      return;
    case Stage::kReady:
      start.ends = Instant::never();
      return;
  }
}

/// Books the time of the stage that ends and what it leaves on the node.
void Starts::leave_stage(ReplicaId id, Start& start) {
  spec::NodeState& left = node(places_.at(id)).state;
  Duration took = start.ends - start.since;
  switch (start.stage) {
    case Stage::kProcurement:
      start.stages.procurement = took;
      left.node_exists = 1;
      return;
    case Stage::kImage:
      start.stages.image = took;
      left.image_cached = 1;
      return;
    case Stage::kWeights:
      start.stages.weights = took;
      left.weights_cached = 1;
      return;
    case Stage::kEngine:
      start.stages.engine = took;
      start.stages.total = start.ends - start.ordered;
      left.engine_cached = 1;
      return;
    case Stage::kReady:
      return;
  }
}

void Starts::advance(Instant now, std::vector<Started>& out) {
  for (Instant at = next_event(); at <= now && !at.is_never(); at = next_event()) step(at, out);
}

/// Its node is procured and there is no device for it: procurement goes on until there is.
bool Starts::held_back(ReplicaId id, Start& start, Instant at, std::vector<Started>& out) {
  if (!supply_ || start.stage != Stage::kProcurement || start.hold == Hold::kGranted) return false;
  if (supply_->claim(owner_, id, places_.at(id).variant, at)) {
    start.hold = Hold::kGranted;
    return false;
  }
  start.hold = Hold::kWaits;
  start.ends = Instant::never();
  out.push_back({id, StartStep::kBlocked, at, start.stages});
  return true;
}

void Starts::step(Instant at, std::vector<Started>& out) {
  for (auto& [key, source] : sources_) {
    loaded_.clear();
    source.advance(at, loaded_);
    for (ReplicaId id : loaded_) {
      if (auto start = starts_.find(id); start != starts_.end()) start->second.ends = at;
    }
  }
  if (supply_) {
    granted_.clear();
    supply_->advance(owner_, at, granted_);
    for (ReplicaId id : granted_) {
      Start& start = starts_.at(id);
      start.hold = Hold::kGranted;
      start.ends = at;
    }
  }
  for (auto it = starts_.begin(); it != starts_.end();) {
    auto& [id, start] = *it;
    while (start.ends <= at && !start.ends.is_never()) {
      if (held_back(id, start, at, out)) break;
      leave_stage(id, start);
      if (start.stage == Stage::kProcurement) {
        out.push_back({id, StartStep::kGranted, at, start.stages});
      }
      enter(id, start, static_cast<Stage>(static_cast<int>(start.stage) + 1), at);
    }
    if (start.stage == Stage::kReady) {
      out.push_back({id, start.fails ? StartStep::kFailed : StartStep::kReady, at, start.stages});
      it = starts_.erase(it);
    } else {
      ++it;
    }
  }
  find_next();
}

void Starts::find_next() {
  next_ = Instant::never();
  for (const auto& [id, start] : starts_) next_ = std::min(next_, start.ends);
  for (const auto& [key, source] : sources_) next_ = std::min(next_, source.next_event());
}

}  // namespace tidegate::sim
