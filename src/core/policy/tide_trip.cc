#include "core/policy/tide_trip.h"

#include <algorithm>

#include "core/policy/mix.h"
#include "core/policy/tide_work.h"

namespace tidegate::policy {

namespace {
/// Of the requests that arrive, preempted: recomputing more than this is thrashing.
constexpr double kThrashing = 0.02;
constexpr double kFullKv = 0.95;
/// Utilisation confirms what latency says from here on.
constexpr double kFull = 0.9;
}  // namespace

std::vector<Evidence> tripped(const Input& in, const std::vector<TideCapacity>& each,
                              const TideWork& work, double rate, const TideState& s) {
  double slots = 0, preempted = 0, kv = 0;
  for (std::size_t i = 0; i < in.model.variants.size(); ++i) {
    const signal::VariantObservation* v = seen_of(in.model, in.seen, i);
    if (v == nullptr) continue;
    slots += static_cast<double>(v->fleet.ready.value()) * each[i].sequences;
    if (!v->preemptions_per_second.absent()) preempted += v->preemptions_per_second.value;
    if (!v->kv_usage.absent()) kv = std::max(kv, v->kv_usage.value);
  }
  std::vector<Evidence> out;
  if (preempted > kThrashing * rate && kv > kFull) {
    out.push_back({"preemptions_per_second", preempted});
  }
  const double flight = signal::in_flight_requests(in.seen).value * work_of_late(work, s);
  const bool full = flight >= kFull * slots;
  if (full && kv > kFullKv) out.push_back({"kv_usage", kv});
  const auto& bound = in.model.slo.ttft;
  const signal::Signal& ttft = in.seen.ttft_p99_seconds;
  const bool waits = signal::waiting_requests(in.seen).value > 0;
  const bool spends = s.recent_judged > 0 && s.recent_missed <= (1 - s.share) * s.recent_judged;
  if (full && waits && !spends && bound && !ttft.absent() &&
      ttft.value > to_seconds(bound->bound)) {
    out.push_back({"ttft_p99_seconds", ttft.value});
  }
  return out;
}

}  // namespace tidegate::policy
