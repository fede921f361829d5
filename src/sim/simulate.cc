#include "sim/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/policy/policy.h"
#include "sim/sizing.h"

namespace tidegate::sim {
namespace {

constexpr std::int64_t kProgressEvery = 1 << 16;  // requests

/// Does the gateway of this model take a request of this name?
bool serves(const spec::Model& model, const std::string& name) {
  if (name.empty() || name == model.name) return true;
  if (std::find(model.served_names.begin(), model.served_names.end(), name) !=
      model.served_names.end()) {
    return true;
  }
  return std::any_of(model.adapters.begin(), model.adapters.end(),
                     [&](const spec::Adapter& adapter) { return adapter.name == name; });
}

/// What the policy would do, whatever the spec's owner has it do now.
spec::Model under_policy(spec::Model model, const spec::PolicyChoice& choice) {
  model.scaling.policy = choice.policy;
  model.scaling.policy_knob = choice.knob;
  model.scaling.mode = spec::Mode::kAuto;
  model.scaling.paused = false;
  for (spec::Variant& variant : model.variants) variant.target = std::monostate{};
  return model;
}

Result<std::vector<std::int64_t>> first_fleet(const SimulateOptions& options) {
  auto reader = options.open();
  if (!reader) return fail(reader.error());
  FirstMinute minute;
  for (workload::TraceRequest r; (*reader)->next(r) && r.at < kSizedFor;) {
    if (serves(options.model, r.model)) minute.add(r);
  }
  return size_fleet(options.model, minute);
}

/// One policy on its way: its world outlives its own trace, to be billed to the common end.
struct Run {
  World world;
  Duration wall{0};
};

/// Plays the trace to its end and lets the world drain.
Result<Run> play(const SimulateOptions& options, std::size_t policy, SimulateResult& result) {
  const Instant began = options.clock();
  auto reader = options.open();
  if (!reader) return fail(reader.error());
  World world({.model = under_policy(options.model, options.policies[policy].choice),
               .initial = result.initial,
               .seed = options.seed,
               .prefix_block_tokens = options.prefix_block_tokens});
  std::int64_t requests = 0, others = 0;
  for (workload::TraceRequest r; (*reader)->next(r);) {
    if (!serves(options.model, r.model)) {
      if (++others == 1) result.other_model = r.model;
      continue;
    }
    world.offer(r);
    if (++requests % kProgressEvery == 0 && options.progress) {
      options.progress({policy, (*reader)->progress(), requests});
    }
  }
  result.skipped = (*reader)->skipped();
  result.other_models = others;
  if (requests == 0) {
    std::string why = result.skipped;
    if (others > 0) {
      why = fmt::format("its {} requests name other models (\"{}\"), and the spec serves \"{}\"",
                        others, result.other_model, options.model.name);
    }
    return fail("the trace has no request in the part asked for" + (why.empty() ? "" : ": " + why));
  }
  world.drain();
  return Run{std::move(world), options.clock() - began};
}

}  // namespace

PolicyAsked policy_of(const spec::Model& model) {
  PolicyAsked asked;
  asked.choice = {model.scaling.policy, model.scaling.policy_knob};
  asked.text = token(model.scaling.policy);
  if (model.scaling.policy_knob) asked.text += fmt::format(":{:g}", *model.scaling.policy_knob);
  return asked;
}

Result<SimulateResult> simulate(const SimulateOptions& options) {
  for (const PolicyAsked& asked : options.policies) {
    if (!policy::is_built(asked.choice.policy)) {
      return fail(fmt::format(
          "policy {} is not built yet; there are static, concurrency, hpa, keda, kpa and "
          "targettracking",
          asked.text));
    }
  }
  SimulateResult result;
  auto initial = first_fleet(options);
  if (!initial) return fail(initial.error());
  result.initial = std::move(*initial);
  std::vector<Run> runs;
  Instant end;
  for (std::size_t i = 0; i < options.policies.size(); ++i) {
    auto run = play(options, i, result);
    if (!run) return fail(run.error());
    end = std::max(end, run->world.now());
    runs.push_back(std::move(*run));
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Instant began = options.clock();
    runs[i].world.finish(end);
    runs[i].wall += options.clock() - began;
    result.policies.push_back({.policy = options.policies[i].text,
                               .totals = runs[i].world.totals(),
                               .simulated = end - Instant(),
                               .wall = runs[i].wall});
  }
  return result;
}

}  // namespace tidegate::sim
