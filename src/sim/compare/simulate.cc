#include "sim/compare/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/policy/policy.h"
#include "sim/cluster.h"
#include "sim/compare/text_pages.h"
#include "sim/search/asked.h"
#include "sim/sizing.h"

namespace tidegate::sim {
namespace {

constexpr std::int64_t kProgressEvery = 1 << 16;  // requests

/// Which model takes it; models.size(): none. Without a name it is for the only one there is.
std::size_t model_for(const std::vector<spec::Model>& models, const std::string& name) {
  if (name.empty() && models.size() > 1) return models.size();
  std::size_t index = 0;
  while (index < models.size() && !serves(models[index], name)) ++index;
  return index;
}

/// The requests of one model.
class OfModel : public workload::Stream {
 public:
  OfModel(std::unique_ptr<workload::Stream> all, const std::vector<spec::Model>& models,
          std::size_t index)
      : all_(std::move(all)), models_(models), index_(index) {}
  bool next(workload::TraceRequest& out) override {
    while (all_->next(out)) {
      if (model_for(models_, out.model) == index_) return true;
    }
    return false;
  }
  double progress() const override { return all_->progress(); }
  std::string skipped() const override { return all_->skipped(); }

 private:
  std::unique_ptr<workload::Stream> all_;
  const std::vector<spec::Model>& models_;
  std::size_t index_;
};

Result<std::vector<std::vector<std::int64_t>>> first_fleets(const SimulateOptions& options) {
  auto reader = options.open();
  if (!reader) return fail(reader.error());
  std::vector<FirstMinute> minutes(options.models.size());
  for (workload::TraceRequest r; (*reader)->next(r) && r.at < kSizedFor;) {
    std::size_t model = model_for(options.models, r.model);
    if (model < minutes.size()) minutes[model].add(r);
  }
  std::vector<std::vector<std::int64_t>> out;
  for (std::size_t m = 0; m < minutes.size(); ++m) {
    out.push_back(size_fleet(options.models[m], minutes[m]));
  }
  return out;
}

void add(Totals& sum, const Totals& more) {
  sum.score.add(more.score);
  sum.too_long += more.too_long;
  sum.output_tokens += more.output_tokens;
  sum.scale_ups += more.scale_ups;
  sum.scale_downs += more.scale_downs;
  sum.cold_starts += more.cold_starts;
  sum.warm_pool = sum.warm_pool || more.warm_pool;
  sum.wakes += more.wakes;
  sum.sleeper_hours += more.sleeper_hours;
  sum.queue_peak += more.queue_peak;
  sum.replicas_peak += more.replicas_peak;
  sum.replicas_mean += more.replicas_mean;
  sum.gpu_hours += more.gpu_hours;
  sum.replica_hours += more.replica_hours;
  sum.cost_dollars += more.cost_dollars;
  sum.busy += more.busy;
}

/// One policy on its way: its cluster outlives its own trace, to be billed to the common end.
struct Run {
  std::unique_ptr<Cluster> cluster;
  std::optional<OracleNote> oracle;
  Duration wall{0};
};

class Simulation {
 public:
  explicit Simulation(const SimulateOptions& options) : options_(options) {}

  Result<SimulateResult> run() {
    if (auto able = check(); !able) return fail(able.error());
    auto initial = first_fleets(options_);
    if (!initial) return fail(initial.error());
    result_.initial = std::move(*initial);
    runs_.resize(options_.policies.size());
    for (bool oracles : {false, true}) {
      for (std::size_t i = 0; i < runs_.size(); ++i) {
        if ((options_.policies[i].choice.policy == spec::PolicyKind::kOracle) != oracles) continue;
        auto done = oracles ? search(i) : play(i, {});
        if (!done) return fail(done.error());
        end_ = std::max(end_, runs_[i].cluster->now());
      }
    }
    for (std::size_t i = 0; i < runs_.size(); ++i) report(i);
    return std::move(result_);
  }

 private:
  Result<void> check() const {
    for (const PolicyAsked& asked : options_.policies) {
      if (asked.choice.policy == spec::PolicyKind::kOracle) {
        if (options_.models.size() > 1 && !options_.faults.pools.empty()) {
          return fail(
              "oracle: with devices that several models share there is none; ask for one "
              "model, or leave the pools out");
        }
      } else if (!policy::is_built(asked.choice.policy)) {
        return fail(fmt::format("policy {} is not built yet; there are {} and oracle", asked.text,
                                policy::built_policies()));
      }
    }
    return {};
  }

  WorldOptions world_options(std::size_t policy, std::size_t model) const {
    WorldOptions out{
        .model = under_policy(options_.models[model], options_.policies[policy].choice),
        .initial = result_.initial[model],
        .seed = options_.seed,
        .prefix_block_tokens = options_.prefix_block_tokens,
        .faults = options_.faults,
        .front = options_.front,
        .output_limit = options_.output_limit};
    if (options_.pages == Pages::kText) out.pages = TextPages();
    return out;
  }

  /// Plays the trace to its end and lets the cluster drain; by schedules, one a model, where given.
  Result<void> play(std::size_t policy, std::vector<Schedule> schedules) {
    const Instant began = options_.clock();
    auto stream = options_.open();
    if (!stream) return fail(stream.error());
    Run& run = runs_[policy];
    run.cluster = std::make_unique<Cluster>(options_.faults);
    for (std::size_t m = 0; m < options_.models.size(); ++m) {
      WorldOptions world = world_options(policy, m);
      if (!schedules.empty()) world.schedule = std::move(schedules[m]);
      if (options_.recorder) {
        world.recorder = options_.recorder(options_.policies[policy].text, options_.models[m]);
      }
      run.cluster->add(std::move(world));
    }
    std::int64_t requests = 0, others = 0;
    for (workload::TraceRequest r; (*stream)->next(r);) {
      std::size_t model = model_for(options_.models, r.model);
      if (model == options_.models.size()) {
        if (++others == 1) result_.other_model = r.model;
        continue;
      }
      run.cluster->offer(model, r);
      if (++requests % kProgressEvery == 0 && options_.progress) {
        options_.progress({policy, (*stream)->progress(), requests});
      }
    }
    result_.skipped = (*stream)->skipped();
    result_.other_models = others;
    if (requests == 0) return fail(nothing_there(others));
    run.cluster->drain();
    run.wall += options_.clock() - began;
    return {};
  }

  std::string nothing_there(std::int64_t others) const {
    std::string why = result_.skipped;
    if (others > 0) {
      std::string names;
      for (const spec::Model& model : options_.models) {
        names += (names.empty() ? "\"" : ", \"") + model.name + "\"";
      }
      why = fmt::format("its {} requests name other models (\"{}\"), and the spec serves {}",
                        others, result_.other_model, names);
    }
    return "the trace has no request in the part asked for" + (why.empty() ? "" : ": " + why);
  }

  /// The oracle of each model, with what was played before among its candidates; then played.
  Result<void> search(std::size_t policy) {
    const Instant began = options_.clock();
    std::vector<Schedule> schedules;
    OracleNote note{.reached = true};
    for (std::size_t m = 0; m < options_.models.size(); ++m) {
      OracleOptions ask{.world = world_options(policy, m)};
      ask.open = [this, m]() -> Result<std::unique_ptr<workload::Stream>> {
        auto all = options_.open();
        if (!all) return fail(all.error());
        return std::make_unique<OfModel>(std::move(*all), options_.models, m);
      };
      ask.attainment = options_.policies[policy].choice.knob.value_or(kOracleAttainment);
      ask.budget = options_.oracle_budget;
      ask.end = end_;
      for (std::size_t i = 0; i < runs_.size(); ++i) {
        if (!runs_[i].cluster || i == policy) continue;
        runs_[i].cluster->finish(std::max(end_, runs_[i].cluster->now()));
        const World& world = runs_[i].cluster->world(m);
        ask.candidates.push_back({options_.policies[i].text, world.realised(), world.totals()});
      }
      ask.progress = [&](double share) {
        if (options_.progress) options_.progress({policy, share, 0});
      };
      auto found = oracle(ask);
      if (!found) return fail(found.error().within(options_.policies[policy].text));
      note.reached = note.reached && found->reached;
      note.exhausted = note.exhausted || found->exhausted;
      note.evaluations += found->evaluations;
      note.found_by += (note.found_by.empty() ? "" : ", ") + found->found_by;
      end_ = std::max(end_, found->end);
      schedules.push_back(std::move(found->schedule));
    }
    runs_[policy].oracle = note;
    runs_[policy].wall = options_.clock() - began;
    return play(policy, std::move(schedules));
  }

  void report(std::size_t policy) {
    Run& run = runs_[policy];
    const Instant began = options_.clock();
    run.cluster->finish(end_);
    run.wall += options_.clock() - began;
    PolicyResult out{.policy = options_.policies[policy].text,
                     .oracle = run.oracle,
                     .simulated = end_ - Instant(),
                     .wall = run.wall};
    for (std::size_t m = 0; m < options_.models.size(); ++m) {
      out.models.push_back({options_.models[m].name, run.cluster->world(m).totals()});
      add(out.totals, out.models.back().totals);
    }
    result_.policies.push_back(std::move(out));
  }

  static constexpr double kOracleAttainment = 0.99;

  const SimulateOptions& options_;
  SimulateResult result_;
  std::vector<Run> runs_;
  Instant end_;
};

}  // namespace

PolicyAsked policy_of(const spec::Model& model) {
  PolicyAsked asked;
  asked.choice = {model.scaling.policy, model.scaling.policy_knob};
  asked.text = token(model.scaling.policy);
  if (model.scaling.policy_knob) asked.text += fmt::format(":{:g}", *model.scaling.policy_knob);
  return asked;
}

Result<SimulateResult> simulate(const SimulateOptions& options) {
  return Simulation(options).run();
}

}  // namespace tidegate::sim
