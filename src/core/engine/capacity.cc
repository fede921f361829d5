#include "core/engine/capacity.h"

#include <algorithm>

namespace tidegate::engine {

Capacity capacity(const Profile& profile, const CapacityLimits& limits, const Lengths& lengths) {
  constexpr double kFemto = 1e-15;
  const double prompt = std::max(1.0, lengths.prompt_tokens);
  const double output = std::max(1.0, lengths.output_tokens);
  const double held = prompt + output / 2;   // KV tokens of a sequence, mean over its life
  const double prefilled = prompt / output;  // prompt tokens a step, for each sequence
  // Step time = fixed + each * sequences.
  const double fixed = static_cast<double>(profile.c0_fs) * kFemto * limits.step_factor;
  const double each =
      (static_cast<double>(profile.c1_fs) * prefilled + static_cast<double>(profile.c2_fs) +
       static_cast<double>(profile.c3_fs) * held +
       static_cast<double>(profile.c4_fs) * prefilled * prompt / 2) *
      kFemto * limits.step_factor;
  Capacity out;
  double n = static_cast<double>(std::max<std::int64_t>(1, limits.max_num_seqs));
  auto bound = [&](double most, Binding binding) {
    if (most >= n) return;
    n = most;
    out.binding = binding;
  };
  bound(static_cast<double>(profile.kv_tokens) / held, Binding::kKv);
  bound(static_cast<double>(limits.max_num_batched_tokens) / (1 + prefilled),
        Binding::kBatchedTokens);
  if (limits.itl > Duration(0) && each > 0) {
    // One sequence is served whatever it takes.
    bound(std::max(1.0, (to_seconds(limits.itl) - fixed) / each), Binding::kItl);
  }
  auto ranks = static_cast<double>(std::max<std::int64_t>(1, limits.data_parallel_size));
  out.step_seconds = fixed + each * n;
  out.sequences = n * ranks;
  if (out.step_seconds > 0) out.requests_per_second = ranks * n / (output * out.step_seconds);
  return out;
}

}  // namespace tidegate::engine
