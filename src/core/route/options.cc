#include "core/route/options.h"

#include <algorithm>

namespace tidegate::route {

namespace {
/// Of the bound on TTFT, what a request may wait: the rest is for its prefill.
constexpr double kWaitShare = 0.8;
}  // namespace

Options router_options(const spec::Model& model) {
  Options options{.max_requests = model.queue.max_requests,
                  .max_bytes = model.queue.max_bytes,
                  .max_wait = model.queue.max_wait};
  if (!model.priority_classes.empty()) {
    options.class_weights.clear();
    for (const auto& c : model.priority_classes) options.class_weights.push_back(c.weight);
  }
  const auto& [ttft, itl, e2e, price] = model.slo;
  if (ttft && model.queue.order == spec::QueueOrder::kSlo) {
    options.due = seconds_f(kWaitShare * to_seconds(ttft->bound));
  }
  if (itl && model.queue.pace_prefill) {
    options.itl = itl->bound;
  }
  return options;
}

EngineSize profile_size(const spec::Variant& variant) {
  return {.max_num_seqs = variant.profile.max_num_seqs,
          .kv_tokens = variant.profile.kv_tokens * variant.engine.data_parallel_size};
}

ReplicaUp replica_up(const spec::Model& model, std::size_t variant, ReplicaId id,
                     const EngineSize& size) {
  const spec::Engine& engine = model.variants[variant].engine;
  std::int64_t sequences =
      engine.max_num_seqs.value_or(size.max_num_seqs) * engine.data_parallel_size;
  ReplicaUp up{.replica = id,
               .variant = static_cast<std::int32_t>(variant),
               .max_requests = model.scaling.concurrency_target.value_or(sequences),
               .kv_tokens = size.kv_tokens};
  if (!model.queue.pace_prefill) return up;
  // Ranks work side by side: a request and its context burden one of them.
  const spec::Profile& profile = model.variants[variant].profile;
  const std::int64_t ranks = std::max<std::int64_t>(1, engine.data_parallel_size);
  up.c0_fs = profile.c0_fs;
  up.c1_fs = profile.c1_fs / ranks;
  up.c2_fs = profile.c2_fs / ranks;
  up.c3_fs = profile.c3_fs / ranks;
  up.c4_fs = profile.c4_fs / ranks;
  return up;
}

}  // namespace tidegate::route
