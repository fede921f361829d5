#include "sim/search/demand.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/spec/expected_start.h"
#include "core/spec/options.h"

namespace tidegate::sim {
namespace {

Duration weights_time(const spec::Weights& weights) {
  if (weights.time) return weights.time->p90;
  if (weights.bytes == 0 || weights.from == spec::WeightSource::kImage) return Duration(0);
  std::int64_t rate =
      weights.bandwidth_bytes_per_second.value_or(spec::default_bandwidth(weights.from));
  return seconds_f(static_cast<double>(weights.bytes) / static_cast<double>(rate));
}

}  // namespace

Duration start_time(const spec::Model& model) {
  Duration longest{0};
  for (const spec::Variant& variant : model.variants) {
    const spec::ColdStart& cold = variant.cold_start;
    longest = std::max(longest, cold.procurement.p90 + cold.image.p90 + cold.engine.p90 +
                                    weights_time(cold.weights));
  }
  return longest;
}

std::string Follow::name() const {
  return fmt::format("demand {} ahead {:.0f}s x {:.2f}", spec::duration_text(window),
                     to_seconds(ahead), headroom);
}

Demand::Demand(const Arrivals& arrivals, const spec::Model& model,
               const std::vector<double>& weights, Duration slot)
    : model_(model),
      slot_(slot),
      bin_(arrivals.bin()),
      slots_(static_cast<std::size_t>(arrivals.last() / slot) + 1) {
  sums_.push_back({});
  for (const LoadBin& bin : arrivals.bins()) {
    const LoadBin& before = sums_.back();
    sums_.push_back({before.requests + bin.requests, before.prompt_tokens + bin.prompt_tokens,
                     before.output_tokens + bin.output_tokens});
  }
  Load all = load(Duration(0), arrivals.last() + bin_);
  std::vector<double> dear;
  for (std::size_t v = 0; v < model.variants.size(); ++v) {
    floor_.push_back(spec::min_replicas(model, model.variants[v]).value());
    ceiling_.push_back(model.variants[v].max_replicas.value());
    dear.push_back(weights[v] / sustained(model, model.variants[v], all.lengths));
  }
  order_.resize(dear.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::size_t a, std::size_t b) { return dear[a] < dear[b]; });
}

std::int64_t Demand::least() const {
  return std::accumulate(floor_.begin(), floor_.end(), std::int64_t{0});
}
std::int64_t Demand::most() const {
  return std::accumulate(ceiling_.begin(), ceiling_.end(), std::int64_t{0});
}

Demand::Load Demand::load(Duration from, Duration until) const {
  auto last = static_cast<std::int64_t>(sums_.size()) - 1;
  auto first = std::clamp<std::int64_t>(from / bin_, 0, last);
  auto end = std::clamp<std::int64_t>((until + bin_ - nanos(1)) / bin_, first, last);
  const LoadBin& a = sums_[static_cast<std::size_t>(first)];
  const LoadBin& b = sums_[static_cast<std::size_t>(end)];
  auto requests = static_cast<double>(b.requests - a.requests);
  if (requests <= 0) return {};
  return {requests / (static_cast<double>(end - first) * to_seconds(bin_)),
          {static_cast<double>(b.prompt_tokens - a.prompt_tokens) / requests,
           static_cast<double>(b.output_tokens - a.output_tokens) / requests}};
}

std::vector<std::int64_t> Demand::fill(const Load& load, double headroom) const {
  std::vector<std::int64_t> out = floor_;
  double left = load.requests_per_second * headroom;
  if (left <= 0) return out;
  std::vector<double> each;
  for (std::size_t v = 0; v < out.size(); ++v) {
    each.push_back(sustained(model_, model_.variants[v], load.lengths));
    left -= each[v] * static_cast<double>(out[v]);
  }
  for (std::size_t v : order_) {
    if (left <= 0) break;
    if (each[v] <= 0) continue;
    double more = std::min(static_cast<double>(ceiling_[v] - out[v]), std::ceil(left / each[v]));
    out[v] += static_cast<std::int64_t>(more);
    left -= more * each[v];
  }
  return out;
}

Timeline Demand::follow(const Follow& how, const std::vector<std::int64_t>& initial) const {
  std::vector<std::vector<std::int64_t>> need;
  Duration half = std::max(how.window, slot_) / 2;
  for (std::size_t s = 0; s < slots_; ++s) {
    Duration middle = static_cast<std::int64_t>(s) * slot_ + slot_ / 2;
    need.push_back(fill(load(std::max(Duration(0), middle - half), middle + half), how.headroom));
  }
  Timeline out(initial);
  auto reach = static_cast<std::size_t>((how.ahead + slot_ - nanos(1)) / slot_);
  for (std::size_t s = 0; s <= slots_; ++s) {
    for (std::size_t v = 0; v < floor_.size(); ++v) {
      std::int64_t most = floor_[v];
      for (std::size_t t = s; t < std::min(slots_, s + reach + 1); ++t) {
        most = std::max(most, need[t][v]);
      }
      out.set(v, static_cast<std::int64_t>(s) * slot_, most);
    }
  }
  return out;
}

Timeline Demand::fixed(std::int64_t replicas, const std::vector<std::int64_t>& initial) const {
  std::int64_t left = replicas - least();
  Timeline out(initial);
  std::vector<std::int64_t> each = floor_;
  for (std::size_t v : order_) {
    std::int64_t more = std::clamp<std::int64_t>(left, 0, ceiling_[v] - floor_[v]);
    each[v] += more;
    left -= more;
  }
  for (std::size_t v = 0; v < each.size(); ++v) out.set(v, Duration(0), each[v]);
  return out;
}

}  // namespace tidegate::sim
