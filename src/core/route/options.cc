#include "core/route/options.h"

namespace tidegate::route {

Options router_options(const spec::Model& model) {
  Options options{.max_requests = model.queue.max_requests,
                  .max_bytes = model.queue.max_bytes,
                  .max_wait = model.queue.max_wait};
  if (!model.priority_classes.empty()) {
    options.class_weights.clear();
    for (const auto& c : model.priority_classes) options.class_weights.push_back(c.weight);
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
  return {.replica = id,
          .variant = static_cast<std::int32_t>(variant),
          .max_requests = model.scaling.concurrency_target.value_or(sequences),
          .kv_tokens = size.kv_tokens};
}

}  // namespace tidegate::route
