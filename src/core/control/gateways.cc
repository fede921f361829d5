#include "core/control/gateways.h"

#include <algorithm>
#include <array>

namespace tidegate::control {
namespace {

using signal::Demand;

constexpr std::array kTotals = {&Demand::arrived_total,
                                &Demand::finished_total,
                                &Demand::rejected_total,
                                &Demand::prompt_tokens_total,
                                &Demand::output_tokens_total,
                                &Demand::expected_output_tokens_total,
                                &Demand::judged_total,
                                &Demand::met_total,
                                &Demand::expected_kv_token_steps_total};
constexpr std::array kGauges = {&Demand::queued_requests,      &Demand::queued_tokens,
                                &Demand::queued_bytes,         &Demand::dispatched_requests,
                                &Demand::queued_output_tokens, &Demand::credit_requests,
                                &Demand::withheld_requests,    &Demand::queued_kv_token_steps};

}  // namespace

void Gateways::heard(GatewayId id, const Demand& demand, Instant now) {
  auto [part, first] = parts_.try_emplace(id);
  for (auto total : kTotals) {
    const std::int64_t before = first ? demand.*total : part->second.last.*total;
    const std::int64_t grown = demand.*total - before;
    totals_.*total += grown >= 0 ? grown : demand.*total;
  }
  part->second = {demand, now};
}

void Gateways::lost(GatewayId id) {
  if (auto part = parts_.find(id); part != parts_.end()) part->second.lost = true;
}

void Gateways::gone(GatewayId id) { parts_.erase(id); }

GatewaySight Gateways::sight(Instant now, Duration stale_after, Known known) const {
  GatewaySight out{.demand = totals_};
  std::size_t fresh = 0;
  for (const auto& [id, part] : parts_) {
    for (auto gauge : kGauges) out.demand.*gauge += part.last.*gauge;
    out.demand.oldest_wait = std::max(out.demand.oldest_wait, part.last.oldest_wait);
    const Duration age = std::max(now - part.at, Duration(0));
    out.age = std::max(out.age, age);
    if (age <= stale_after && !part.lost) ++fresh;
  }
  if (fresh < parts_.size() || parts_.empty() || known == Known::kMoreMayCome) {
    out.freshness = signal::Freshness::kStale;
  }
  out.coverage =
      parts_.empty() ? 0 : static_cast<double>(fresh) / static_cast<double>(parts_.size());
  return out;
}

}  // namespace tidegate::control
