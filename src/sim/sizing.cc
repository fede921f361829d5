#include "sim/sizing.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tidegate::sim {

double sustained(const spec::Model& model, const spec::Variant& variant,
                 const engine::Lengths& lengths) {
  return engine::capacity(variant.profile, engine::limits_of(model, variant), lengths)
      .requests_per_second;
}

void FirstMinute::add(const workload::TraceRequest& request) {
  ++requests;
  const auto prompt = static_cast<double>(request.prompt.value());
  const auto output = static_cast<double>(request.output.value());
  sums.prompt += prompt;
  sums.output += output;
  sums.prompt_squared += prompt * prompt;
  sums.prompt_output += prompt * output;
  sums.output_squared += output * output;
}

std::vector<std::int64_t> size_fleet(const spec::Model& model, const FirstMinute& minute) {
  std::vector<std::int64_t> replicas;
  for (const spec::Variant& variant : model.variants) {
    replicas.push_back(spec::min_replicas(model, variant).value());
  }
  if (minute.requests == 0) return replicas;
  auto requests = static_cast<double>(minute.requests);
  const engine::LengthMoments lengths{minute.sums.prompt / requests, minute.sums.output / requests,
                                      minute.sums.prompt_squared / requests,
                                      minute.sums.prompt_output / requests,
                                      minute.sums.output_squared / requests};
  std::vector<double> each;  // requests/s of one replica, as full as it shall be
  std::vector<std::size_t> order;
  double left = requests / to_seconds(kSizedFor);
  for (std::size_t v = 0; v < model.variants.size(); ++v) {
    const spec::Variant& variant = model.variants[v];
    const engine::Capacity full =
        engine::capacity_of(variant.profile, engine::limits_of(model, variant), lengths);
    each.push_back(full.requests_per_second * model.scaling.target_utilization);
    order.push_back(v);
    left -= each[v] * static_cast<double>(replicas[v]);
  }
  auto price = [&](std::size_t v) { return model.variants[v].cost_per_hour_dollars / each[v]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return price(a) < price(b); });
  for (std::size_t v : order) {
    if (left <= 0) break;
    auto room = static_cast<double>(model.variants[v].max_replicas.value() - replicas[v]);
    double more = std::min(std::max(0.0, room), std::ceil(left / each[v]));
    replicas[v] += static_cast<std::int64_t>(more);
    left -= more * each[v];
  }
  return replicas;
}

}  // namespace tidegate::sim
