#include "core/engine/capacity.h"

#include <algorithm>

namespace tidegate::engine {

LengthMoments LengthMoments::of(const Lengths& all_alike) {
  const double prompt = std::max(1.0, all_alike.prompt_tokens);
  const double output = std::max(1.0, all_alike.output_tokens);
  return {prompt, output, prompt * prompt, prompt * output, output * output};
}

double held_tokens(const LengthMoments& lengths) {
  return (lengths.prompt_output + lengths.output_squared / 2) / lengths.output;
}

StepLaw step_law(const Profile& profile, double step_factor, const LengthMoments& lengths) {
  const double second = 1e-15 * step_factor;
  StepLaw law;
  law.prefilled_tokens = lengths.prompt / lengths.output;
  law.held_tokens = held_tokens(lengths);
  const double attended = lengths.prompt_squared / 2 / lengths.output;  // a step, each sequence
  law.fixed_seconds = static_cast<double>(profile.c0_fs) * second;
  law.each_seconds =
      (static_cast<double>(profile.c1_fs) * law.prefilled_tokens +
       static_cast<double>(profile.c2_fs) + static_cast<double>(profile.c3_fs) * law.held_tokens +
       static_cast<double>(profile.c4_fs) * attended) *
      second;
  return law;
}

Capacity capacity(const Profile& profile, const CapacityLimits& limits, const Lengths& lengths) {
  return capacity_of(profile, limits, LengthMoments::of(lengths));
}

Capacity capacity_of(const Profile& profile, const CapacityLimits& limits,
                     const LengthMoments& lengths) {
  const StepLaw law = step_law(profile, limits.step_factor, lengths);
  Capacity out;
  double n = static_cast<double>(std::max<std::int64_t>(1, limits.max_num_seqs));
  auto bound = [&](double most, Binding binding) {
    if (most >= n) return;
    n = most;
    out.binding = binding;
  };
  bound(static_cast<double>(profile.kv_tokens) / law.held_tokens, Binding::kKv);
  bound(static_cast<double>(limits.max_num_batched_tokens) / (1 + law.prefilled_tokens),
        Binding::kBatchedTokens);
  if (limits.itl > Duration(0) && law.each_seconds > 0) {
    // One sequence is served whatever it takes.
    bound(std::max(1.0, (to_seconds(limits.itl) - law.fixed_seconds) / law.each_seconds),
          Binding::kItl);
  }
  auto ranks = static_cast<double>(std::max<std::int64_t>(1, limits.data_parallel_size));
  out.step_seconds = law.fixed_seconds + law.each_seconds * n;
  out.sequences = n * ranks;
  if (out.step_seconds > 0) {
    out.requests_per_second = ranks * n / (lengths.output * out.step_seconds);
  }
  return out;
}

CapacityLimits limits_of(const spec::Model& model, const spec::Variant& variant) {
  const spec::Engine& e = variant.engine;
  const Profile& profile = variant.profile;
  std::int64_t sequences = e.max_num_seqs.value_or(profile.max_num_seqs);
  if (model.scaling.concurrency_target) {
    // It holds for the replica as a whole, the engine's limit for each of its ranks.
    std::int64_t ranks = std::max<std::int64_t>(1, e.data_parallel_size);
    sequences = std::min(sequences, (*model.scaling.concurrency_target + ranks - 1) / ranks);
  }
  return {
      .max_num_seqs = sequences,
      .max_num_batched_tokens = e.max_num_batched_tokens.value_or(profile.max_num_batched_tokens),
      .data_parallel_size = e.data_parallel_size,
      .itl = model.slo.itl ? model.slo.itl->bound : Duration(0),
      .step_factor = variant.hardware.interference};
}

}  // namespace tidegate::engine
