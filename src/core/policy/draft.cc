#include "core/policy/draft.h"

#include <algorithm>
#include <utility>

#include "core/policy/mix.h"

namespace tidegate::policy {

Draft::Draft(const spec::Model& model, const signal::Observation& seen) : model_(model) {
  for (std::size_t i = 0; i < model.variants.size(); ++i) {
    const signal::VariantObservation* one = seen_of(model, seen, i);
    const signal::Fleet fleet = one == nullptr ? signal::Fleet{} : one->fleet;
    const bool others = one != nullptr && model.variants.size() > 1;
    const std::int64_t overdue =
        others ? std::clamp<std::int64_t>(one->overdue, 0, fleet.on_the_way().value()) : 0;
    active_.push_back(fleet.active().value() - overdue);
    active_total_ += active_.back();
    ready_total_ += fleet.ready.value();
  }
  counts_ = active_;
  asked_ = active_total_;
}

void Draft::step(ReasonCode code, std::vector<std::int64_t> replicas,
                 std::vector<Evidence> evidence) {
  counts_ = std::move(replicas);
  std::int64_t total = 0;
  for (std::int64_t count : counts_) total += count;
  std::string name = model_.variants.size() == 1 ? model_.variants[0].name : std::string();
  reasons_.push_back(Reason{code, std::move(name), asked_, total, std::move(evidence)});
  asked_ = total;
}

void Draft::ask(ReasonCode code, std::int64_t replicas, std::vector<Evidence> evidence) {
  step(code, split(model_, std::min(replicas, kMostReplicas)), std::move(evidence));
}

void Draft::at_least(ReasonCode code, std::int64_t replicas, std::vector<Evidence> evidence) {
  if (replicas > asked_) ask(code, replicas, std::move(evidence));
}

void Draft::hold(ReasonCode code, std::vector<Evidence> evidence) {
  step(code, active_, std::move(evidence));
}

void Draft::repeat(ReasonCode code, const std::vector<std::int64_t>& replicas,
                   std::vector<Evidence> evidence) {
  step(code, replicas.size() == active_.size() ? replicas : active_, std::move(evidence));
}

Recommendation Draft::finish() && {
  Recommendation result;
  result.reasons = std::move(reasons_);
  result.complete = complete_;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const std::string& name = model_.variants[i].name;
    result.replicas.push_back({name, Replicas(counts_[i])});
    if (counts_.size() > 1) {
      result.reasons.push_back(
          Reason{ReasonCode::kCheapestMix,
                 name,
                 active_[i],
                 counts_[i],
                 {{"requests_per_replica",
                   static_cast<double>(concurrency_target(model_, model_.variants[i]))}}});
    }
  }
  return result;
}

}  // namespace tidegate::policy
