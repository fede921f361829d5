#include "live/run/model_sight.h"

#include <algorithm>
#include <cmath>

#include "core/signal/aggregate.h"

namespace tidegate::live {

ModelSight sight_of(const ModelRun& run, Instant now) {
  const control::View view = run.view();
  const signal::Observation& seen = run.last_observation();
  ModelSight out{.mode = view.mode, .paused = view.paused};
  for (const auto& desired : view.desired) {
    VariantSight variant{.name = desired.variant, .desired = desired.replicas.value()};
    for (const auto& one : seen.variants) {
      if (one.variant != desired.variant) continue;
      variant.ready = one.fleet.ready.value();
      variant.ordered = one.fleet.ordered.value() + one.fleet.starting.value();
      variant.sleeping = one.fleet.sleeping.value();
    }
    std::vector<Reason> own;
    for (const auto& reason : view.reasons) {
      if (reason.variant.empty() || reason.variant == variant.name) own.push_back(reason);
    }
    if (const Reason* why = binding_reason(own); why != nullptr) {
      variant.reason = std::string(token(why->code));
    }
    out.variants.push_back(std::move(variant));
  }
  for (const auto& reason : view.reasons) {
    out.reasons.push_back({reason.code, reason.variant, reason.before, reason.after, {}});
  }
  // At the gateway or in the engines: a client waits in both.
  if (const auto waiting = signal::waiting_requests(seen); !waiting.absent()) {
    out.queue_requests = static_cast<std::int64_t>(std::llround(waiting.value));
  }
  if (const auto& ttft = seen.ttft_p99_seconds; !ttft.absent()) {
    out.ttft_p99 = short_duration(ttft.value);
  }
  out.refused = run.refused();
  out.short_of = run.short_of(now);
  return out;
}

}  // namespace tidegate::live
