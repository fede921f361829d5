#include "core/signal/aggregate.h"

#include <algorithm>

namespace tidegate::signal {
namespace {

enum class Fold : std::uint8_t { kSum, kMean, kMin, kMax };

template <class Read>
Signal fold(std::span<const ReplicaSignals* const> ready, Instant now, Fold how, Read read) {
  if (ready.empty()) {
    return how == Fold::kSum ? Signal{0, now, Source::kEngine, Freshness::kFresh, 1.0} : Signal{};
  }
  Signal out;
  std::size_t heard = 0;
  for (const ReplicaSignals* replica : ready) {
    if (replica == nullptr) continue;
    Signal s = read(*replica);
    if (s.absent()) continue;
    if (heard++ == 0) {
      out = s;
      continue;
    }
    out.value = how == Fold::kMax   ? std::max(out.value, s.value)
                : how == Fold::kMin ? std::min(out.value, s.value)
                                    : out.value + s.value;
    out.at = std::min(out.at, s.at);
    out.freshness = std::min(out.freshness, s.freshness);
  }
  if (heard == 0) return {};
  if (how == Fold::kMean) out.value /= static_cast<double>(heard);
  out.coverage = static_cast<double>(heard) / static_cast<double>(ready.size());
  return out;
}

/// Who has room, and how much of it on average. Coverage is that of all ready replicas in each.
void find_spare(VariantObservation& v, std::span<const ReplicaSignals* const> ready, Instant now,
                const FreshnessRule& rule, const SaturationRule& limit) {
  double spare_kv = 0, spare_waiting = 0;
  v.unsaturated_replicas = fold(ready, now, Fold::kSum, [&](const ReplicaSignals& r) {
    Signal room = r.signal(SignalId::kKvUsage, now, rule);
    Signal queue = r.signal(SignalId::kWaitingRequests, now, rule);
    if (room.absent() || queue.absent()) return Signal{};
    bool has = r.kv_usage_peak < limit.kv_usage && r.waiting_peak < limit.waiting_requests;
    if (has) spare_kv += limit.kv_usage - r.kv_usage_peak;
    if (has) spare_waiting += limit.waiting_requests - r.waiting_peak;
    room.value = has ? 1 : 0;
    return room;
  });
  double count = v.unsaturated_replicas.value;
  if (v.unsaturated_replicas.absent() || count <= 0) return;
  v.spare_kv_usage = v.spare_waiting = v.unsaturated_replicas;
  v.spare_kv_usage.value = spare_kv / count;
  v.spare_waiting.value = spare_waiting / count;
}

}  // namespace

SaturationRule saturation_rule(const spec::Scaling& scaling) {
  SaturationRule rule;
  if (scaling.policy == spec::PolicyKind::kSaturation && scaling.policy_knob) {
    rule.kv_usage = *scaling.policy_knob;
  }
  return rule;
}

Signal engine_waiting(const ReplicaSignals& replica, Instant now, const FreshnessRule& rule) {
  Signal waiting = replica.signal(SignalId::kWaitingRequests, now, rule);
  Signal aside = replica.signal(SignalId::kWaitingAsideRequests, now, rule);
  if (!waiting.absent() && !aside.absent()) waiting.value += aside.value;
  return waiting;
}

VariantObservation aggregate(std::string variant, const Fleet& fleet,
                             std::span<const ReplicaSignals* const> ready, Instant now,
                             const FreshnessRule& rule, const SaturationRule& saturation) {
  auto value_of = [&](SignalId id) {
    return [&rule, now, id](const ReplicaSignals& r) { return r.signal(id, now, rule); };
  };
  auto rate_of = [&](SignalId id) {
    return [&rule, now, id](const ReplicaSignals& r) { return r.rate(id, now, rule); };
  };
  VariantObservation v;
  v.variant = std::move(variant);
  v.fleet = fleet;
  v.running_requests = fold(ready, now, Fold::kSum, value_of(SignalId::kRunningRequests));
  auto waiting = [&](const ReplicaSignals& r) { return engine_waiting(r, now, rule); };
  v.engine_waiting_requests = fold(ready, now, Fold::kSum, waiting);
  v.engine_waiting_min = fold(ready, now, Fold::kMin, waiting);
  v.engine_waiting_max = fold(ready, now, Fold::kMax, waiting);
  v.kv_usage = fold(ready, now, Fold::kMean, value_of(SignalId::kKvUsage));
  v.kv_usage_min = fold(ready, now, Fold::kMin, value_of(SignalId::kKvUsage));
  v.kv_usage_max = fold(ready, now, Fold::kMax, value_of(SignalId::kKvUsage));
  find_spare(v, ready, now, rule, saturation);
  v.preemptions_per_second = fold(ready, now, Fold::kSum, rate_of(SignalId::kPreemptions));
  v.prompt_tokens_per_second = fold(ready, now, Fold::kSum, rate_of(SignalId::kPromptTokens));
  v.output_tokens_per_second = fold(ready, now, Fold::kSum, rate_of(SignalId::kOutputTokens));
  v.finished_requests_per_second =
      fold(ready, now, Fold::kSum, rate_of(SignalId::kFinishedRequests));
  // What an engine counts of prompts it served is nearer than what its cache counts of look-ups,
  // which repeat where a request is preempted or has to wait.
  auto first_of = [&](SignalId served, SignalId looked_up) {
    return [&rule, now, served, looked_up](const ReplicaSignals& r) {
      return r.rate(r.has(SignalId::kCachedPromptTokens) ? served : looked_up, now, rule);
    };
  };
  v.prefix_query_tokens_per_second =
      fold(ready, now, Fold::kSum, first_of(SignalId::kPromptTokens, SignalId::kPrefixQueryTokens));
  v.prefix_hit_tokens_per_second = fold(
      ready, now, Fold::kSum, first_of(SignalId::kCachedPromptTokens, SignalId::kPrefixHitTokens));
  return v;
}

std::optional<double> kv_capacity_tokens(const ReplicaSignals& replica) {
  double tokens = 0;
  if (replica.has(SignalId::kKvTotalTokens)) {
    tokens = replica.value(SignalId::kKvTotalTokens);
  } else if (replica.has(SignalId::kKvTotalBlocks) && replica.has(SignalId::kKvBlockTokens)) {
    tokens = replica.value(SignalId::kKvTotalBlocks) * replica.value(SignalId::kKvBlockTokens);
  }
  if (!(tokens > 0 && tokens < 1e15)) return std::nullopt;
  return tokens;
}

}  // namespace tidegate::signal
