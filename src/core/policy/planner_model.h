#pragma once
// StepModel: what the planner believes of one rank of a replica. Internal to core/policy.
//
// Upstream's performance model of a colocated engine (ai-dynamo/dynamo, components/src/dynamo/
// planner/core/perf_model/agg.py): a step's time is linear in its prefill tokens and in the KV
// tokens of its decoding sequences. Upstream fits the two slopes to a sweep and to what engines
// report; here they follow from the profile, with the sequences' own cost spread over their
// context:
//   step(prefill, kv) = c0 + (c1 + c4 * prompt / 2) * prefill + (c3 + c2 / context) * kv
//   ttft(queued, kv)  = the prompt and what is queued before it, in full steps
//   itl(kv)           = a step with the mean prefill, and one more sequence
//   best rate         = the largest batch with both within bounds, by Little's Law
// Seconds, tokens. Pure values.
//
//   StepModel step(model, variant, {500, 500});
//   step.best_requests_per_second({.ttft_seconds = 0.5, .itl_seconds = 0.05});

#include <cstdint>

#include "core/spec/model.h"

namespace tidegate::policy {

/// Mean tokens of a request.
struct MeanLengths {
  double prompt = 0, output = 0;
};

struct LatencyBounds {
  double ttft_seconds = 0.5;  ///< upstream's defaults where the spec has no SLO
  double itl_seconds = 0.05;
  static LatencyBounds of(const spec::Slo& slo);
};

class StepModel {
 public:
  /// Both lengths above 0.
  StepModel(const spec::Variant& variant, const MeanLengths& lengths);

  double step_seconds(double prefill_tokens, double kv_tokens) const;
  double ttft_seconds(double queued_tokens, double kv_tokens) const;
  double itl_seconds(double kv_tokens, double running) const;
  /// Of the whole replica; where one sequence misses a bound, that of one sequence.
  double best_requests_per_second(const LatencyBounds& bounds) const;
  double kv_tokens() const { return kv_tokens_; }  ///< of a rank
  double ranks() const { return ranks_; }

 private:
  std::int64_t largest_batch() const;
  bool keeps(std::int64_t batch, const LatencyBounds& bounds) const;
  double prefill_a_step(double batch) const;

  MeanLengths lengths_;
  double context_, fixed_, each_prefill_, each_kv_;
  double kv_tokens_, max_batched_, max_seqs_, ranks_;
};

}  // namespace tidegate::policy
