#include "sim/supply.h"

#include <algorithm>
#include <string>

namespace tidegate::sim {
namespace {

bool names(const std::string& pattern, const std::string& name) {
  return pattern.empty() || pattern == name;
}

}  // namespace

Supply::Supply(const workload::Faults& faults) : named_(faults.pools), outs_(faults.stock_outs) {
  for (const workload::DevicePool& pool : named_) pools_.push_back({.devices = pool.devices});
}

std::size_t Supply::join(const spec::Model& model) {
  std::vector<Line> lines;
  for (const spec::Variant& variant : model.variants) {
    Line line{.devices = variant.hardware.count};
    for (std::size_t i = 0; i < named_.size(); ++i) {
      if (named_[i].accelerator == variant.hardware.accelerator) {
        line.pool = static_cast<std::ptrdiff_t>(i);
      }
    }
    for (const workload::StockOut& out : outs_) {
      if (names(out.model, model.name) && names(out.variant, variant.name)) {
        line.outs.push_back(out);
      }
    }
    lines.push_back(std::move(line));
  }
  owners_.push_back(std::move(lines));
  return owners_.size() - 1;
}

bool Supply::in_stock(const Line& line, Instant now) const {
  return std::all_of(line.outs.begin(), line.outs.end(), [&](const workload::StockOut& out) {
    return now < fault_time(out.from) || now >= fault_time(out.until) ||
           line.granted < out.replicas;
  });
}

void Supply::take(const Claim& claim, std::size_t variant) {
  Line& l = line(claim, variant);
  ++l.granted;
  if (l.pool >= 0) pools_[static_cast<std::size_t>(l.pool)].taken += l.devices;
  holders_.emplace(claim, variant);
}

void Supply::adopt(std::size_t owner, ReplicaId id, std::size_t variant) {
  take({owner, id}, variant);
}

bool Supply::claim(std::size_t owner, ReplicaId id, std::size_t variant, Instant now) {
  const Claim claim{owner, id};
  waiting_.push_back({claim, variant});
  serve(now);
  auto last = std::find_if(told_.begin(), told_.end(),
                           [&](const auto& told) { return told.second == claim; });
  if (last == told_.end()) return false;
  told_.erase(last);
  return true;
}

void Supply::free(std::size_t owner, ReplicaId id, Instant now) {
  const Claim claim{owner, id};
  std::erase_if(waiting_, [&](const Waiting& w) { return w.claim == claim; });
  std::erase_if(told_, [&](const auto& told) { return told.second == claim; });
  if (auto holder = holders_.find(claim); holder != holders_.end()) {
    Line& l = line(claim, holder->second);
    --l.granted;
    if (l.pool >= 0) pools_[static_cast<std::size_t>(l.pool)].taken -= l.devices;
    holders_.erase(holder);
  }
  serve(now);
}

std::int64_t Supply::granted(std::size_t owner, std::size_t variant) const {
  return owners_[owner][variant].granted;
}

/// Grants what can be granted, in order; a pool is closed behind the first it cannot serve.
void Supply::serve(Instant now) {
  served_until_ = std::max(served_until_, now);
  std::vector<bool> closed(pools_.size());
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    Line& l = line(it->claim, it->variant);
    bool fits = in_stock(l, now);
    if (fits && l.pool >= 0) {
      const auto index = static_cast<std::size_t>(l.pool);
      fits = !closed[index] && pools_[index].taken + l.devices <= pools_[index].devices;
      closed[index] = closed[index] || !fits;
    }
    if (!fits) {
      ++it;
      continue;
    }
    take(it->claim, it->variant);
    told_.emplace_back(now, it->claim);
    it = waiting_.erase(it);
  }
}

/// When a stock-out ends, after `after`. Its beginning grants nothing.
Instant Supply::next_boundary(Instant after) const {
  Instant next = Instant::never();
  for (const workload::StockOut& out : outs_) {
    Instant ends = fault_time(out.until);
    if (ends > after) next = std::min(next, ends);
  }
  return next;
}

Instant Supply::next_event(std::size_t owner) const {
  for (const auto& [at, claim] : told_) {
    if (claim.first == owner) return at;
  }
  bool waits = std::any_of(waiting_.begin(), waiting_.end(),
                           [&](const Waiting& w) { return w.claim.first == owner; });
  return waits ? next_boundary(served_until_) : Instant::never();
}

void Supply::advance(std::size_t owner, Instant now, std::vector<ReplicaId>& granted) {
  if (next_boundary(served_until_) <= now) serve(now);
  std::erase_if(told_, [&](const auto& told) {
    if (told.second.first != owner) return false;
    granted.push_back(told.second.second);
    return true;
  });
}

}  // namespace tidegate::sim
