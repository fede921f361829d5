#include "core/plan/plan.h"

#include <algorithm>

#include "core/plan/draft.h"
#include "core/plan/memory.h"
#include "core/policy/mix.h"

namespace tidegate::plan {

namespace {
/// In this order: floors first, then what holds back, then what binds, then who goes.
constexpr Stage kStages[] = {schedule, prewarm,  missing_data, stabilization, rates,
                             bounds,   capacity, warm_pool,    pending,       victims};

Draft start(const Context& context, Memory memory) {
  const std::vector<spec::Variant>& variants = context.model.variants;
  Draft draft;
  bool fresh = memory.variants.size() != variants.size();
  if (fresh) memory.variants.assign(variants.size(), VariantMemory{});
  draft.bounds.resize(variants.size());
  draft.moves.resize(variants.size());
  for (std::size_t i = 0; i < variants.size(); ++i) {
    draft.fleets.push_back(policy::fleet_of(context.model, context.seen, i));
    VariantMemory& known = memory.variants[i];
    if (fresh) known.target = draft.fleets[i].active().value();
    bool matches = i < context.recommended.replicas.size() &&
                   context.recommended.replicas[i].variant == variants[i].name;
    draft.replicas.push_back(matches ? context.recommended.replicas[i].replicas.value()
                                     : known.target);
    draft.asleep.push_back(matches ? context.recommended.replicas[i].asleep.value() : known.asleep);
  }
  draft.memory = std::move(memory);
  return draft;
}
}  // namespace

void set(const Context& context, Draft& draft, std::size_t i, ReasonCode code, std::int64_t after,
         std::vector<Evidence> evidence) {
  draft.reasons.push_back(
      Reason{code, context.model.variants[i].name, draft.replicas[i], after, std::move(evidence)});
  draft.replicas[i] = after;
}

std::pair<Plan, Memory> run(const spec::Model& model, const signal::Observation& seen,
                            const policy::Recommendation& recommended,
                            const std::vector<ReplicaRow>& replicas, Memory memory, Instant now) {
  Context context{model, seen, recommended, replicas, now};
  Draft draft = start(context, std::move(memory));
  for (Stage stage : kStages) draft = stage(context, std::move(draft));
  Plan plan;
  for (std::size_t i = 0; i < model.variants.size(); ++i) {
    set_target(draft.memory.variants[i], draft.replicas[i], now);
    draft.memory.variants[i].asleep = draft.asleep[i];
    Moves& moves = draft.moves[i];
    plan.variants.push_back(VariantPlan{model.variants[i].name, Replicas(draft.replicas[i]),
                                        Replicas(draft.asleep[i]), std::move(moves.stop),
                                        std::move(moves.wake), std::move(moves.sleep)});
  }
  plan.reasons = std::move(draft.reasons);
  return {std::move(plan), std::move(draft.memory)};
}

}  // namespace tidegate::plan
