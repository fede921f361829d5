#include "core/policy/mix.h"

#include <algorithm>
#include <cmath>

namespace tidegate::policy {

std::int64_t concurrency_target(const spec::Model& model, const spec::Variant& variant) {
  const spec::Scaling& scaling = model.scaling;
  bool knob_is_concurrency =
      scaling.policy == spec::PolicyKind::kConcurrency || scaling.policy == spec::PolicyKind::kKpa;
  if (knob_is_concurrency && scaling.policy_knob && *scaling.policy_knob >= 1) {
    return static_cast<std::int64_t>(std::min(*scaling.policy_knob, 1e9));
  }
  if (scaling.concurrency_target) return std::max<std::int64_t>(1, *scaling.concurrency_target);
  std::int64_t sequences = variant.engine.max_num_seqs.value_or(kDefaultMaxNumSeqs);
  return std::max<std::int64_t>(1, sequences * variant.engine.data_parallel_size);
}

std::int64_t whole_replicas(double x) {
  if (!(x > 0)) return 0;  // NaN as well
  if (x >= static_cast<double>(kMostReplicas)) return kMostReplicas;
  return static_cast<std::int64_t>(std::ceil(x - 1e-9 * std::max(1.0, x)));
}

std::vector<std::size_t> fill_order(const spec::Model& model) {
  std::vector<std::size_t> order(model.variants.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  auto price = [&](std::size_t i) {
    const spec::Variant& variant = model.variants[i];
    return variant.cost_per_hour_dollars / static_cast<double>(concurrency_target(model, variant));
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return price(a) < price(b); });
  return order;
}

namespace {
/// Fills by `take(variant, room)`, which answers how many of at most `room` replicas it wants.
template <class Take>
std::vector<std::int64_t> fill(const spec::Model& model, Take take) {
  std::vector<std::int64_t> counts(model.variants.size(), 0);
  auto give = [&](std::size_t i, std::int64_t room) { counts[i] += take(i, room); };
  if (counts.size() == 1) {
    give(0, kMostReplicas);
    return counts;
  }
  std::vector<std::size_t> order = fill_order(model);
  for (std::size_t i : order) {
    std::int64_t floor = spec::min_replicas(model, model.variants[i]).value();
    take(i, floor);  // a floor holds load whether or not there is as much
    counts[i] = floor;
  }
  for (std::size_t i : order) give(i, model.variants[i].max_replicas.value() - counts[i]);
  if (!order.empty()) give(order.back(), kMostReplicas);
  return counts;
}
}  // namespace

std::int64_t replicas_for(const spec::Model& model, double requests) {
  double left = requests;
  std::vector<std::int64_t> counts = fill(model, [&](std::size_t i, std::int64_t room) {
    double each = static_cast<double>(concurrency_target(model, model.variants[i]));
    std::int64_t taken =
        std::clamp<std::int64_t>(whole_replicas(left / each), 0, std::max<std::int64_t>(0, room));
    left -= static_cast<double>(taken) * each;
    return taken;
  });
  std::int64_t total = 0;
  for (std::int64_t count : counts) total += count;
  return std::min(total, kMostReplicas);
}

std::vector<std::int64_t> split(const spec::Model& model, std::int64_t replicas) {
  std::int64_t left = std::max<std::int64_t>(0, replicas);
  return fill(model, [&](std::size_t, std::int64_t room) {
    std::int64_t taken = std::clamp<std::int64_t>(left, 0, std::max<std::int64_t>(0, room));
    left -= taken;
    return taken;
  });
}

const signal::VariantObservation* seen_of(const spec::Model& model, const signal::Observation& seen,
                                          std::size_t variant) {
  const std::string& name = model.variants[variant].name;
  if (variant < seen.variants.size() && seen.variants[variant].variant == name) {
    return &seen.variants[variant];
  }
  for (const signal::VariantObservation& one : seen.variants) {
    if (one.variant == name) return &one;
  }
  return nullptr;
}

signal::Fleet fleet_of(const spec::Model& model, const signal::Observation& seen,
                       std::size_t variant) {
  const signal::VariantObservation* one = seen_of(model, seen, variant);
  return one == nullptr ? signal::Fleet{} : one->fleet;
}

}  // namespace tidegate::policy
