#include "core/policy/tide_fleet.h"

#include <algorithm>

#include "core/policy/mix.h"
#include "core/policy/tide_work.h"
#include "core/spec/expected_start.h"

namespace tidegate::policy {

namespace {
/// The ones ordered last go first.
void cancel(std::int64_t variant, std::int64_t replicas, TideState& s) {
  for (auto order = s.orders.end(); order != s.orders.begin() && replicas > 0;) {
    --order;
    if (order->variant != variant) continue;
    const std::int64_t taken = std::min(replicas, order->replicas);
    order->replicas -= taken;
    replicas -= taken;
  }
}

void arrive(std::int64_t variant, std::int64_t replicas, TideState& s) {
  for (const bool waking : {true, false}) {
    for (TideOrder& order : s.orders) {
      if (order.variant != variant || order.waking != waking || replicas <= 0) continue;
      const std::int64_t taken = std::min(replicas, order.replicas);
      order.replicas -= taken;
      replicas -= taken;
    }
  }
}
}  // namespace

Duration lead_time(const Input& in, std::size_t variant) {
  return lead_time(in.model.variants[variant], seen_of(in.model, in.seen, variant));
}

Duration usual_lead(const Input& in, std::size_t variant) {
  const spec::ExpectedTime start =
      spec::expected_start(in.model.variants[variant].cold_start, {.node_exists = 0}).total;
  const double share = start.p90 > Duration(0) ? to_seconds(start.p50) / to_seconds(start.p90) : 1;
  return std::max(kLeastLead, seconds_f(to_seconds(lead_time(in, variant)) * share));
}

Duration wake_time(const Input& in, std::size_t variant) {
  return wake_time(in.model.variants[variant], seen_of(in.model, in.seen, variant));
}

void book_orders(const Input& in, TideState& s) {
  s.variants.resize(in.model.variants.size());
  for (std::size_t i = 0; i < in.model.variants.size(); ++i) {
    const signal::Fleet fleet = fleet_of(in.model, in.seen, i);
    const auto variant = static_cast<std::int64_t>(i);
    arrive(variant, std::max<std::int64_t>(0, fleet.ready.value() - s.variants[i].ready), s);
    std::int64_t booked = 0;
    for (const TideOrder& order : s.orders) {
      if (order.variant == variant) booked += order.replicas;
    }
    const std::int64_t more = fleet.on_the_way().value() - booked;
    if (more < 0) cancel(variant, -more, s);
    const std::int64_t slept = s.variants[i].sleeping, sleep = fleet.sleeping.value();
    const std::int64_t waking = std::clamp<std::int64_t>(slept - sleep, 0, std::max(more, {}));
    if (waking > 0) s.orders.push_back({variant, waking, in.now, true});
    if (more > waking) s.orders.push_back({variant, more - waking, in.now, false});
    s.variants[i].sleeping = sleep;
  }
  std::erase_if(s.orders, [](const TideOrder& order) { return order.replicas <= 0; });
  while (s.orders.size() > kMostTideOrders) {
    // The two oldest become one of the later time: never expected too early.
    TideOrder& next = s.orders[1];
    if (next.variant == s.orders[0].variant) {
      next.replicas += s.orders[0].replicas;
      next.waking = next.waking && s.orders[0].waking;
    }
    s.orders.erase(s.orders.begin());
  }
}

double backlog_at(const Input& in, const std::vector<TideCapacity>& each, const TideWork& work,
                  double rate, double then, Duration lead, const TideState& s) {
  struct Step {
    double at, requests_per_second;
  };
  std::vector<Step> steps;
  double serves = 0;
  for (std::size_t i = 0; i < each.size(); ++i) {
    serves += static_cast<double>(fleet_of(in.model, in.seen, i).ready.value()) *
              each[i].requests_per_second;
  }
  const double horizon = to_seconds(lead);
  for (const TideOrder& order : s.orders) {
    const auto i = static_cast<std::size_t>(order.variant);
    if (i >= each.size()) continue;
    const double own = to_seconds(order.waking ? wake_time(in, i) : lead_time(in, i));
    double at = to_seconds(order.at - in.now) + own;
    if (at < 0) at = own / 4;
    if (at < horizon) {
      steps.push_back({at, static_cast<double>(order.replicas) * each[i].requests_per_second});
    }
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [](const Step& a, const Step& b) { return a.at < b.at; });
  steps.push_back({horizon, 0});
  const double places = static_cast<double>(in.model.queue.max_requests);
  const double most =
      std::min(places * work_of_late(work, s), then * to_seconds(in.model.queue.max_wait));
  double queue = waiting_work(in, work, s), now = 0;
  for (const Step& step : steps) {
    const double mean = rate + (then - rate) * (step.at + now) / 2 / horizon;
    queue = std::clamp(queue + (mean - serves) * (step.at - now), 0.0, std::max(most, 0.0));
    serves += step.requests_per_second;
    now = step.at;
  }
  return queue;
}

}  // namespace tidegate::policy
