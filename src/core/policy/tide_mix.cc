#include "core/policy/tide_mix.h"

#include <algorithm>

#include "core/policy/mix.h"

namespace tidegate::policy {

namespace {
/// Variants that are weighed against one more of the cheapest; those after them only take over what
/// exceeds a maximum.
constexpr std::size_t kWeighed = 6;
/// Dollars an hour: beyond all maxima.
constexpr double kNotToBeHad = 1e12;

struct Fill {
  const spec::Model& model;
  const std::vector<double>& sustains;
  const std::vector<std::size_t>& order;

  /// Fills `rate` from `place` in the order on into `counts`; the price of what was added.
  double from(std::size_t place, double rate, std::vector<std::int64_t>& counts) const {
    if (!(rate > 0) || place >= order.size()) return 0;
    const std::size_t i = order[place];
    const spec::Variant& variant = model.variants[i];
    const bool last = place + 1 == order.size();
    const std::int64_t room = std::max<std::int64_t>(0, variant.max_replicas.value() - counts[i]);
    const std::int64_t all = std::clamp<std::int64_t>(whole_replicas(rate / sustains[i]), 0,
                                                      last ? kMostReplicas : room);
    const double one = variant.cost_per_hour_dollars;
    const bool covers = static_cast<double>(all) * sustains[i] >= rate * (1 - 1e-9);
    const bool weighed = covers && !last && place < kWeighed;
    const std::int64_t used = weighed ? all - 1 : all;
    if (covers && !weighed) {
      counts[i] += all;
      return static_cast<double>(all) * one + (all > room ? kNotToBeHad : 0);
    }
    std::vector<std::int64_t> split = counts;
    split[i] += used;
    const double rest = from(place + 1, rate - static_cast<double>(used) * sustains[i], split);
    if (covers && rest >= one) {
      counts[i] += all;
      return static_cast<double>(all) * one;
    }
    counts = std::move(split);
    return static_cast<double>(used) * one + rest;
  }
};
}  // namespace

std::vector<std::size_t> cheapest_first(const spec::Model& model,
                                        const std::vector<double>& sustains) {
  std::vector<std::size_t> order(model.variants.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  auto price = [&](std::size_t i) { return model.variants[i].cost_per_hour_dollars / sustains[i]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return price(a) < price(b); });
  return order;
}

std::vector<std::int64_t> cheapest_mix(const spec::Model& model,
                                       const std::vector<double>& sustains,
                                       const std::vector<std::size_t>& order, double rate) {
  std::vector<std::int64_t> counts(model.variants.size(), 0);
  if (counts.size() > 1) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      counts[i] = spec::min_replicas(model, model.variants[i]).value();
      rate -= static_cast<double>(counts[i]) * sustains[i];
    }
  }
  Fill{model, sustains, order}.from(0, rate, counts);
  return counts;
}

}  // namespace tidegate::policy
