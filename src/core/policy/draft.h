#pragma once
// Draft: a recommendation in the making. A law asks for replicas step by step; each step is a
// Reason.
//
// With one variant the reasons carry its name. With several, the law's reasons speak of the model
// as a whole (empty variant) and finish() adds one CheapestMix a variant. Either way the `before`
// of the first reason is the number active now and each `after` is the next `before`.
//
//   Draft draft(model, seen);
//   draft.ask(ReasonCode::kConcurrency, 4, {{"in_flight_requests", 22.0}});
//   return std::move(draft).finish();

#include <cstdint>
#include <vector>

#include "core/policy/policy.h"

namespace tidegate::policy {

class Draft {
 public:
  Draft(const spec::Model& model, const signal::Observation& seen);

  /// Ordered, starting and ready replicas of all variants: the number the law starts from. Where
  /// another variant takes over for those overdue, without these: none counts twice.
  std::int64_t active() const { return active_total_; }
  std::int64_t ready() const { return ready_total_; }
  /// What was asked so far.
  std::int64_t asked() const { return asked_; }
  const std::vector<std::int64_t>& counts() const { return counts_; }
  bool complete() const { return complete_; }

  /// From here on `replicas` of all variants together.
  void ask(ReasonCode code, std::int64_t replicas, std::vector<Evidence> evidence);
  /// Raises to `replicas`; nothing where that many are asked already.
  void at_least(ReasonCode code, std::int64_t replicas, std::vector<Evidence> evidence);
  /// Back to that number, variant by variant.
  void hold(ReasonCode code, std::vector<Evidence> evidence);
  /// An answer of before, variant by variant.
  void repeat(ReasonCode code, const std::vector<std::int64_t>& replicas,
              std::vector<Evidence> evidence);
  /// The data was partial, stale or absent: the plan will not lower on it.
  void incomplete() { complete_ = false; }

  Recommendation finish() &&;

 private:
  void step(ReasonCode code, std::vector<std::int64_t> replicas, std::vector<Evidence> evidence);

  const spec::Model& model_;
  std::vector<std::int64_t> active_, counts_;
  std::int64_t active_total_ = 0, ready_total_ = 0, asked_ = 0;
  std::vector<Reason> reasons_;
  bool complete_ = true;
};

}  // namespace tidegate::policy
