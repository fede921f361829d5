#include "core/policy/planner_model.h"

#include <algorithm>
#include <cmath>

namespace tidegate::policy {

LatencyBounds LatencyBounds::of(const spec::Slo& slo) {
  LatencyBounds out;
  if (slo.ttft) out.ttft_seconds = to_seconds(slo.ttft->bound);
  if (slo.itl) out.itl_seconds = to_seconds(slo.itl->bound);
  return out;
}

StepModel::StepModel(const spec::Variant& variant, const MeanLengths& lengths)
    : lengths_(lengths), context_(lengths.prompt + lengths.output / 2) {
  const spec::Profile& p = variant.profile;
  const double second = 1e-15 * variant.hardware.interference;
  fixed_ = static_cast<double>(p.c0_fs) * second;
  each_prefill_ =
      (static_cast<double>(p.c1_fs) + static_cast<double>(p.c4_fs) * lengths.prompt / 2) * second;
  each_kv_ = (static_cast<double>(p.c3_fs) + static_cast<double>(p.c2_fs) / context_) * second;
  kv_tokens_ = static_cast<double>(p.kv_tokens);
  const spec::Engine& engine = variant.engine;
  max_batched_ = static_cast<double>(
      std::max<std::int64_t>(2, engine.max_num_batched_tokens.value_or(p.max_num_batched_tokens)));
  max_seqs_ = static_cast<double>(engine.max_num_seqs.value_or(p.max_num_seqs));
  ranks_ = static_cast<double>(std::max<std::int64_t>(1, engine.data_parallel_size));
}

double StepModel::step_seconds(double prefill_tokens, double kv_tokens) const {
  return fixed_ + each_prefill_ * prefill_tokens + each_kv_ * kv_tokens;
}

double StepModel::ttft_seconds(double queued_tokens, double kv_tokens) const {
  const double tokens = queued_tokens + lengths_.prompt;
  return std::ceil(tokens / max_batched_) * step_seconds(0, kv_tokens) + each_prefill_ * tokens;
}

double StepModel::prefill_a_step(double batch) const {
  return std::min(batch * lengths_.prompt / std::max(1.0, lengths_.output), max_batched_);
}

double StepModel::itl_seconds(double kv_tokens, double running) const {
  return step_seconds(prefill_a_step(running), kv_tokens + context_);
}

bool StepModel::keeps(std::int64_t batch, const LatencyBounds& bounds) const {
  const double n = static_cast<double>(batch), kv = n * context_, prefill = prefill_a_step(n);
  return step_seconds(prefill, kv) <= bounds.itl_seconds &&
         ttft_seconds(std::floor(prefill), kv) <= bounds.ttft_seconds;
}

/// KV, sequences, and the batch at which admission balances what ends.
std::int64_t StepModel::largest_batch() const {
  const double kv = std::max(1.0, std::floor(kv_tokens_ / std::max(1.0, context_)));
  double most = std::min({kv, max_seqs_, max_batched_ - 1});
  most = std::min(most, std::floor(max_batched_ - lengths_.prompt / lengths_.output));
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(most));
}

double StepModel::best_requests_per_second(const LatencyBounds& bounds) const {
  // Both latencies grow with the batch: upstream's sweep, by halves.
  std::int64_t low = 1, high = largest_batch();
  while (low < high) {
    std::int64_t middle = low + (high - low + 1) / 2;
    if (keeps(middle, bounds)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const double n = static_cast<double>(low);
  return ranks_ * n / (lengths_.output * step_seconds(prefill_a_step(n), n * context_));
}

}  // namespace tidegate::policy
